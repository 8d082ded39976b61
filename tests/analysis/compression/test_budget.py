"""Budgets: what is found meets them, and the next sparsity would not, or would be too much."""

import re

import pytest

from analysis.compression.allocation import allocate
from analysis.compression.budget import (
    MOST,
    fit,
    fit_measured,
    largest_sparsity,
    smallest_sparsity,
)
from analysis.compression.planner import Planner
from analysis.errors import UserError
from analysis.models.footprint import footprint, predict_footprint
from analysis.models.speech_model import SpeechModel
from analysis.plan.budget import Budget, amount
from analysis.plan.recipe import Recipe
from analysis.progress import Watch
from tests.helpers.tiny_models import make_plan


def _uniform(model: SpeechModel, sparsity: float) -> dict[str, int]:
    return allocate(model.groups, sparsity=sparsity)


@pytest.mark.parametrize("field", ["max_size", "max_parameters", "max_macs"])
def test_it_is_the_smallest_sparsity_that_is_small_enough(
    speech_model: SpeechModel, field: str
) -> None:
    base = footprint(speech_model)
    cost = {"max_size": "bytes", "max_parameters": "parameters", "max_macs": "macs"}[field]
    whole = getattr(base, cost)
    most = 0.5137 * whole + 0.4863 * getattr(
        predict_footprint(speech_model, base, _uniform(speech_model, MOST)), cost
    )
    budget = Budget.read({field: f"{100 * most / whole:.6f}%"})
    found = smallest_sparsity(speech_model, budget, lambda s: _uniform(speech_model, s), base)

    def at(sparsity: float) -> float:
        kept = _uniform(speech_model, sparsity)
        value: float = getattr(predict_footprint(speech_model, base, kept), cost)
        return value

    assert at(found) <= most * (1 + 1e-6) < at(found - 0.01)


def test_what_is_too_small_is_refused_with_what_can_be_met(hubert: SpeechModel) -> None:
    base = footprint(hubert)

    def find(budget: Budget) -> float:
        return smallest_sparsity(hubert, budget, lambda s: _uniform(hubert, s), base)

    with pytest.raises(UserError) as refused:
        find(Budget(max_size="10", max_parameters="90%"))
    nearest = re.search(r"--max-size (\S+)", refused.value.remedy)
    assert nearest is not None
    assert "--max-parameters" not in refused.value.remedy
    assert find(Budget(max_size=nearest[1].rstrip(";"))) <= MOST


def test_it_is_the_largest_sparsity_that_is_near_enough() -> None:
    assert largest_sparsity(lambda sparsity: sparsity**2, 0.0901, "nats") == 0.3
    assert largest_sparsity(lambda sparsity: 0.0, 1.0, "nats") == MOST
    with pytest.raises(UserError, match=r"costs 0\.01 nats"):
        largest_sparsity(lambda sparsity: sparsity, 0.005, "nats")


def test_a_measured_limit_is_met_by_the_model_that_is_made(hubert: SpeechModel) -> None:
    planner, recipe = Planner(hubert), Recipe(method="magnitude")

    def rise(model: SpeechModel) -> float:
        return float(sum(group.n_units for group in hubert.groups)) - sum(
            group.n_units for group in model.groups
        )

    found = fit(hubert, recipe, Budget(max_wer_rise=9), planner, wer_rise=rise)
    assert found.changed(sparsity=recipe.sparsity) == recipe

    def removed(sparsity: float) -> int:
        kept = planner.prepare(recipe.changed(sparsity=sparsity)).plan.n_clusters
        return sum(g.n_units - kept[g.id] for g in hubert.groups)

    assert removed(found.sparsity) <= 9 < removed(found.sparsity + 0.01)
    both = Budget(max_size="85%", max_wer_rise=1)
    with pytest.raises(UserError, match="These sizes take a sparsity"):
        fit(hubert, recipe, both, planner, wer_rise=rise)


def test_a_divergence_is_measured_on_the_model(hubert: SpeechModel) -> None:
    planner, recipe = Planner(hubert), Recipe(method="magnitude")
    loose = fit(hubert, recipe, Budget(max_divergence=100.0), planner)
    tight = fit(hubert, recipe, Budget(max_divergence=0.02), planner)
    assert tight.sparsity < loose.sparsity == MOST


@pytest.mark.parametrize(
    "text", ["", "ten", "-5", "10x", "5 percent", "1e400MB", "1" + "0" * 400 + "MB"]
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(UserError):
        Budget(max_size=text)


def test_amounts() -> None:
    assert amount("1.5k", 0.0) == 1500
    assert amount("25 %", 80.0) == 20
    assert amount("3 GB", 0.0) == 3e9


def test_what_is_measured_is_met_and_each_measurement_is_counted(hubert: SpeechModel) -> None:
    told: list[tuple[int, int]] = []

    def removed(model: SpeechModel) -> float:
        return float(sum(g.n_units for g in hubert.groups) - sum(g.n_units for g in model.groups))

    found = fit_measured(
        hubert,
        9.0,
        "units",
        removed,
        lambda sparsity: make_plan(hubert, n_clusters=_uniform(hubert, sparsity)),
        watch=Watch(lambda done, total, note: told.append((done, total))),
    )

    def gone(sparsity: float) -> int:
        kept = _uniform(hubert, sparsity)
        return sum(g.n_units - kept[g.id] for g in hubert.groups)

    assert gone(found) <= 9 < gone(found + 0.01)
    assert [done for done, _ in told] == list(range(len(told)))
    assert len(told) <= told[0][1]
