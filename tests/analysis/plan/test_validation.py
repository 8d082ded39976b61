"""Every fault of a setting is one sentence that names it, whatever was given."""

import json
import math
from typing import Any

import pytest

from analysis.errors import UserError
from analysis.evaluation.sweep_spec import read_spec
from analysis.plan.compression_plan import CompressionPlan
from analysis.plan.recipe import Recipe, complete
from analysis.plan.training_record import TrainingRecord
from analysis.plan.training_settings import GateSettings, TrainingSettings

ORIGIN = {"model": "m", "weight_hash": "h"}
RECORD: dict[str, Any] = {
    "method": "fine-tuning",
    "data": "digits",
    "utterances": 1,
    "seconds": 1.0,
    "settings": {},
    "steps": 1,
}


def nested(depth: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


def plan_text(**changes: Any) -> str:
    values = {"format": 2, "origin": ORIGIN, "recipe": {}, "n_clusters": {}}
    return json.dumps(values | changes)


@pytest.mark.parametrize(
    "text",
    [
        plan_text(self=1),
        plan_text(recipe={"self": 1}),
        plan_text(origin={**ORIGIN, "self": 1}),
        plan_text(foo=nested(700)),
        plan_text(recipe={"method": nested(700)}),
        plan_text(n_clusters={"encoder.0.ffn": nested(700)}),
        plan_text(recipe={"sparsity": 10**400}),
        plan_text(recipe={"method": "m" * 10_000}),
        plan_text(recipe=[]),
        plan_text(origin=None),
        plan_text(n_clusters={"encoder.0.ffn": 10**30}, recipe={"seed": 10**30}),
    ],
)
def test_a_plan_that_cannot_be_is_told_in_one_short_sentence(text: str) -> None:
    with pytest.raises(UserError) as said:
        CompressionPlan.from_json(text)
    assert len(said.value.message) < 200


@pytest.mark.parametrize(
    "values",
    [{"self": 1}, {"settings": {"a": nested(700)}}, {"steps": "many"}, {"method": "magic"}],
)
def test_a_record_that_cannot_be_names_its_model(values: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="training record of somebody's"):
        TrainingRecord.from_dict(RECORD | values, "somebody's")


@pytest.mark.parametrize("rate", [math.nan, math.inf])
def test_a_rate_over_no_words_is_unknown(rate: float) -> None:
    assert TrainingRecord(**RECORD, validation_wer=rate).validation_wer is None
    assert TrainingRecord.from_dict(RECORD | {"validation_wer": rate}, "x").validation_wer is None


@pytest.mark.parametrize(
    "values",
    [
        {"self": 1},
        {"method": [{"n_init": -(10**5000), "name": "x"}]},
        {"method": [{"components": nested(600), "name": "x"}]},
    ],
)
def test_a_sweep_that_cannot_be_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        read_spec({"model": "a", "data": "b"} | values)


def test_a_number_without_end_is_refused() -> None:
    with pytest.raises(UserError, match="epochs is a int that is too large"):
        TrainingSettings(epochs=-(10**5000))


def test_a_fault_is_called_by_its_flag() -> None:
    with pytest.raises(UserError, match=r"threshold-rate is -1. Choose more than 0"):
        GateSettings(learning_rate=-1.0)


def test_no_limit_is_a_limit() -> None:
    settings = TrainingSettings(max_seconds=math.inf, max_gradient_norm=math.inf)
    assert settings.max_seconds == math.inf
    with pytest.raises(UserError, match="max_seconds is nan"):
        TrainingSettings(max_seconds=math.nan)


def test_what_was_wanted_is_said() -> None:
    with pytest.raises(UserError) as said:
        complete(seed="x")
    assert said.value.remedy == "It should be a whole number."
    with pytest.raises(UserError, match=r"no field 'colour'\. Choose from align_heads, allocation"):
        complete(colour="blue")


def test_lists_are_as_good_as_tuples() -> None:
    assert complete(components=["ffn"]) == complete(components=("ffn",))


def test_the_identity_of_a_plan_holds_every_option() -> None:
    """Two recipes that differ must never share results that are stored."""
    plan = CompressionPlan.from_json(plan_text())
    # options that are named only where they are not as by default
    newer = {"level": "quick", "swaps": True}
    for name in Recipe.model_fields:
        recipe = plan.recipe.changed(**{name: newer[name]} if name in newer else {})
        assert f'"{name}"' in plan.changed(recipe=recipe).identity, name
