"""Clusterings at one K: Hartigan moves, k-means, and the inertia of any of them."""

import numpy as np

from analysis.clustering.distances import SquaredDistances
from analysis.clustering.merge_tree import check_n_clusters, compact_labels
from analysis.errors import UserError


def clustering_inertia(distances: SquaredDistances, labels: np.ndarray) -> float:
    """Inertia of a clustering from pairwise distances: Σ_C 1/(2|C|)·Σ_{i,j ∈ C} D²_ij.

    Parameters
    ----------
    distances : SquaredDistances
    labels : ndarray of int, (n,)
        Compact; no unit dropped.
    """
    return float(sum(_within(distances.matrix, labels)[0]))


def _within(matrix: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inertia and size of each cluster."""
    n_clusters = int(labels.max()) + 1
    sizes = np.bincount(labels, minlength=n_clusters)
    inertia = np.zeros(n_clusters)
    for cluster in np.flatnonzero(sizes > 1):
        members = np.flatnonzero(labels == cluster)
        inertia[cluster] = matrix[np.ix_(members, members)].sum(dtype=np.float64) / (
            2 * sizes[cluster]
        )
    return inertia, sizes


def hartigan_refine(
    distances: SquaredDistances, labels: np.ndarray, max_passes: int = 10
) -> np.ndarray:
    """Move single units between clusters while that lowers the inertia (Hartigan 1975).

    A unit leaves A for B when |B|/(|B|+1)·d²(x, B) < |A|/(|A|-1)·d²(x, A). A cluster's last unit
    stays, so K is kept.

    Parameters
    ----------
    distances : SquaredDistances
    labels : ndarray of int, (n,)
        Compact.
    max_passes : int
        Passes over all units, at most.

    Returns
    -------
    ndarray of int64, (n,)
        Compact; its inertia is never above that of `labels`.
    """
    labels = labels.copy()
    matrix = distances.matrix.astype(np.float64)
    inertia, sizes = _within(matrix, labels)
    n_clusters = len(sizes)
    # reach[i, C] = Σ_{j ∈ C} D²_ij, from which every distance to a mean follows
    one_hot = np.zeros((len(labels), n_clusters))
    one_hot[np.arange(len(labels)), labels] = 1
    reach = matrix @ one_hot
    for _ in range(max_passes):
        moved = False
        for unit, source in enumerate(labels):
            if sizes[source] == 1:
                continue
            to_means = (reach[unit] - inertia) / sizes
            gains = sizes / (sizes + 1) * to_means
            gains[source] = sizes[source] / (sizes[source] - 1) * to_means[source]
            target = int(gains.argmin())
            if target == source or gains[target] >= gains[source] * (1 - 1e-9):
                continue
            inertia[target] += gains[target]
            inertia[source] -= gains[source]
            sizes[source] -= 1
            sizes[target] += 1
            reach[:, source] -= matrix[unit]
            reach[:, target] += matrix[unit]
            labels[unit] = target
            moved = True
        if not moved:
            break
    return compact_labels(labels)


def kmeans_labels(
    vectors: np.ndarray, n_clusters: int, *, seed: int, n_init: int = 1, init: str = "k-means++"
) -> np.ndarray:
    """Cluster as the paper does: k-means.

    Parameters
    ----------
    vectors : ndarray of float32, (n, unit_dim)
    n_clusters : int
    seed : int
    n_init : int
        Restarts; the one of lowest inertia is kept.
    init : {"k-means++", "random"}
        Seeding.

    Returns
    -------
    ndarray of int64, (n,)
        Compact, exactly `n_clusters` distinct values.

    Raises
    ------
    UserError
        When there are fewer distinct units than clusters.

    References
    ----------
    arXiv 2606.11836, section on parameter clustering.
    """
    check_n_clusters(n_clusters, len(vectors))
    if n_clusters == len(vectors):
        return np.arange(len(vectors))
    from sklearn.cluster import KMeans  # a second of import, which only this engine needs

    solver = KMeans(n_clusters, init=init, n_init=n_init, random_state=seed)
    labels = compact_labels(solver.fit(vectors).labels_)
    if int(labels.max()) + 1 < n_clusters:
        raise UserError(
            f"k-means found only {int(labels.max()) + 1} distinct clusters, not {n_clusters}.",
            "Choose a smaller K, or the ward engine, which keeps equal units apart.",
        )
    return labels
