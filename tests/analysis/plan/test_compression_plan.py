"""The plan: what it refuses, in whose name, and that JSON carries it there and back."""

import json
from typing import Any

import pytest

from analysis.errors import UserError
from analysis.models.speech_model import SpeechModel
from analysis.plan.compression_plan import CompressionPlan, Origin
from analysis.plan.recipe import Recipe
from tests.helpers.tiny_models import make_plan


def n_units(model: SpeechModel) -> dict[str, int]:
    return {group.id: group.n_units for group in model.groups}


@pytest.fixture
def plan(whisper: SpeechModel) -> CompressionPlan:
    return make_plan(
        whisper,
        revision="abc",
        method="random",
        engine="kmeans",
        seeding="random",
        n_init=3,
        refine=True,
        distance="normalised",
        merge="medoid",
        align_heads=False,
        components=("heads",),
        allocation="manual",
        sparsity=0.35,
        seed=11,
        excitation="sounds",
        excitation_hash="beef",
        repair="refit",
        sequential=True,
    )


def altered(plan: CompressionPlan, **fields: Any) -> str:
    """The plan's JSON with some fields replaced, wherever they are; ... removes one."""
    values = plan.to_dict()
    for name, value in fields.items():
        parts = [part for part in (values["origin"], values["recipe"]) if name in part]
        (parts or [values])[0][name] = value
    return json.dumps(_without_gaps(values))


def _without_gaps(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _without_gaps(value) if isinstance(value, dict) else value
        for name, value in values.items()
        if value is not ...
    }


def plan_of(k: dict[str, int], **options: Any) -> CompressionPlan:
    origin = Origin(model="demo-whisper", weight_hash="f00d")
    return CompressionPlan(origin=origin, recipe=Recipe(**options), n_clusters=k)


def test_json_there_and_back(plan: CompressionPlan) -> None:
    again = CompressionPlan.from_json(plan.to_json())
    assert again == plan
    assert again.to_json() == plan.to_json()


def test_json_of_a_plan_is_stable() -> None:
    assert plan_of({"encoder.0.ffn": 3}).to_dict() == {
        "format": 2,
        "origin": {"model": "demo-whisper", "weight_hash": "f00d", "revision": None},
        "recipe": {
            "sparsity": 0.1,
            "method": "cluster",
            "allocation": "uniform",
            "distance": "weights",
            "merge": "mean",
            "repair": "none",
            "sequential": False,
            "excitation": "speech",
            "level": "standard",
            "swaps": False,
            "components": ["ffn", "heads"],
            "align_heads": True,
            "engine": "ward",
            "refine": False,
            "seeding": "k-means++",
            "n_init": 1,
            "seed": 0,
        },
        "n_clusters": {"encoder.0.ffn": 3},
        "excitation_hash": None,
    }


def test_left_out_options_take_their_defaults() -> None:
    origin = {"model": "demo-whisper", "weight_hash": "f00d"}
    values = {"format": 2, "origin": origin, "recipe": {}, "n_clusters": {"encoder.0.ffn": 2}}
    assert CompressionPlan.from_json(json.dumps(values)) == plan_of({"encoder.0.ffn": 2})


def test_format_1_is_read_and_stands_for_the_plan_on_disk(plan: CompressionPlan) -> None:
    """Results that an earlier version stored lie under the text of format 1.

    Those that refit, or listened to other sound than the shipped one, are measured anew: see
    `identity`.
    """
    assert {"listening", "refit"} <= json.loads(plan.identity).keys()
    plan = plan.changed(recipe=plan.recipe.changed(excitation="speech", repair="mean"))
    assert CompressionPlan.from_json(plan.identity) == plan
    assert list(json.loads(plan.identity)) == [
        *("format", "model", "weight_hash", "n_clusters", "revision", "method", "engine"),
        *("seeding", "n_init", "refine", "distance", "merge", "align_heads", "components"),
        *("allocation", "sparsity", "seed", "excitation", "excitation_hash", "repair"),
        "sequential",
    ]
    text = '{"format": 1, "model": "m", "weight_hash": "h", "n_clusters": {}, "surprise": 1}'
    with pytest.raises(UserError, match="surprise"):
        CompressionPlan.from_json(text)


def test_a_plan_cannot_be_changed_through_its_mapping() -> None:
    given = {"encoder.0.ffn": 2}
    plan = plan_of(given)
    given["encoder.0.ffn"] = 99
    assert plan.n_clusters["encoder.0.ffn"] == 2
    with pytest.raises(TypeError):
        plan.n_clusters["encoder.0.ffn"] = 3  # type: ignore[index]


def test_other_k_in_the_same_plan(plan: CompressionPlan) -> None:
    k = dict(plan.n_clusters) | {"encoder.0.ffn": 1}
    assert plan.with_clusters(k) == plan.changed(n_clusters=k)
    assert plan.n_clusters["encoder.0.ffn"] != 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("method", "prune"),
        ("engine", "spectral"),
        ("seeding", "first"),
        ("distance", "cosine"),
        ("merge", "median"),
        ("allocation", "guess"),
        ("components", ("ffn", "embeddings")),
        ("components", (["ffn"],)),
        ("components", ()),
        ("components", ("ffn", "ffn")),
        ("sparsity", 1.0),
        ("sparsity", -0.1),
        ("sparsity", float("nan")),
        ("n_init", 0),
        ("n_init", 10**9),
        ("seed", -1),
        ("seed", 2**32),
    ],
)
def test_bad_choices_are_named(field: str, value: Any) -> None:
    with pytest.raises(UserError, match=field) as caught:
        plan_of({}, **{field: value})
    assert caught.value.remedy.startswith("Choose")


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"n_clusters": {"encoder.0.ffn": "3"}}, r"encoder\.0\.ffn"),
        ({"n_clusters": {"encoder.0.ffn": 3.0}}, r"encoder\.0\.ffn"),
        ({"n_clusters": {"encoder.0.ffn": True}}, r"encoder\.0\.ffn"),
        ({"n_clusters": [3, 4]}, "n_clusters"),
        ({"n_clusters": ...}, "not a plan"),
        ({"model": ...}, "no model"),
        ({"weight_hash": ...}, "no weight_hash"),
        ({"weight_hash": None}, "weight_hash"),
        ({"seed": 1.5}, "seed"),
        ({"seed": True}, "seed"),
        ({"refine": 1}, "refine"),
        ({"sparsity": "0.1"}, "sparsity"),
        ({"sparsity": True}, "sparsity"),
        ({"components": "ffn"}, "components"),
        ({"components": [["ffn"]]}, "components"),
        ({"method": None}, "method"),
        ({"surprise": 1}, "surprise"),
        ({"format": 3}, "format 3"),
        ({"format": ...}, "format None"),
    ],
)
def test_bad_files_are_refused_by_field(
    plan: CompressionPlan, fields: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(UserError, match=complaint):
        CompressionPlan.from_json(altered(plan, **fields))


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", '{"plan": {}}', "[" * 100_000])
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="not a plan"):
        CompressionPlan.from_json(text)


def test_a_plan_fits_its_model(whisper: SpeechModel, plan: CompressionPlan) -> None:
    plan.validate_for(n_units(whisper), whisper.weight_hash)


@pytest.mark.parametrize("k", [0, -2, 25])
def test_k_out_of_range_names_the_group_and_the_range(whisper: SpeechModel, k: int) -> None:
    plan = make_plan(whisper, n_clusters={"encoder.1.ffn": k})
    with pytest.raises(UserError, match=rf"K = {k} .*encoder\.1\.ffn.*from 1 to 24"):
        plan.validate_for(n_units(whisper))


def test_a_group_too_many_or_too_few_is_named(whisper: SpeechModel) -> None:
    k = n_units(whisper)
    strange = make_plan(whisper, n_clusters={"encoder.7.ffn": 3})
    with pytest.raises(UserError, match=r"encoder\.7\.ffn"):
        strange.validate_for(n_units(whisper))
    del k["decoder.1.cross_attention"]
    partial = plan_of(k)
    with pytest.raises(UserError, match=r"decoder\.1\.cross_attention.*1 to 2"):
        partial.validate_for(n_units(whisper))


def test_a_plan_for_other_weights_names_their_model(
    whisper: SpeechModel, plan: CompressionPlan
) -> None:
    with pytest.raises(UserError, match=r"other weights \(tiny-whisper\)") as caught:
        plan.validate_for(n_units(whisper), "0" * 64)
    assert whisper.weight_hash in caught.value.detail


# --- whole models ------------------------------------------------------------------------------


def test_surgeon_and_output_error_need_contributions(hubert: SpeechModel) -> None:
    with pytest.raises(UserError, match="contribution"):
        make_plan(hubert, method="surgeon")


def test_the_plan_of_a_checkpoint_is_taken(plan: CompressionPlan) -> None:
    described = {"coalesce": "0.1.0", "plan": plan.to_dict(), "earlier_plans": []}
    assert CompressionPlan.from_json(json.dumps(described)) == plan


@pytest.mark.parametrize("number", [10**400, -(10**400)])
def test_endless_numbers_are_refused_in_a_short_sentence(
    whisper: SpeechModel, plan: CompressionPlan, number: int
) -> None:
    for field, values in (
        ("recipe", {"sparsity": number}),
        ("n_clusters", {"encoder.0.ffn": number}),
    ):
        content = plan.to_dict()
        content[field] = {**content[field], **values}
        text = json.dumps(content)
        with pytest.raises(UserError) as caught:
            CompressionPlan.from_json(text).validate_for(n_units(whisper))
        assert len(str(caught.value)) < 300


@pytest.mark.parametrize("version", ["2", True, 2.0, "x" * 1000])
def test_a_format_that_is_no_number_is_shown_as_it_is(
    plan: CompressionPlan, version: object
) -> None:
    text = json.dumps(plan.to_dict() | {"format": version})
    with pytest.raises(UserError, match="This plan has format") as caught:
        CompressionPlan.from_json(text)
    assert len(caught.value.message) < 150


def test_a_field_that_stands_twice_is_refused(plan: CompressionPlan) -> None:
    text = plan.to_json().replace('"sparsity": 0.35', '"sparsity": 0.1, "sparsity": 0.35')
    with pytest.raises(UserError, match="says “sparsity” twice"):
        CompressionPlan.from_json(text)
