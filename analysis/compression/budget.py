"""The sparsity that meets a budget: the smallest that is small enough, the largest that is near.

What a plan weighs is known from K alone, so that every sparsity is tried. How far a model is from
its original has to be measured on compressed models, and the sparsities are halved in search of it.
"""

import math
from collections.abc import Callable, Mapping

from analysis.clustering.merge_tree import MergeTree
from analysis.compression.compress import compress
from analysis.compression.divergence import divergence
from analysis.compression.guard import Guard
from analysis.compression.planner import Planner
from analysis.errors import UserError
from analysis.models.footprint import Footprint, footprint, predict_footprint
from analysis.models.speech_model import SpeechModel
from analysis.plan.budget import Budget, amount
from analysis.plan.compression_plan import CompressionPlan
from analysis.plan.options import option_of
from analysis.plan.recipe import Recipe
from analysis.progress import UNWATCHED, Watch
from analysis.speech.excitation import Excitation

MOST = 0.9
"""The largest sparsity that is tried: beyond it nothing of a model is left."""

_GRID = 100  # steps of sparsity, one per cent each
_HALVINGS = math.ceil(math.log2(_GRID * MOST + 1))  # sparsities that are measured at most

_COSTS: Mapping[str, Callable[[Footprint], float]] = {
    "max_size": lambda cost: cost.saved_bytes,
    "max_parameters": lambda cost: cost.parameters,
    "max_macs": lambda cost: cost.macs,
}
"""What each limit of a size is about."""

Choose = Callable[[float], Mapping[str, int]]
"""K by group id at a sparsity."""

Measure = Callable[[SpeechModel], float]
"""How far a compressed model is from its original; larger is further."""


def smallest_sparsity(model: SpeechModel, budget: Budget, choose: Choose, base: Footprint) -> float:
    """The smallest sparsity, in whole per cents, at which a model is small enough.

    Parameters
    ----------
    model : SpeechModel
        The original.
    budget : Budget
        Of which the sizes count.
    choose : callable
        K by group id at a sparsity.
    base : Footprint
        Of the original.

    Returns
    -------
    float
        From 0 to `MOST`.

    Raises
    ------
    UserError
        Where even `MOST` is not small enough; it names the nearest limit that can be met.
    """
    limits = {name: amount(text, _COSTS[name](base)) for name, text in budget.sizes.items()}
    missed: dict[str, float] = {}
    for step in range(round(MOST * _GRID) + 1):
        cost = predict_footprint(model, base, choose(step / _GRID))
        missed = {
            name: _COSTS[name](cost) for name, most in limits.items() if _COSTS[name](cost) > most
        }
        if not missed:
            return step / _GRID
    nearest = " ".join(
        f"--{option_of(Budget, name).flag} {_rounded_up(least)}" for name, least in missed.items()
    )
    raise UserError(
        f"At {MOST:.0%} sparsity the model is still larger than "
        f"{' and '.join(budget.sizes[name] for name in missed)}.",
        f"The nearest that can be met is {nearest}; or start from a smaller model.",
    )


def largest_sparsity(distance: Callable[[float], float], most: float, what: str) -> float:
    """The largest sparsity, in whole per cents, at which a model is near enough.

    It is found by halving, as if the distance grew with the sparsity: the sparsity that is given
    was measured to be near enough, and the next one not to be.

    Parameters
    ----------
    distance : callable
        Measured at a sparsity.
    most : float
        That is near enough.
    what : str
        Unit of the distance, for the message.

    Returns
    -------
    float
        From 0.01 to `MOST`.

    Raises
    ------
    UserError
        Where one per cent is too much already; it names what would have worked.
    """
    near, far, found = 0, round(MOST * _GRID) + 1, 0.0
    while far - near > 1:
        middle = (near + far) // 2
        found = distance(middle / _GRID)
        near, far = (middle, far) if found <= most else (near, middle)
    if near == 0:
        raise UserError(
            f"A sparsity of 1 % costs {found:.3g} {what} already, more than {most:.3g}.",
            f"Allow {found:.3g} {what}, or choose another recipe.",
        )
    return near / _GRID


def fit(
    model: SpeechModel,
    recipe: Recipe,
    budget: Budget,
    planner: Planner,
    *,
    arrange: Callable[[Mapping[str, int]], Mapping[str, int]] = dict,
    wer_rise: Measure | None = None,
    watch: Watch = UNWATCHED,
) -> Recipe:
    """The recipe with the sparsity that meets a budget.

    Where sizes are limited, it is the smallest sparsity that is small enough, and the other limits
    are measured at it. Else it is the largest sparsity that meets these.

    Parameters
    ----------
    model : SpeechModel
        The original.
    recipe : Recipe
        Its sparsity does not count.
    budget : Budget
    planner : Planner
        Of the model.
    arrange : callable, optional
        What is done to K afterwards, as for stock classes.
    wer_rise : callable, optional
        Measures the points of WER that a model adds; needed where they are limited.
    watch : Watch
        Reports models that are measured.

    Returns
    -------
    Recipe

    Raises
    ------
    UserError
        Where the budget cannot be met; it names the nearest that can.
    Cancelled
    """

    def choose(sparsity: float) -> Mapping[str, int]:
        prepared = planner.prepare(recipe.changed(sparsity=sparsity, swaps=False), watch=watch)
        return arrange(prepared.plan.n_clusters)

    def made(sparsity: float) -> SpeechModel:
        watch.check()
        prepared = planner.prepare(recipe.changed(sparsity=sparsity, swaps=False))
        plan = prepared.plan.with_clusters(arrange(prepared.plan.n_clusters))
        quiet = Watch(should_cancel=watch.should_cancel)
        watch.progress(0, 0, f"Measuring {sparsity:.0%} sparsity")
        return compress(
            model, plan, trees=prepared.trees, excitation=prepared.excitation, watch=quiet
        ).model

    limits: list[tuple[float, str, Measure]] = []
    if budget.max_divergence is not None:
        limits.append((budget.max_divergence, "nats", divergence_from(model, watch=watch)))
    if budget.max_wer_rise is not None:
        if wer_rise is None:
            raise ValueError("nothing measures the word error rate")
        limits.append((budget.max_wer_rise, "points of WER", wer_rise))
    if not budget.sizes:
        found = [_largest(made, *limit) for limit in limits]
        return recipe.changed(sparsity=min(found))
    sparsity = smallest_sparsity(model, budget, choose, footprint(model))
    for most, what, measure in limits:
        cost = measure(made(sparsity))
        if cost > most:
            raise UserError(
                f"These sizes take a sparsity of {sparsity:.0%}, which costs {cost:.3g} {what},"
                f" more than {most:.3g}.",
                f"Allow {cost:.3g} {what}, or a larger model.",
            )
    may_trade = recipe.swaps and budget.max_macs is None  # trades keep parameters, not MACs
    return recipe.changed(sparsity=sparsity, swaps=may_trade)


def fit_measured(
    model: SpeechModel,
    most: float,
    what: str,
    measure: Measure,
    plan: Callable[[float], CompressionPlan],
    *,
    trees: Mapping[str, MergeTree] | None = None,
    excitation: Excitation | None = None,
    watch: Watch = UNWATCHED,
) -> float:
    """The largest sparsity, in whole per cents, whose model is no further off than a limit.

    Parameters
    ----------
    model : SpeechModel
        The original.
    most : float
        That is near enough.
    what : str
        Unit of the limit, for the message.
    measure : callable
        How far a compressed model is from the original: `divergence_from`, or points of WER.
    plan : callable
        The plan at a sparsity.
    trees, excitation
        As `analysis.compression.compress.compress` takes them.
    watch : Watch
        Reports models that are measured.

    Raises
    ------
    UserError
        Where one per cent is too much.
    Cancelled
    """
    n_measured = 0

    def distance(sparsity: float) -> float:
        nonlocal n_measured
        watch.check()
        watch.progress(n_measured, _HALVINGS, f"Measuring {sparsity:.0%} sparsity")
        quiet = Watch(should_cancel=watch.should_cancel)
        made = compress(model, plan(sparsity), trees=trees, excitation=excitation, watch=quiet)
        n_measured += 1
        return measure(made.model)

    return largest_sparsity(distance, most, what)


def divergence_from(model: SpeechModel, *, watch: Watch = UNWATCHED) -> Measure:
    """What measures how far a compressed model diverges: nats per word or CTC frame.

    Parameters
    ----------
    model : SpeechModel
        The original, to which the voices to check on are played at once.
    watch : Watch

    Raises
    ------
    UserError
        Where these voices are not installed.
    Cancelled
    """
    guard = Guard.of(model, watch=watch)
    if guard is None:
        raise UserError(
            "The voices that a divergence is measured on are not installed.",
            "Install Coalesce with its demo folder, or leave out the divergence.",
        )
    return lambda changed: divergence(changed, changed.model, guard.clips, guard.expected)


def _largest(
    made: Callable[[float], SpeechModel], most: float, what: str, measure: Measure
) -> float:
    return largest_sparsity(lambda sparsity: measure(made(sparsity)), most, what)


def _rounded_up(number: float) -> str:
    """A limit as a person writes it, not below the number.

    >>> _rounded_up(12_345_678.0), _rounded_up(999.0)
    ('12.4M', '999')
    """
    for factor, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= factor:
            return f"{math.ceil(number / factor * 10) / 10:.1f}{unit}"
    return f"{math.ceil(number)}"
