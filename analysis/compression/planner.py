"""From settings to a plan: K for every group, with the trees and the sound that it takes."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

from analysis.clustering.merge_tree import MergeTree
from analysis.compression.allocation import allocate
from analysis.compression.swaps import swap_budget
from analysis.compression.tree_choice import TreeChoice
from analysis.errors import UserError
from analysis.models.speech_model import SpeechModel
from analysis.models.statistics import group_variances
from analysis.plan.choices import CALIBRATED, MANUAL
from analysis.plan.compression_plan import CompressionPlan
from analysis.plan.recipe import Recipe
from analysis.progress import UNWATCHED, Watch
from analysis.speech.excitation import Excitation
from analysis.speech.hearing import recipe_excitation


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """What `analysis.compression.compress` wants.

    Parameters
    ----------
    plan : CompressionPlan
    trees : mapping of str to MergeTree
        By group id, under the plan's distance and head alignment.
    excitation : Excitation or None
        None where the plan does not listen.
    """

    plan: CompressionPlan
    trees: Mapping[str, MergeTree]
    excitation: Excitation | None


class Planner:
    """Plans for one model; trees, variances and sounds are kept from plan to plan.

    Parameters
    ----------
    model : SpeechModel
        The original.
    calibration : Excitation, optional
        A person's own clips, for plans that are calibrated.
    """

    def __init__(self, model: SpeechModel, calibration: Excitation | None = None) -> None:
        self._model = model
        self._calibration = calibration
        self._variances: Mapping[str, float] | None = None
        self._trees: dict[Hashable, Mapping[str, MergeTree]] = {}
        self._excitations: dict[tuple[str, int, str], Excitation] = {}

    def prepare(
        self,
        recipe: Recipe,
        *,
        watch: Watch = UNWATCHED,
    ) -> Prepared:
        """Choose K as a recipe's allocation and sparsity say.

        Parameters
        ----------
        recipe : Recipe
        watch : Watch
            Of the merge trees.

        Returns
        -------
        Prepared

        Raises
        ------
        UserError
            Where the recipe does not fit the model.
        Cancelled
        """
        if recipe.allocation == MANUAL:
            raise UserError(
                "The allocation “manual” stands for K that a person set.",
                "Choose another allocation, or give K in a plan.",
            )
        excitation = self._excitation(recipe) if recipe.listens else None
        trees = self._build(recipe, excitation, watch)
        if recipe.allocation.startswith("variance") and self._variances is None:
            self._variances = group_variances(self._model)
        n_clusters = allocate(
            self._model.groups_for(recipe.components),
            sparsity=recipe.sparsity,
            strategy=recipe.allocation,
            components=recipe.components,
            trees=trees,
            variances=self._variances,
            method=recipe.method,
        )
        plan = CompressionPlan(
            origin=self._model.origin,
            recipe=recipe,
            n_clusters=n_clusters,
            excitation_hash=excitation.identity if excitation else None,
        )
        if recipe.swaps:
            plan = swap_budget(self._model, plan, trees, excitation, watch=watch)
        return Prepared(plan, trees, excitation)

    def _excitation(self, recipe: Recipe) -> Excitation:
        if recipe.excitation == CALIBRATED and self._calibration is not None:
            return self._calibration
        key = (recipe.excitation, recipe.seed, recipe.level)
        if key not in self._excitations:
            self._excitations[key] = recipe_excitation(self._model, recipe)
        return self._excitations[key]

    def _build(
        self,
        recipe: Recipe,
        excitation: Excitation | None,
        watch: Watch,
    ) -> Mapping[str, MergeTree]:
        choice = TreeChoice.of(recipe, excitation)
        if choice.identity not in self._trees:
            self._trees[choice.identity] = choice.build(self._model, watch=watch)
        return self._trees[choice.identity]
