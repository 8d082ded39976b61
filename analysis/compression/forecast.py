"""What a plan will cost: known from the merge trees, before anything is compressed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.clustering.merge_tree import MergeTree
from analysis.compression.compress import Compression
from analysis.compression.selection import predicted_error
from analysis.models.unit_groups import UnitGroup

CURVE_POINTS = 49
"""Points of an error curve: enough to look smooth, few enough to be drawn while a slider moves."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Predicted merge errors of a choice of K.

    Parameters
    ----------
    errors : mapping of str to float
        Relative squared merge error of each group, by group id.
    error : float
        The same over all groups at once: the sum of what is lost over the sum of the squared norms
        of all unit vectors, touched or not.
    """

    errors: Mapping[str, float]
    error: float


def forecast(
    trees: Mapping[str, MergeTree], n_clusters: Mapping[str, int], method: str, *, seed: int = 0
) -> Forecast:
    """Predict the merge errors of a choice of K.

    Exact for the Ward engine and the baselines; k-means and refined clusters differ a little.

    Parameters
    ----------
    trees : mapping of str to MergeTree
        By group id.
    n_clusters : mapping of str to int
        K by group id, for the groups of `trees`.
    method : {"cluster", "magnitude", "random"}
    seed : int
        Of the random baseline.

    Returns
    -------
    Forecast
    """
    errors = {
        group: predicted_error(tree, n_clusters[group], method, seed=seed, group=group)
        for group, tree in trees.items()
    }
    total = sum(tree.total for tree in trees.values())
    lost = sum(errors[group] * tree.total for group, tree in trees.items())
    return Forecast(errors, lost / total if total else 0.0)


def measured_error(trees: Mapping[str, MergeTree], compression: Compression) -> float:
    """The relative squared merge error that a compression came out with, over all groups.

    Parameters
    ----------
    trees : mapping of str to MergeTree
        Of the original, under the plan's distance; they give the scale.
    compression : Compression

    Returns
    -------
    float
        A fraction, on the scale of `Forecast.error`.
    """
    total = sum(tree.total for tree in trees.values())
    lost = sum(group.error * trees[name].total for name, group in compression.groups.items())
    return lost / total if total else 0.0


def error_curve(
    group: UnitGroup, tree: MergeTree, method: str, *, seed: int = 0
) -> tuple[Sequence[int], Sequence[float]]:
    """Relative squared merge error of one group at K from 1 to n.

    Parameters
    ----------
    group : UnitGroup
    tree : MergeTree
    method : {"cluster", "magnitude", "random"}
    seed : int
        Of the random baseline.

    Returns
    -------
    n_clusters : sequence of int
        At most `CURVE_POINTS`, from 1 to n.
    errors : sequence of float
        Fractions.
    """
    steps = np.linspace(1, tree.n_units, min(CURVE_POINTS, tree.n_units)).round().astype(int)
    n_clusters = np.unique(steps).tolist()
    errors = [predicted_error(tree, k, method, seed=seed, group=group.id) for k in n_clusters]
    return n_clusters, errors
