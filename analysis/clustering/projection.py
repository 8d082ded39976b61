"""Maps of units: principal components at once, UMAP on demand, both kept on disk.

Latency on two cores: PCA of 1,536 channels a fraction of a second, of 5,120 some seconds; UMAP 5 to
30 s, and about 10 s more for the first map of a process, in which numba compiles.
"""

import hashlib
import sys
import threading
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.sparse.linalg import eigsh

from analysis.cache import cache_folder, cached
from analysis.clustering.distances import distance_weights
from analysis.clustering.listening import heard_identity
from analysis.clustering.unit_space import UnitSpace
from analysis.errors import UserError
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from analysis.models.unit_weights import UnitWeights
from analysis.progress import Progress, no_progress

PCA_COMPONENTS = 50
"""Principal components that UMAP is given instead of the raw vectors; the paper of UMAP's authors
and scikit-learn's guide advise the same for vectors of thousands of numbers."""

METRICS: Mapping[str, str] = {
    "euclidean": "Straight-line distance, the one that the clusters are made with.",
    "cosine": "The angle only: a unit and its double are at the same place.",
    "correlation": "The angle after each unit's own mean is taken off.",
    "manhattan": "Sum of absolute differences, less led by single large ones.",
}
"""Each metric that UMAP can use, in one sentence."""

MIN_UNITS = 4
"""UMAP's spectral start needs more points than it has dimensions."""

WORTHWHILE_UNITS = 30
"""From so many units on a UMAP tells more than chance; there are fewer heads in a layer."""

_COMPILE_SECONDS, _FIT_SECONDS, _SECONDS_PER_UNIT = 10.0, 1.0, 0.004

_BIASES = "biases"

# One for the whole process, not one per model: numba's default threading layer ("workqueue") ends
# the process when two threads are in parallel code at a time.
_UMAP_LOCK = threading.Lock()


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Units as points.

    Parameters
    ----------
    coordinates : ndarray of float32, (n, n_dimensions)
        The units of the groups one after the other.
    explained : tuple of float or None
        For PCA, the share of the variance on each axis; UMAP's axes have no meaning.
    """

    coordinates: np.ndarray
    explained: tuple[float, ...] | None


def place_table(groups: Sequence[UnitGroup], projection: Projection) -> pd.DataFrame:
    """Where every unit of some groups lies on a map.

    Parameters
    ----------
    groups : sequence of UnitGroup
        In the order of the projection.
    projection : Projection

    Returns
    -------
    DataFrame
        A row per unit: "group", "unit", and its coordinates "x", "y" and maybe "z".
    """
    units = [(group.id, unit) for group in groups for unit in range(group.n_units)]
    table = pd.DataFrame(units, columns=["group", "unit"])
    for axis, column in zip("xyz", projection.coordinates.T, strict=False):
        table[axis] = column
    return table


@dataclass(frozen=True, slots=True)
class UmapSettings:
    """What decides a UMAP besides the units.

    Parameters
    ----------
    n_dimensions : {2, 3}
    n_neighbors : int
        Neighbours that each unit's place is learned from; few show detail, many the whole.
    min_dist : float
        How close points may lie, 0..1; small packs clusters tightly.
    metric : str
        See `METRICS`.
    seed : int
        Same seed, same map.
    """

    n_dimensions: int = 2
    n_neighbors: int = 15
    min_dist: float = 0.1
    metric: str = "euclidean"
    seed: int = 0


def project_pca(
    model: SpeechModel,
    groups: Sequence[UnitGroup],
    space: UnitSpace,
    n_dimensions: int = 2,
) -> Projection:
    """The plane, or space, in which the units differ most.

    Parameters
    ----------
    model : SpeechModel
    groups : sequence of UnitGroup
        One group, or several whose units have the same size, e.g. all heads of a model; under the
        contribution distance one only.
    space : UnitSpace
        In which they are compared; maps show heads as they are, never aligned.
    n_dimensions : {2, 3}

    Returns
    -------
    Projection

    Raises
    ------
    UserError
        When the groups' units differ in size, or cannot be compared.
    """
    scores, explained = _principal_components(model, groups, space)
    coordinates = scores[:, :n_dimensions]
    missing = n_dimensions - coordinates.shape[1]
    coordinates = np.pad(coordinates, ((0, 0), (0, missing)))
    shares = [*explained[:n_dimensions].tolist(), *[0.0] * missing]
    return Projection(coordinates, tuple(shares))


def project_umap(
    model: SpeechModel,
    groups: Sequence[UnitGroup],
    space: UnitSpace,
    settings: UmapSettings,
    *,
    progress: Progress = no_progress,
) -> Projection:
    """A map that keeps neighbours together, learned from the first principal components.

    Parameters
    ----------
    model : SpeechModel
    groups : sequence of UnitGroup
        As for `project_pca`.
    space : UnitSpace
    settings : UmapSettings
    progress : callable

    Returns
    -------
    Projection

    Raises
    ------
    UserError
        With fewer than `MIN_UNITS` units, or when a setting is out of range.

    References
    ----------
    McInnes, Healy, Melville, "UMAP: uniform manifold approximation and projection", 2018.
    """
    n = sum(group.n_units for group in groups)
    _check(settings, n)
    path = _folder(model, groups, space) / (
        f"umap-{settings.n_dimensions}d-{settings.n_neighbors}-{settings.min_dist:g}"
        f"-{settings.metric}-{settings.seed}.npz"
    )

    def make() -> Mapping[str, np.ndarray]:
        progress(0, 0, "principal components")
        scores, _ = _principal_components(model, groups, space)
        return {"coordinates": _umap(scores, settings, progress)}

    arrays = cached(path, {"coordinates": (n, settings.n_dimensions)}, make)
    return Projection(arrays["coordinates"], None)


def umap_seconds(n_units: int) -> float:
    """How long a UMAP should take on two cores; the first one of a process waits for numba."""
    compiling = 0.0 if "umap" in sys.modules else _COMPILE_SECONDS
    return compiling + _FIT_SECONDS + _SECONDS_PER_UNIT * n_units


def _umap(scores: np.ndarray, settings: UmapSettings, progress: Progress) -> np.ndarray:
    """Places of units, float32 (n, n_dimensions), from their principal components."""
    n = len(scores)
    progress(0, 0, "loading UMAP")
    with _UMAP_LOCK:
        from umap import UMAP  # not above: importing it compiles for seconds

        progress(0, 0, f"placing {n:,} units")
        reducer = UMAP(
            n_components=settings.n_dimensions,
            n_neighbors=settings.n_neighbors,
            min_dist=settings.min_dist,
            metric=settings.metric,
            random_state=settings.seed,
            n_jobs=1,  # what a fixed seed entails
            # the spectral start solves for n_dimensions + 1 eigenvectors of n points
            init="spectral" if n > 4 * (settings.n_dimensions + 1) else "random",
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about few points and disconnected neighbours
            return np.asarray(reducer.fit_transform(scores), dtype=np.float32)


def _check(settings: UmapSettings, n_units: int) -> None:
    if n_units < MIN_UNITS:
        raise UserError(
            f"UMAP needs at least {MIN_UNITS} units; here are {n_units}.",
            "Look at the principal components, or at all heads of the model in one map.",
        )
    if not 2 <= settings.n_neighbors < n_units:
        raise UserError(
            f"UMAP cannot use {settings.n_neighbors} neighbours of {n_units} units.",
            f"Choose from 2 to {n_units - 1}.",
        )
    if settings.metric not in METRICS:
        raise UserError(
            f"{settings.metric!r} is not a metric.", f"Choose one of {', '.join(METRICS)}."
        )
    if settings.n_dimensions not in (2, 3) or not 0 <= settings.min_dist <= 1:
        raise UserError("This map cannot be drawn.", "Use 2 or 3 dimensions, min_dist 0 to 1.")


def _principal_components(
    model: SpeechModel,
    groups: Sequence[UnitGroup],
    space: UnitSpace,
) -> tuple[np.ndarray, np.ndarray]:
    """Scores (n, c) and shares of variance (c,) of up to `PCA_COMPONENTS` components."""
    n = sum(group.n_units for group in groups)
    path = _folder(model, groups, space) / "pca.npz"

    def make() -> Mapping[str, np.ndarray]:
        if not space.listens:
            gram = _gram(model, groups, space.distance)
        elif len(groups) == 1:
            gram = space.gram(model, groups[0])
        else:
            raise UserError(
                "What units of different layers do cannot be compared here.",
                "Choose one group, or another distance.",
            )
        scores, explained = principal_components(gram)
        return {"scores": scores, "explained": explained}

    arrays = cached(path, {"scores": (n, None), "explained": (None,)}, make)
    return arrays["scores"], arrays["explained"]


def principal_components(gram: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Principal components from inner products.

    Parameters
    ----------
    gram : ndarray of float64, (n, n)
        Inner products of n vectors, not centred.

    Returns
    -------
    scores : ndarray of float32, (n, c)
        Coordinates on up to `PCA_COMPONENTS` components; one column of zeros where all are equal.
    explained : ndarray of float64, (c,)
        Share of the variance on each.
    """
    n = len(gram)
    means = gram.mean(axis=0)
    centred = gram - means[:, None] - means[None, :] + means.mean()
    total = float(np.trace(centred))
    n_components = min(PCA_COMPONENTS, n - 1)
    if n_components == 0 or total <= 0:
        return np.zeros((n, 1), dtype=np.float32), np.zeros(1)
    if n <= 2 * PCA_COMPONENTS:
        values, vectors = np.linalg.eigh(centred)
    else:
        # single precision and this tolerance place a point within a thousandth of the map's width,
        # in a fifth of the time
        start = np.random.default_rng(0).standard_normal(n).astype(np.float32)
        values, vectors = eigsh(centred.astype(np.float32), k=n_components, v0=start, tol=1e-3)
    order = np.argsort(-values)[:n_components]
    values, vectors = values[order].clip(min=0), vectors[:, order]
    # an eigenvector's sign is free: the entry of largest size is made positive
    largest = np.abs(vectors).argmax(axis=0)
    signs = np.sign(vectors[largest, np.arange(len(largest))])
    scores = (vectors * signs * np.sqrt(values)).astype(np.float32)
    return scores, values / total


def _gram(model: SpeechModel, groups: Sequence[UnitGroup], distance: str) -> np.ndarray:
    """Inner products of all units, (n, n), summed up over the roles.

    Role by role, because the heads of a large model side by side would fill gigabytes.
    """
    if len({group.unit_dim for group in groups}) > 1:
        raise UserError(
            "These units differ in size, so they do not fit one map.", "Choose one stack."
        )
    n = sum(group.n_units for group in groups)
    gram = np.zeros((n, n))
    for part in (*groups[0].input_paths, "output", _BIASES):
        blocks = (_owned(distance_weights(model.model, g, distance), part) for g in groups)
        vectors = _stack(blocks, n)
        gram += vectors @ vectors.T
    return gram


def _owned(weights: UnitWeights, part: str) -> np.ndarray:
    """What every unit owns of a part, (n, ·)."""
    if part == _BIASES:
        if not weights.biases:
            return np.zeros((weights.n_units, 1), dtype=np.float32)
        owned = torch.cat(list(weights.biases.values()), dim=1)
    else:
        owned = weights.output if part == "output" else weights.inputs[part]
    return owned.reshape(weights.n_units, -1).cpu().numpy()


def _stack(blocks: Iterable[np.ndarray], n: int) -> np.ndarray:
    """Rows of all blocks in one array, without holding the blocks beside it."""
    stacked = np.empty((0, 0), dtype=np.float32)
    row = 0
    for block in blocks:
        if row == 0:
            stacked = np.empty((n, block.shape[1]), dtype=np.float32)
        stacked[row : row + len(block)] = block
        row += len(block)
    return stacked


def _folder(
    model: SpeechModel,
    groups: Sequence[UnitGroup],
    space: UnitSpace,
) -> Path:
    dtype = str(model.dtype).removeprefix("torch.")
    heard = f"-{heard_identity(model, space.excitation)}" if space.excitation else ""
    ids = "+".join(group.id for group in groups)
    name = ids if len(groups) == 1 else hashlib.sha256(ids.encode()).hexdigest()[:16]
    return cache_folder("projections") / model.cache_name / dtype / (space.distance + heard) / name
