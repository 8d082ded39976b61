"""Whatever a plan says, its JSON says too, and a plan of another kind is refused in words."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.errors import UserError
from analysis.plan.compression_plan import CompressionPlan, Origin
from analysis.plan.recipe import Recipe
from tests.helpers.recipes import recipes

NAMES = st.text(st.characters(codec="utf-8"), max_size=20)


@given(recipes(), st.dictionaries(NAMES, st.integers(-9, 10**9), max_size=5), NAMES, NAMES)
def test_json_says_all_that_a_plan_says(
    recipe: Recipe, n_clusters: dict[str, int], model: str, revision: str
) -> None:
    origin = Origin(model=model, weight_hash="f00d", revision=revision or None)
    plan = CompressionPlan(origin=origin, recipe=recipe, n_clusters=n_clusters)
    again = CompressionPlan.from_json(plan.to_json())
    assert again == plan
    assert dict(again.n_clusters) == n_clusters
    assert (again.to_json(), again.identity) == (plan.to_json(), plan.identity)
    carried = json.dumps({"plan": plan.to_dict()})  # as a checkpoint's coalesce.json
    assert CompressionPlan.from_json(carried) == plan


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.sampled_from(["", "1", "cluster", "\ud800", "\0", "x" * 300]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=4,
)
PLAN = CompressionPlan(
    origin=Origin(model="demo-whisper", weight_hash="f00d"),
    recipe=Recipe(),
    n_clusters={"encoder.0.ffn": 3},
).to_dict()
FIELDS = [
    (part, field)
    for part, values in PLAN.items()
    for field in (values if isinstance(values, dict) else [""])
]


@given(st.sampled_from(FIELDS), VALUES)
def test_a_field_of_another_kind_is_refused_or_kept_as_it_is(
    place: tuple[str, str], value: object
) -> None:
    values = json.loads(json.dumps(PLAN))
    part, field = place
    (values[part] if field else values)[field or part] = value
    try:
        text = json.dumps(values)
    except ValueError:  # an endless number is none of Python's
        return
    refusal = None
    try:
        plan = CompressionPlan.from_json(text)
    except UserError as error:
        refusal = error
    if refusal is not None:
        assert refusal.message.endswith((".", ":"))
        assert refusal.remedy
        assert len(refusal.message) < 300
        return
    written = plan.to_dict()
    kept = written[part][field] if field else written[part]
    assert kept == value
    assert type(kept) is type(value) or field == "sparsity", "nothing is taken for something else"


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_is_no_number_is_no_sparsity(text: str) -> None:
    with pytest.raises(UserError, match="sparsity"):
        CompressionPlan.from_json(
            json.dumps(PLAN).replace('"sparsity": 0.1', f'"sparsity": {text}')
        )
