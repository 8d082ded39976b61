"""What a merge tree says about its group: the knee of the error curve, the redundancy."""

import numpy as np

from analysis.clustering.merge_tree import MergeTree

REDUNDANCY_DEFINITION = (
    "1 - inertia(⌈n/2⌉) / Σ‖unit‖²: the share of the units' squared norm that is left when half of "
    "them are merged away along the Ward tree. 100 % means that every unit has an equal twin; "
    "units of equal size at right angles to each other give 50 %."
)
"""Exact definition of `redundancy`, for the page."""

KNEE_DEFINITION = (
    "The K at which the error-versus-K curve lies farthest below the straight line between its "
    "ends, K = 1 and K = n, with both axes scaled to 0..1."
)
"""Exact definition of `knee`, for the page."""


def redundancy(tree: MergeTree) -> float:
    """How well half of a group's units stand for all of them; see `REDUNDANCY_DEFINITION`.

    Parameters
    ----------
    tree : MergeTree

    Returns
    -------
    float
        At most 1; nan for a group of one unit or of zeros.
    """
    if tree.n_units < 2 or not tree.total:
        return float("nan")
    return 1 - tree.inertia((tree.n_units + 1) // 2) / tree.total


def knee(tree: MergeTree) -> int:
    """Where the error-versus-K curve bends most; see `KNEE_DEFINITION`.

    Parameters
    ----------
    tree : MergeTree

    Returns
    -------
    int
        K, 1 <= K <= n; n where the curve has no bend (fewer than three units, no error at all).

    References
    ----------
    Satopää et al., "Finding a kneedle in a haystack", 2011, without its smoothing: the curve from
    a merge tree is exact and convex.
    """
    n = tree.n_units
    curve = tree.inertia_curve[1:]
    if n < 3 or curve[0] <= 0:
        return n
    chord = 1 - np.arange(n) / (n - 1)
    return int((chord - curve / curve[0]).argmax()) + 1


def first_merge_errors(tree: MergeTree) -> np.ndarray:
    """Inertia added by the first merge that each unit takes part in.

    Parameters
    ----------
    tree : MergeTree

    Returns
    -------
    ndarray of float64, (n,)
        Relative to the summed squared norms of the group; small for a unit that has a near twin.
    """
    errors = np.zeros(tree.n_units)
    children = tree.linkage[:, :2].astype(np.int64)
    for side in (0, 1):
        leaves = children[:, side] < tree.n_units
        errors[children[leaves, side]] = tree.merge_costs[leaves]
    return errors / (tree.total or 1.0)
