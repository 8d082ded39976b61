"""Which merge trees a recipe looks at, and what has to be measured with them."""

from collections.abc import Mapping
from dataclasses import dataclass

from analysis.clustering.merge_tree import MergeTree
from analysis.clustering.trees import build_trees
from analysis.clustering.unit_space import UnitSpace
from analysis.compression.sensitivity import measure_sensitivity, with_sensitivity
from analysis.models.speech_model import SpeechModel
from analysis.plan.choices import END_TO_END, RANKS, SURGEON
from analysis.plan.recipe import Recipe
from analysis.progress import UNWATCHED, Watch
from analysis.speech.excitation import Excitation


@dataclass(frozen=True, slots=True)
class TreeChoice:
    """What decides a model's merge trees.

    Parameters
    ----------
    space : UnitSpace
        In which the units are compared.
    removal : bool
        Whether the surgeon's order is wanted, too.
    measured : bool
        Whether it is wanted what each group is worth, which takes the surgeon's order.
    ranks : bool
        Whether the trees of the ranks of heads are wanted, too.
    """

    space: UnitSpace
    removal: bool = False
    measured: bool = False
    ranks: bool = False

    @classmethod
    def of(cls, recipe: Recipe, heard: Excitation | None) -> "TreeChoice":
        """The trees that a recipe looks at; `heard` is the sound behind its excitation."""
        measured = recipe.allocation == END_TO_END
        removal = measured or recipe.method == SURGEON
        return cls(UnitSpace.of(recipe, heard), removal, measured, RANKS in recipe.components)

    @property
    def bare(self) -> "TreeChoice":
        """The same units compared in the same way, without what takes longer than their trees."""
        return TreeChoice(self.space)

    @property
    def identity(self) -> tuple[tuple[str, bool, str], bool, bool, bool]:
        """Choices of one identity have the same trees."""
        return (self.space.identity, self.removal, self.measured, self.ranks)

    def build(self, model: SpeechModel, *, watch: Watch = UNWATCHED) -> Mapping[str, MergeTree]:
        """The trees of all groups, by group id; see `analysis.clustering.trees.build_trees`.

        Raises
        ------
        UserError
            When what is to be heard is not installed.
        Cancelled
        """
        components = (RANKS,) if self.ranks else ()
        trees = build_trees(
            model, self.space, removal=self.removal, components=components, watch=watch
        )
        if not self.measured:
            return trees
        heard = self.space.heard(model)
        return with_sensitivity(trees, measure_sensitivity(model, trees, heard, watch=watch))
