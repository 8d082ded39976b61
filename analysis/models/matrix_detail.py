"""One matrix of one layer from near: its weights' distribution, its units' norms, its twins."""

from dataclasses import dataclass

import numpy as np

from analysis.models.speech_model import SpeechModel
from analysis.models.statistics import cosine_matrix, owned_vectors
from analysis.models.unit_groups import UnitGroup
from analysis.models.unit_weights import read_units

N_BINS = 81
"""Odd, so that one bin is centred on the mean."""

REACH = 6.0
"""Standard deviations on either side of the mean that the histogram covers."""


@dataclass(frozen=True, slots=True)
class SimilarPair:
    """Two units and the cosine between what they own in the matrix."""

    first: int
    second: int
    cosine: float


@dataclass(frozen=True, slots=True, eq=False)
class MatrixDetail:
    """What one cell of the heatmap consists of.

    Parameters
    ----------
    edges : ndarray of float64, (N_BINS + 1,)
        Bin edges, mean ± `REACH` standard deviations.
    counts : ndarray of int64, (N_BINS,)
    n_beyond : int
        Numbers outside the edges.
    mean, deviation : float
        Of all numbers; population standard deviation.
    norms : ndarray of float64, (n,)
        Of what each unit owns in the matrix.
    pairs : tuple of SimilarPair
        The most similar pairs of units, the most similar first.
    """

    edges: np.ndarray
    counts: np.ndarray
    n_beyond: int
    mean: float
    deviation: float
    norms: np.ndarray
    pairs: tuple[SimilarPair, ...]


def matrix_detail(
    model: SpeechModel, group: UnitGroup, matrix: str, *, n_pairs: int = 5
) -> MatrixDetail:
    """Look at one matrix from near.

    Parameters
    ----------
    model : SpeechModel
    group : UnitGroup
    matrix : str
        See `analysis.models.statistics.matrix_names`.
    n_pairs : int
        Most similar pairs to find, at most.

    Returns
    -------
    MatrixDetail
    """
    owned = owned_vectors(read_units(model.model, group), matrix)
    mean = float(owned.mean(dtype=np.float64))
    deviation = float(owned.std(dtype=np.float64))
    reach = REACH * deviation or 1.0
    counts, edges = np.histogram(owned, bins=N_BINS, range=(mean - reach, mean + reach))
    return MatrixDetail(
        edges=edges,
        counts=counts,
        n_beyond=int(owned.size - counts.sum()),
        mean=mean,
        deviation=deviation,
        norms=np.sqrt(np.einsum("nd,nd->n", owned, owned, dtype=np.float64)),
        pairs=most_similar_pairs(cosine_matrix(owned @ owned.T), n_pairs),
    )


def most_similar_pairs(cosines: np.ndarray, n_pairs: int) -> tuple[SimilarPair, ...]:
    """The pairs of highest cosine, each once, the most similar first.

    Parameters
    ----------
    cosines : ndarray, (n, n)
        Symmetric.
    n_pairs : int
        At most; there are n·(n - 1)/2.
    """
    n = len(cosines)
    upper = np.where(np.tri(n, dtype=bool), -np.inf, cosines).ravel()
    n_pairs = min(n_pairs, n * (n - 1) // 2)
    if n_pairs == 0:
        return ()
    best = np.argpartition(upper, -n_pairs)[-n_pairs:]
    best = best[np.argsort(-upper[best], kind="stable")]
    return tuple(SimilarPair(int(i // n), int(i % n), float(upper[i])) for i in best)
