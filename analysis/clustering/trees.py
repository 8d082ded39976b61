"""The merge trees of a whole model, built once and kept on disk by weight hash."""

from collections.abc import Collection, Mapping

from analysis.clustering.merge_tree import MergeTree
from analysis.clustering.unit_space import UnitSpace
from analysis.models.speech_model import SpeechModel
from analysis.progress import UNWATCHED, Watch

BY_WEIGHTS = UnitSpace()
"""The papers' space: plain weights, heads aligned."""


def build_trees(
    model: SpeechModel,
    space: UnitSpace = BY_WEIGHTS,
    *,
    removal: bool = False,
    components: Collection[str] = (),
    watch: Watch = UNWATCHED,
) -> Mapping[str, MergeTree]:
    """The Ward trees of all groups of a model.

    Parameters
    ----------
    model : SpeechModel
    space : UnitSpace
        In which the units are compared.
    removal : bool
        See `UnitSpace.tree`.
    components : collection of str
        Units that may be removed: where ranks are among them, their trees are built, too.
    watch : Watch
        It is told after each group, and asked before each; what was built by then stays on disk.

    Returns
    -------
    mapping of str to MergeTree
        By group id.

    Raises
    ------
    Cancelled
    """
    trees: dict[str, MergeTree] = {}
    groups = model.groups_for(components)
    for done, group in enumerate(groups, start=1):
        watch.check()
        trees[group.id] = space.tree(model, group, removal=removal, watch=watch)
        watch.progress(done, len(groups), group.title)
    return trees
