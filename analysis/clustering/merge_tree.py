"""The Ward merge tree of a group: clusters for every K at once, and what each K costs."""

from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform

from analysis.clustering.distances import SquaredDistances
from analysis.errors import UserError


@dataclass(frozen=True, slots=True, eq=False)
class Removal:
    """In which order the surgeon drops units, and what each step costs (`removal_order`).

    Parameters
    ----------
    order : ndarray of int64, (n - 1,)
        Units, the first one to go first.
    costs : ndarray of float64, (n - 1,)
        Output variance (summed over dimensions, ridge term included) lost at each step, after the
        best refit of the units that stay.
    """

    order: np.ndarray
    costs: np.ndarray

    def error(self, n_clusters: int) -> float:
        """Output variance lost when `n_clusters` units stay."""
        return float(self.costs[: len(self.order) + 1 - n_clusters].sum())

    def labels(self, n_clusters: int) -> np.ndarray:
        """0..K-1 for the units that stay, in their order, -1 for those that go: (n,)."""
        n_units = len(self.order) + 1
        kept = np.ones(n_units, dtype=bool)
        kept[self.order[: n_units - n_clusters]] = False
        return np.where(kept, np.cumsum(kept) - 1, -1)


@dataclass(frozen=True, slots=True, eq=False)
class MergeTree:
    """A Ward tree over the units of one group, cut at any K.

    Parameters
    ----------
    linkage : ndarray of float64, (n - 1, 4)
        SciPy's format; row i merges two nodes into node n + i at height `linkage[i, 2]`.
    norms : ndarray of float64, (n,)
        Squared norm of each unit vector; under the contribution distance the variance that the
        unit adds to the residual stream.
    removal : Removal or None
        Under the contribution distance: the surgeon's order.
    residual_variance : float or None
        Under the contribution distance: of the residual stream behind the layer; under the
        distance "influence" 1, since its costs are nats per word.
    inflation : ndarray of float64, (n - 1,), or None
        Where it was measured what the group is worth: how many times as far as the costs say the
        model's words move, after each number of units removed.
    """

    linkage: np.ndarray
    norms: np.ndarray
    removal: Removal | None = None
    residual_variance: float | None = None
    inflation: np.ndarray | None = None

    @property
    def n_units(self) -> int:
        """Leaves of the tree."""
        return len(self.norms)

    @property
    def total(self) -> float:
        """Sum of the squared norms of the unit vectors, the scale that errors are relative to."""
        return float(self.norms.sum())

    @property
    def merge_costs(self) -> np.ndarray:
        """Inertia that each merge adds, in the order of merging, ascending: (n - 1,)."""
        return 0.5 * np.square(self.linkage[:, 2])

    @property
    def inertia_curve(self) -> np.ndarray:
        """Inertia for K = 0..n, at index K; nothing is defined at 0: (n + 1,), [0] is nan."""
        added = np.concatenate(([0.0], np.cumsum(self.merge_costs)))
        return np.concatenate(([np.nan], added[::-1]))

    def inertia(self, n_clusters: int) -> float:
        """Sum of squared distances to the cluster means at `n_clusters`.

        inertia(K) = ½·Σ h², over the first n - K merges of height h; for distances that are not
        Euclidean (aligned heads) this is Σ_C 1/(2|C|)·Σ_{i,j ∈ C} D²_ij (`clustering_inertia`).
        """
        check_n_clusters(n_clusters, self.n_units)
        return float(self.merge_costs[: self.n_units - n_clusters].sum())

    def labels(self, n_clusters: int) -> np.ndarray:
        """Cut the tree.

        Parameters
        ----------
        n_clusters : int
            1 <= K <= n.

        Returns
        -------
        ndarray of int64, (n,)
            Exactly K distinct values 0..K-1, numbered by the first unit of each cluster, so that
            K = n gives 0..n-1.
        """
        check_n_clusters(n_clusters, self.n_units)
        n, n_merges = self.n_units, self.n_units - n_clusters
        root = np.arange(n + n_merges)
        children = self.linkage[:n_merges, :2].astype(np.int64)
        # From the last merge down, so that a node's own root is final before it is handed on.
        for merge in range(n_merges - 1, -1, -1):
            root[children[merge]] = root[n + merge]
        return compact_labels(root[:n])


def check_n_clusters(n_clusters: int, n_units: int) -> None:
    """Refuse a K that no clustering of n units has.

    Raises
    ------
    UserError
        When K is not in 1..n.
    """
    if not 1 <= n_clusters <= n_units:
        raise UserError(f"K = {n_clusters} is out of range.", f"Choose K from 1 to {n_units}.")


def compact_labels(labels: np.ndarray) -> np.ndarray:
    """Renumber clusters 0, 1, … by their first member; -1 (dropped) stays.

    >>> compact_labels(np.array([7, 3, -1, 7])).tolist()
    [0, 1, -1, 0]
    """
    kept = labels >= 0
    _, first, inverse = np.unique(labels[kept], return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    compact = np.full(len(labels), -1, dtype=np.int64)
    compact[kept] = rank[inverse]
    return compact


def nested_tree(norms: np.ndarray, residual_variance: float | None = None) -> MergeTree:
    """The tree of units that go in one order whatever the method, the last one first.

    Parameters
    ----------
    norms : ndarray of float64, (n,)
        What each unit costs that goes, descending.
    residual_variance : float, optional
        See `MergeTree`.

    Examples
    --------
    >>> nested_tree(np.array([8.0, 2.0, 1.0])).labels(2).tolist()
    [0, 1, 1]
    """
    n = len(norms)
    costs = np.asarray(norms, dtype=np.float64)[:0:-1]
    steps = np.arange(n - 1)
    links = np.empty((n - 1, 4))
    links[:, 0] = np.where(steps == 0, n - 1, n + steps - 1)
    links[:, 1] = n - 2 - steps
    links[:, 2] = np.sqrt(2 * costs)
    links[:, 3] = steps + 2
    return MergeTree(links, norms, Removal(np.arange(n - 1, 0, -1), costs), residual_variance)


def ward_tree(distances: SquaredDistances) -> MergeTree:
    """Build the Ward merge tree of a group.

    Parameters
    ----------
    distances : SquaredDistances

    Returns
    -------
    MergeTree

    References
    ----------
    Ward, "Hierarchical grouping to optimize an objective function", 1963.
    """
    if distances.matrix.shape[0] == 1:
        return MergeTree(np.empty((0, 4)), distances.norms)
    condensed = squareform(distances.matrix, checks=False).astype(np.float64)
    np.sqrt(condensed, out=condensed)
    return MergeTree(linkage(condensed, method="ward"), distances.norms)
