"""How spread, how heavy-tailed and how repetitive every weight matrix is, layer by layer."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from scipy.sparse.linalg import eigsh

from analysis.cache import cache_folder, cached
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup, with_ranks
from analysis.models.unit_weights import UnitWeights, read_units
from analysis.progress import (
    UNWATCHED,
    Watch,
)

UNITS = "units"
"""Name of the matrix that has one whole unit per row, biases included: what is merged."""

STATISTICS: Mapping[str, str] = {
    "variance": "Population variance of the matrix's N numbers, Σ(w - w̄)²/N; biases count only "
    "where whole units are looked at.",
    "unit_norm": "Mean over the units of the Euclidean norm of what a unit owns in the matrix: a "
    "channel's row (FFN in) or column (FFN out), a head's rows (Q, K, V) or columns (O).",
    "norm_spread": "Coefficient of variation of the unit norms, their population standard "
    "deviation over their mean: 0 when all units are equally large.",
    "kurtosis": "Fourth standardised moment less 3, [Σ(w - w̄)⁴/N] / variance² - 3: 0 for normally "
    "distributed weights, more for heavier tails.",
    "stable_rank": "‖W‖_F² / ‖W‖₂², the sum of the squared singular values over the largest of "
    "them: from 1 (one direction does it all) to the rank of the matrix (all directions alike).",
    "nearest_cosine": "Mean over the units of the cosine between a unit and the other unit of its "
    "layer that is most similar to it: 1 when every unit has a parallel twin, heads as they are.",
}
"""Each statistic and its exact definition, in one sentence."""

HIGH_VALUES: Mapping[str, str] = {
    "variance": "weights that spread widely leave units room to differ, and merging costs more; "
    "the papers' allocation lets such layers keep more units.",
    "unit_norm": "large units weigh more in a mean and in what the layer does, so merging unlike "
    "ones costs more.",
    "norm_spread": "few large units stand beside many small ones; the small ones cost little, "
    "merged or removed.",
    "kurtosis": "a few outlying weights do much of the work, and a mean of units blurs them.",
    "stable_rank": "units use many directions, so few stand in for others and merging costs more.",
    "nearest_cosine": "units have near twins, and merging those costs little.",
}
"""What a high value of each statistic means for merging, as the end of a sentence."""

STATISTIC_TITLES: Mapping[str, str] = {
    "variance": "Variance",
    "unit_norm": "Mean unit norm",
    "norm_spread": "Norm spread",
    "kurtosis": "Excess kurtosis",
    "stable_rank": "Stable rank",
    "nearest_cosine": "Neighbour cosine",
}
"""Each statistic's name for people."""

_ATTENTION_LABELS = {"query": "Q", "key": "K", "value": "V", "output": "O", UNITS: "Heads"}

_FFN_LABELS = {"input": "FFN in", "output": "FFN out", UNITS: "Channels"}


@dataclass(frozen=True, slots=True)
class MatrixStatistics:
    """The statistics of one matrix of one layer; definitions in `STATISTICS`.

    Parameters
    ----------
    variance, unit_norm, norm_spread, kurtosis, stable_rank, nearest_cosine : float
        nan where nothing is defined: the nearest neighbour of a group's only unit, ratios of zero.
    """

    variance: float
    unit_norm: float
    norm_spread: float
    kurtosis: float
    stable_rank: float
    nearest_cosine: float


MatrixKey = tuple[str, str]
"""Group id and matrix name: one cell of the page's heatmap."""


def matrix_names(group: UnitGroup) -> tuple[str, ...]:
    """A group's matrices: its input projections, its output projection, its whole units."""
    return (*group.input_paths, "output", UNITS)


def matrix_label(group: UnitGroup, matrix: str) -> str:
    """How a matrix is called on the page: "Q", "FFN out"; "Heads" or "Channels" for whole units."""
    return (_FFN_LABELS if group.component == "ffn" else _ATTENTION_LABELS)[matrix]


def owned_vectors(weights: UnitWeights, matrix: str) -> np.ndarray:
    """What every unit owns in a matrix.

    Parameters
    ----------
    weights : UnitWeights
        n units of `rows` rows, hidden size d.
    matrix : str
        See `matrix_names`.

    Returns
    -------
    ndarray of float32
        (n, rows·d), or (n, unit_dim) for whole units.
    """
    if matrix == UNITS:
        owned = weights.vectors()
    else:
        owned = weights.output if matrix == "output" else weights.inputs[matrix]
    return np.ascontiguousarray(owned.reshape(weights.n_units, -1).cpu().numpy())


def group_statistics(model: SpeechModel, group: UnitGroup) -> Mapping[str, MatrixStatistics]:
    """Statistics of all matrices of one group, from disk where they were computed before.

    Parameters
    ----------
    model : SpeechModel
    group : UnitGroup

    Returns
    -------
    mapping of str to MatrixStatistics
        By matrix name, in the order of `matrix_names`.
    """
    names = matrix_names(group)
    columns = [field.name for field in fields(MatrixStatistics)]
    dtype = str(model.dtype).removeprefix("torch.")
    path = cache_folder("statistics") / model.cache_name / dtype / f"{group.id}.npz"

    def make() -> Mapping[str, np.ndarray]:
        measured = _measure_group(model, group)
        return {c: np.array([getattr(measured[name], c) for name in names]) for c in columns}

    arrays = cached(path, dict.fromkeys(columns, (len(names),)), make)
    return {
        name: MatrixStatistics(*(float(arrays[c][i]) for c in columns))
        for i, name in enumerate(names)
    }


def _measure_group(model: SpeechModel, group: UnitGroup) -> Mapping[str, MatrixStatistics]:
    weights = read_units(model.model, group)
    gram = np.zeros((group.n_units, group.n_units), dtype=np.float32)
    for bias in weights.biases.values():
        gram += _gram(bias.cpu().numpy())
    result: dict[str, MatrixStatistics] = {}
    for name in matrix_names(group):
        owned = owned_vectors(weights, name)
        if name == UNITS:
            # the parts' Gram matrices add up: the largest product of all need not be formed
            own_gram, matrix = gram, owned
        else:
            own_gram, matrix = _gram(owned), owned.reshape(group.n_units * group.rows, -1)
            gram += own_gram
        result[name] = _measure(owned, own_gram, matrix)
    return result


def model_statistics(
    model: SpeechModel,
    *,
    watch: Watch = UNWATCHED,
) -> Mapping[MatrixKey, MatrixStatistics]:
    """Statistics of every matrix of every group.

    The variance of a group's whole units is the one that the "variance" allocation sorts by
    (`analysis.models.statistics.group_variances`).

    Parameters
    ----------
    model : SpeechModel
    watch : Watch
        It is told after each group, and asked before each; what was computed by then stays on
        disk.

    Returns
    -------
    mapping of (str, str) to MatrixStatistics
        By group id and matrix name.

    Raises
    ------
    Cancelled
    """
    groups = model.groups
    result: dict[MatrixKey, MatrixStatistics] = {}
    for done, group in enumerate(groups, start=1):
        watch.check()
        for name, statistics in group_statistics(model, group).items():
            result[group.id, name] = statistics
        watch.progress(done, len(groups), group.title)
    return result


def nearest_cosines(gram: np.ndarray) -> np.ndarray:
    """Cosine of each vector with the most similar other one.

    Parameters
    ----------
    gram : ndarray, (n, n)
        Inner products of n vectors; a vector of zeros has cosine 0 with all.

    Returns
    -------
    ndarray of float64, (n,)
        nan where there is no other vector.
    """
    if len(gram) < 2:
        return np.full(len(gram), np.nan)
    cosines = cosine_matrix(gram)
    np.fill_diagonal(cosines, -np.inf)
    return cosines.max(axis=1).astype(np.float64)


def cosine_matrix(gram: np.ndarray) -> np.ndarray:
    """Cosines from inner products, within -1..1.

    Parameters
    ----------
    gram : ndarray, (n, n)

    Returns
    -------
    ndarray, (n, n)
    """
    norms = np.sqrt(np.diagonal(gram))
    scale = np.divide(1, norms, out=np.zeros_like(norms), where=norms > 0)
    cosines: np.ndarray = np.clip(gram * scale[:, None] * scale[None, :], -1, 1)
    return cosines


def _measure(owned: np.ndarray, gram: np.ndarray, matrix: np.ndarray) -> MatrixStatistics:
    numbers = owned.ravel().astype(np.float64)
    numbers -= numbers.mean()
    np.square(numbers, out=numbers)
    variance = float(numbers.mean())
    fourth = float(np.square(numbers, out=numbers).mean())
    norms = np.sqrt(np.einsum("nd,nd->n", owned, owned, dtype=np.float64))
    mean_norm = float(norms.mean())
    largest = _largest_squared_singular_value(matrix)
    return MatrixStatistics(
        variance=variance,
        unit_norm=mean_norm,
        norm_spread=float(norms.std()) / mean_norm if mean_norm else np.nan,
        kurtosis=fourth / variance**2 - 3 if variance else np.nan,
        stable_rank=float(np.square(norms).sum()) / largest if largest else np.nan,
        nearest_cosine=float(nearest_cosines(gram).mean()),
    )


def _largest_squared_singular_value(matrix: np.ndarray) -> float:
    """‖W‖₂², the largest eigenvalue of the smaller Gram matrix, by Lanczos iteration.

    At 2561 x 5120 that takes a fifteenth of the time of LAPACK's reduction, to 1e-6 relative.
    """
    gram = _gram(matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T)
    if len(gram) == 1 or not gram.any():
        return float(gram[0, 0])
    # a fixed start, so that the same weights give the same digits
    start = np.random.default_rng(0).standard_normal(len(gram)).astype(gram.dtype)
    return float(eigsh(gram, k=1, v0=start, tol=1e-6, return_eigenvectors=False)[0])


def _gram(vectors: np.ndarray) -> np.ndarray:
    """All inner products, (n, n): NumPy computes only one triangle of A·Aᵀ."""
    product: np.ndarray = vectors @ vectors.T
    return product


def group_variances(model: SpeechModel) -> Mapping[str, float]:
    """Population variance over all numbers in a group's unit vectors.

    Parameters
    ----------
    model : SpeechModel

    Returns
    -------
    mapping of str to float
        By group id; squared weight units.

    References
    ----------
    arXiv 2606.11836, section on mixed sparsity.
    """
    return {
        group.id: float(read_units(model.model, group).vectors().cpu().double().var(correction=0))
        for group in with_ranks(model.groups)
    }
