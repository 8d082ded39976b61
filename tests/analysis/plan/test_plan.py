"""The recipe: what it refuses, in whose name, and that JSON carries it there and back."""

import json
from dataclasses import replace
from typing import Any

import pytest

from analysis.errors import UserError
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import unit_groups
from analysis.plan.compression_plan import CompressionPlan
from tests.helpers.tiny_models import make_plan


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
    """The plan's JSON with some fields replaced; ... removes one."""
    values = json.loads(plan.to_json()) | fields
    return json.dumps({name: value for name, value in values.items() if value is not ...})


def test_json_there_and_back(plan: CompressionPlan) -> None:
    again = CompressionPlan.from_json(plan.to_json())
    assert again == plan
    assert again.to_json() == plan.to_json()


def test_json_of_a_plan_is_stable() -> None:
    plan = CompressionPlan("demo-whisper", "f00d", {"encoder.0.ffn": 3})
    assert json.loads(plan.to_json()) == {
        "format": 1,
        "model": "demo-whisper",
        "weight_hash": "f00d",
        "n_clusters": {"encoder.0.ffn": 3},
        "revision": None,
        "method": "cluster",
        "engine": "ward",
        "seeding": "k-means++",
        "n_init": 1,
        "refine": False,
        "distance": "weights",
        "merge": "mean",
        "align_heads": True,
        "components": ["ffn", "heads"],
        "allocation": "uniform",
        "sparsity": 0.1,
        "seed": 0,
        "excitation": "speech",
        "excitation_hash": None,
        "repair": "none",
        "sequential": False,
    }


def test_left_out_fields_take_their_defaults() -> None:
    text = '{"format": 1, "model": "m", "weight_hash": "h", "n_clusters": {"encoder.0.ffn": 2}}'
    assert CompressionPlan.from_json(text) == CompressionPlan("m", "h", {"encoder.0.ffn": 2})


def test_a_plan_cannot_be_changed_through_its_mapping() -> None:
    given = {"encoder.0.ffn": 2}
    plan = CompressionPlan("m", "h", given)
    given["encoder.0.ffn"] = 99
    assert plan.n_clusters["encoder.0.ffn"] == 2
    with pytest.raises(TypeError):
        plan.n_clusters["encoder.0.ffn"] = 3  # type: ignore[index]


def test_other_k_in_the_same_plan(plan: CompressionPlan) -> None:
    k = dict(plan.n_clusters) | {"encoder.0.ffn": 1}
    assert plan.with_clusters(k) == replace(plan, n_clusters=k)
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
        ("sparsity", 1.0),
        ("sparsity", -0.1),
        ("sparsity", float("nan")),
        ("n_init", 0),
        ("seed", -1),
        ("seed", 2**32),
    ],
)
def test_bad_choices_are_named(field: str, value: Any) -> None:
    with pytest.raises(UserError, match=field) as caught:
        CompressionPlan("m", "h", {}, **{field: value})
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
        ({"format": 2}, "format 2"),
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
    plan.validate(unit_groups(whisper), whisper.weight_hash)


@pytest.mark.parametrize("k", [0, -2, 25])
def test_k_out_of_range_names_the_group_and_the_range(whisper: SpeechModel, k: int) -> None:
    plan = make_plan(whisper, n_clusters={"encoder.1.ffn": k})
    with pytest.raises(UserError, match=rf"K = {k} .*encoder\.1\.ffn.*from 1 to 24"):
        plan.validate(unit_groups(whisper))


def test_a_group_too_many_or_too_few_is_named(whisper: SpeechModel) -> None:
    groups = unit_groups(whisper)
    k = {group.id: group.n_units for group in groups}
    strange = make_plan(whisper, n_clusters={"encoder.7.ffn": 3})
    with pytest.raises(UserError, match=r"encoder\.7\.ffn"):
        strange.validate(groups)
    del k["decoder.1.cross_attention"]
    partial = CompressionPlan(whisper.name, whisper.weight_hash, k)
    with pytest.raises(UserError, match=r"decoder\.1\.cross_attention.*1 to 2"):
        partial.validate(groups)


def test_a_plan_for_other_weights_names_their_model(
    whisper: SpeechModel, plan: CompressionPlan
) -> None:
    with pytest.raises(UserError, match=r"other weights \(tiny-whisper\)") as caught:
        plan.validate(unit_groups(whisper), "0" * 64)
    assert whisper.weight_hash in caught.value.detail
