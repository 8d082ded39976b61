"""The merge trees of a whole model, built once and kept on disk by weight hash."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from analysis.cache import Shape, cache_folder, cached
from analysis.clustering.contributions import (
    GroupMoments,
    contribution_distances,
    contribution_gram,
    contribution_vectors,
    group_moments,
)
from analysis.clustering.distances import (
    SquaredDistances,
    squared_distances,
    unit_vectors,
)
from analysis.clustering.merge_tree import MergeTree, Removal, ward_tree
from analysis.clustering.moments import RIDGE
from analysis.clustering.removal import removal_order
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup, unit_groups
from analysis.models.unit_weights import read_units
from analysis.progress import (
    UNWATCHED,
    Watch,
)
from analysis.speech.excitation import Excitation, make_excitation


def build_tree(
    model: SpeechModel,
    group: UnitGroup,
    distance: str,
    *,
    align_heads: bool,
    excitation: Excitation | None = None,
    removal: bool = False,
    watch: Watch = UNWATCHED,
) -> MergeTree:
    """The Ward tree of one group, from disk where it was built before.

    Parameters
    ----------
    model : SpeechModel
    group : UnitGroup
    distance : str
        See `analysis.plan.choices.DISTANCES`.
    align_heads : bool
        For heads, whether distances are those after Procrustes alignment; contributions do not
        depend on it.
    excitation : Excitation, optional
        For the contribution distance; the shipped speech by default.
    removal : bool
        Whether the surgeon's order is wanted, too; for the contribution distance.
    watch : Watch
        Of the run over the excitation, where it was not made before.

    Returns
    -------
    MergeTree

    Raises
    ------
    UserError
        When the group's weights are not finite.
    """
    if distance == "contribution":
        return _contribution_tree(model, group, excitation, removal, watch)
    variant = f"{distance}-aligned" if align_heads and group.component == "heads" else distance
    dtype = str(model.dtype).removeprefix("torch.")
    path = cache_folder("trees") / model.weight_hash / dtype / variant / f"{group.id}.npz"

    def make() -> Mapping[str, np.ndarray]:
        tree = ward_tree(squared_distances(model.model, group, distance, align_heads=align_heads))
        return {"linkage": tree.linkage, "norms": tree.norms}

    arrays = cached(path, _tree_shapes(group), make)
    return MergeTree(arrays["linkage"], arrays["norms"])


def group_distances(
    model: SpeechModel,
    group: UnitGroup,
    distance: str,
    *,
    align_heads: bool,
    excitation: Excitation | None = None,
) -> SquaredDistances:
    """Pairwise squared distances of a group's units under any distance; see `build_tree`."""
    if distance == "contribution":
        return contribution_distances(group_gram(model, group, excitation))
    return squared_distances(model.model, group, distance, align_heads=align_heads)


def group_vectors(
    model: SpeechModel, group: UnitGroup, distance: str, *, excitation: Excitation | None = None
) -> np.ndarray:
    """Vectors of a group's units under any distance: float32, (n, ·); see `build_tree`."""
    if distance == "contribution":
        return contribution_vectors(group_gram(model, group, excitation))
    return unit_vectors(model.model, group, distance)


def group_gram(
    model: SpeechModel, group: UnitGroup, excitation: Excitation | None = None
) -> np.ndarray:
    """Gram matrix of what a group's units add to the residual stream: float64, (n, n).

    See `analysis.clustering.contributions.contribution_gram`; the shipped speech by default.
    """
    statistics = group_moments(model, excitation or make_excitation("speech"), group)
    return contribution_gram(statistics, read_units(model.model, group).output)


def _contribution_tree(
    model: SpeechModel,
    group: UnitGroup,
    excitation: Excitation | None,
    removal: bool,
    watch: Watch,
) -> MergeTree:
    """Ward tree of the contributions, and on request the surgeon's order beside it."""
    excitation = excitation or make_excitation("speech")
    dtype = str(model.dtype).removeprefix("torch.")
    folder = cache_folder("trees") / model.weight_hash / dtype / "contribution"
    path = folder / excitation.identity / f"{group.id}.npz"

    def measured() -> GroupMoments:
        return group_moments(model, excitation, group, watch=watch)

    def make_tree() -> Mapping[str, np.ndarray]:
        moments = measured()
        gram = contribution_gram(moments, read_units(model.model, group).output)
        tree = ward_tree(contribution_distances(gram))
        residual = np.array(moments.residual_variance)
        return {"linkage": tree.linkage, "norms": tree.norms, "residual": residual}

    def make_order() -> Mapping[str, np.ndarray]:
        output = read_units(model.model, group).output
        found = removal_order(measured().moments.covariance, output)
        return {"order": found.order, "costs": found.costs}

    arrays = cached(path, {**_tree_shapes(group), "residual": ()}, make_tree)
    tree = MergeTree(
        arrays["linkage"], arrays["norms"], residual_variance=float(arrays["residual"])
    )
    if not removal:
        return tree
    n_steps = group.n_units - 1
    order_path = path.with_suffix(f".surgeon-{RIDGE:g}.npz")
    steps = cached(order_path, {"order": (n_steps,), "costs": (n_steps,)}, make_order)
    return replace(tree, removal=Removal(steps["order"], steps["costs"]))


def _tree_shapes(group: UnitGroup) -> Mapping[str, Shape]:
    """Of the arrays that every kept tree of a group has."""
    return {"linkage": (group.n_units - 1, 4), "norms": (group.n_units,)}


def build_trees(
    model: SpeechModel,
    distance: str = "weights",
    *,
    align_heads: bool = True,
    excitation: Excitation | None = None,
    removal: bool = False,
    watch: Watch = UNWATCHED,
) -> Mapping[str, MergeTree]:
    """The Ward trees of all groups of a model.

    Parameters
    ----------
    model : SpeechModel
    distance, align_heads, excitation, removal
        See `build_tree`.
    watch : Watch
        Called after each group. Asked before each group; what was built by then stays on disk.

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
        watch.check()
        trees[group.id] = build_tree(
            model,
            group,
            distance,
            align_heads=align_heads,
            excitation=excitation,
            removal=removal,
            watch=watch,
        )
        watch.progress(done, len(groups), group.title)
    return trees
