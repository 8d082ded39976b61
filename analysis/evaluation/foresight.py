"""How long a sweep takes, told before it starts: what it listens to, and what it transcribes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from analysis.compression.effort import (
    Stage,
    machine_rate,
    stages,
    trading_seconds,
    transcription_seconds,
)
from analysis.errors import UserError
from analysis.evaluation.sweep_spec import SweepCell
from analysis.models.footprint import Footprint
from analysis.models.speech_model import SpeechModel
from analysis.plan.choices import BY_TREES, LISTENING, OUTPUT_ERROR, SURGEON
from analysis.plan.recipe import Recipe
from analysis.speech.excitation import Excitation


@dataclass(frozen=True, slots=True)
class Foresight:
    """What a sweep amounts to.

    Parameters
    ----------
    n_models : int
        That will be evaluated: the original, the cells that can be, what was made already, and
        magnitude at the K of cells that have K of their own.
    n_baselines : int
        How many of them are that magnitude.
    listening : float
        Seconds until the recipes have listened, once for all sparsities.
    transcribing : float
        Seconds of work per second of the corpus, over all models.
    trading : float
        Seconds that trades of units may take besides, at all cells together.
    """

    n_models: int
    n_baselines: int
    listening: float
    transcribing: float
    trading: float

    def seconds(self, sound: float) -> float:
        """All of it, for some seconds of sound."""
        return self.listening + self.transcribing * sound


def foresee(
    model: SpeechModel,
    cost: Footprint,
    cells: Sequence[SweepCell],
    n_made: int,
    *,
    hear: Callable[[Recipe], Excitation | None],
    real_time_factor: float | None = None,
) -> Foresight:
    """Foresee a sweep; what was transcribed before will take no time, and is not looked for.

    Parameters
    ----------
    model : SpeechModel
    cost : Footprint
        Of the model.
    cells : sequence of SweepCell
    n_made : int
        Models that were made already.
    hear : callable
        Gives what a recipe listens to.
    real_time_factor : float, optional
        Of the model, where it was measured; by default it is foreseen.
    """
    recipes = _possible(cells)
    baselines = _baselines(recipes)
    needed: dict[tuple[object, ...], Stage] = {}  # what several recipes listen for counts once
    for _, recipe in recipes:
        for stage in stages(model, cost, recipe, hear(recipe)):
            if not stage.kept:
                needed[stage.name, tuple(stage.work.items()), stage.blocks] = stage
    rate = machine_rate(model.device)
    n_models = 1 + len(recipes) + n_made + baselines
    each = real_time_factor or transcription_seconds(model, cost, 60.0) / 60.0
    return Foresight(
        n_models,
        baselines,
        sum(stage.seconds(rate) for stage in needed.values()),
        n_models * each,
        sum(trading_seconds(model, cost, recipe) for _, recipe in recipes),
    )


def _possible(cells: Sequence[SweepCell]) -> list[tuple[SweepCell, Recipe]]:
    """The cells whose options go together."""
    found = []
    for cell in cells:
        try:
            recipe = cell.recipe
        except UserError:
            continue
        if recipe.allocation != OUTPUT_ERROR or recipe.distance in LISTENING:
            found.append((cell, recipe))
    return found


def _baselines(recipes: Sequence[tuple[SweepCell, Recipe]]) -> int:
    """How often magnitude runs once more, at a K that is not its own."""
    at = {True: set[tuple[object, ...]](), False: set[tuple[object, ...]]()}
    for cell, recipe in recipes:  # K follows from the weights alone, or from the method's trees
        trees = (recipe.distance, recipe.method == SURGEON) if recipe.allocation in BY_TREES else ()
        at[cell.way.is_magnitude].add((recipe.sparsity, recipe.allocation, trees))
    return len(at[False] - at[True]) if at[True] else 0
