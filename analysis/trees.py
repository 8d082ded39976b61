"""The merge trees of a whole model, built once and kept on disk by weight hash."""

from collections.abc import Mapping

from analysis.cache import cache_folder, read_arrays, write_arrays
from analysis.checkpoints import SpeechModel
from analysis.clustering import MergeTree, ward_tree
from analysis.distances import squared_distances
from analysis.progress import (
    Progress,
    ShouldCancel,
    check_cancelled,
    never_cancel,
    no_progress,
)
from analysis.units import UnitGroup, unit_groups


def build_tree(
    model: SpeechModel, group: UnitGroup, distance: str, *, align_heads: bool
) -> MergeTree:
    """The Ward tree of one group, from disk where it was built before.

    Parameters
    ----------
    model : SpeechModel
    group : UnitGroup
    distance : str
        See `analysis.distances.DISTANCES`.
    align_heads : bool
        For heads, whether distances are those after Procrustes alignment.

    Returns
    -------
    MergeTree

    Raises
    ------
    UserError
        When the group's weights are not finite.
    """
    variant = f"{distance}-aligned" if align_heads and group.component == "heads" else distance
    dtype = str(model.dtype).removeprefix("torch.")
    path = cache_folder("trees") / model.weight_hash / dtype / variant / f"{group.id}.npz"
    cached = read_arrays(path)
    if cached is not None and {"linkage", "norms"} <= set(cached):
        tree = MergeTree(cached["linkage"], cached["norms"])
        if tree.n_units == group.n_units and tree.linkage.shape == (group.n_units - 1, 4):
            return tree
    tree = ward_tree(squared_distances(model.model, group, distance, align_heads=align_heads))
    write_arrays(path, {"linkage": tree.linkage, "norms": tree.norms})
    return tree


def build_trees(
    model: SpeechModel,
    distance: str = "weights",
    *,
    align_heads: bool = True,
    progress: Progress = no_progress,
    should_cancel: ShouldCancel = never_cancel,
) -> Mapping[str, MergeTree]:
    """The Ward trees of all groups of a model.

    Parameters
    ----------
    model : SpeechModel
    distance, align_heads
        See `build_tree`.
    progress : callable
        Called after each group.
    should_cancel : callable
        Asked before each group; what was built by then stays on disk.

    Returns
    -------
    mapping of str to MergeTree
        By group id.

    Raises
    ------
    Cancelled
    """
    groups = unit_groups(model)
    trees: dict[str, MergeTree] = {}
    for done, group in enumerate(groups, start=1):
        check_cancelled(should_cancel)
        trees[group.id] = build_tree(model, group, distance, align_heads=align_heads)
        progress(done, len(groups), group.title)
    return trees
