"""Which units stay, fall together or go: clustering and the baselines it is compared with."""

import zlib

import numpy as np

from analysis.clustering.merge_tree import MergeTree, Removal, check_n_clusters, compact_labels
from analysis.errors import UserError
from analysis.plan.choices import SURGEON


def pruning_labels(
    tree: MergeTree, n_clusters: int, method: str, *, seed: int, group: str
) -> np.ndarray:
    """Labels of the pruning baselines.

    Parameters
    ----------
    tree : MergeTree
        Gives the squared norms of the units, under its distance.
    n_clusters : int
        Units that stay.
    method : {"magnitude", "random", "surgeon"}
        See `METHODS`.
    seed : int
        For "random"; each group draws its own numbers from it.
    group : str
        Id of the group.

    Returns
    -------
    ndarray of int64, (n,)
        0..K-1 for the units that stay, in their order, -1 for those that are dropped.
    """
    check_n_clusters(n_clusters, tree.n_units)
    n_dropped = tree.n_units - n_clusters
    if method == "magnitude":
        order = np.argsort(tree.norms, kind="stable")
    elif method == SURGEON:
        return _removal(tree).labels(n_clusters)
    elif method == "random":
        generator = np.random.default_rng([seed, zlib.crc32(group.encode())])
        order = generator.permutation(tree.n_units)
    else:
        raise ValueError(f"{method!r} is not a pruning method")
    labels = np.arange(tree.n_units)
    labels[order[:n_dropped]] = -1
    return compact_labels(labels)


def pruning_error(tree: MergeTree, labels: np.ndarray) -> float:
    """Squared norm of the dropped units, relative to that of all units of the group."""
    return float(tree.norms[labels < 0].sum()) / tree.total if tree.total else 0.0


def predicted_error(
    tree: MergeTree, n_clusters: int, method: str, *, seed: int, group: str
) -> float:
    """Relative squared merge error of a group at K, before anything is merged.

    For "cluster" the Ward inertia at K over the summed squared norms of all unit vectors; for the
    baselines the squared norm that they drop, on the same scale. The best clustering with K units
    is never worse than dropping down to K - 1; Ward's is greedy, and misses that on rare weights.

    Parameters
    ----------
    tree : MergeTree
    n_clusters : int
        1 <= K <= n.
    method : {"cluster", "magnitude", "random", "surgeon"}
    seed : int
    group : str
        Id of the group.

    Returns
    -------
    float
        0 at K = n, at most 1.
    """
    if method == "cluster":
        inertia = tree.inertia(n_clusters)
        return inertia / tree.total if tree.total else 0.0
    if method == SURGEON:
        check_n_clusters(n_clusters, tree.n_units)
        return _removal(tree).error(n_clusters) / tree.total if tree.total else 0.0
    return pruning_error(tree, pruning_labels(tree, n_clusters, method, seed=seed, group=group))


def _removal(tree: MergeTree) -> Removal:
    if tree.removal is None:
        raise UserError(
            "The surgeon weighs what units do.",
            "Choose the distance “influence” or “contribution” with it.",
        )
    return tree.removal
