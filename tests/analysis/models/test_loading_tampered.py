"""Compressed checkpoints that were tampered with are refused, and foreign code is not run."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from analysis.models.loading import load
from analysis.plan.health import Health
from tests.helpers.checkpoints import edit, refusal

HEALTH = Health(
    divergence=0.1, divergence_said=0.1, sure_words_lost=0.01, words_changed=0.1, looping=0.0
)


@pytest.mark.parametrize(
    "garbage",
    [
        {"encoder.0.ffn": 0},
        {"encoder.0.ffn": -4},
        {"encoder.0.ffn": 25},
        {"encoder.0.ffn": 10**15},
        {"encoder.0.ffn": "12"},
        {"encoder.0.ffn": 12.0},
        {"encoder.0.ffn": True},
        {"encoder.0.ffn": None},
        {"encoder.0.ffn": [12]},
        {"encoder.9.ffn": 12},
        {"__class__": 12},
        ["encoder.0.ffn"],
        "encoder.0.ffn",
        12,
        True,
    ],
)
def test_merged_units_that_make_no_sense(merged_copy: Path, garbage: object) -> None:
    edit(merged_copy / "config.json", merged_units=garbage)
    assert "merged-whisper" in refusal(merged_copy).message


@pytest.mark.parametrize("garbage", [{}, None, ...])
def test_merged_units_that_are_gone(merged_copy: Path, garbage: object) -> None:
    edit(merged_copy / "config.json", merged_units=garbage)
    assert "do not fit its configuration" in refusal(merged_copy).message


def test_merged_units_of_another_size(merged_copy: Path) -> None:
    config = json.loads((merged_copy / "config.json").read_text())
    edit(merged_copy / "config.json", merged_units=config["merged_units"] | {"encoder.0.ffn": 11})
    fault = refusal(merged_copy)
    assert "model.encoder.layers.0.fc1" in fault.message
    assert "(12" in fault.message


def test_a_tensor_of_another_shape(merged_copy: Path) -> None:
    path = merged_copy / "model.safetensors"
    tensors = load_file(path)
    tensors["model.decoder.layers.1.fc2.weight"] = torch.zeros(32, 9)
    save_file(tensors, path, metadata={"format": "pt"})
    fault = refusal(merged_copy)
    assert "model.decoder.layers.1.fc2.weight" in fault.message
    assert "(32, 9), not (32, 10)" in fault.message


def test_a_tensor_that_is_missing(merged_copy: Path) -> None:
    path = merged_copy / "model.safetensors"
    tensors = load_file(path)
    del tensors["model.decoder.layers.1.fc2.weight"]
    save_file(tensors, path, metadata={"format": "pt"})
    assert "model.decoder.layers.1.fc2.weight" in refusal(merged_copy).detail


@pytest.mark.parametrize(
    "content",
    ["{", "[]", "{}", '{"plan": 3}', '{"plan": null}', '{"plan": {}}', '{"plan": {"format": 9}}'],
)
def test_coalesce_json_that_carries_no_plan(merged_copy: Path, content: str) -> None:
    (merged_copy / "coalesce.json").write_text(content)
    assert "plan" in str(refusal(merged_copy)) or "coalesce.json" in str(refusal(merged_copy))


@pytest.mark.parametrize(
    ("field", "value"),
    [("method", "magic"), ("n_clusters", {"encoder.0.ffn": "x"}), ("seed", []), ("evil", "x")],
)
def test_plan_fields_that_make_no_sense(merged_copy: Path, field: str, value: object) -> None:
    path = merged_copy / "coalesce.json"
    content = json.loads(path.read_text())
    edit(path, plan=content["plan"] | {field: value})
    assert refusal(merged_copy).message


def test_a_plan_of_other_weights_is_noticed(merged_copy: Path) -> None:
    path = merged_copy / "coalesce.json"
    plan = json.loads(path.read_text())["plan"]
    edit(path, plan=plan | {"n_clusters": plan["n_clusters"] | {"encoder.1.ffn": 3}})
    fault = refusal(merged_copy)
    assert "encoder.1.ffn has 12 units, not 3" in fault.message


def test_generation_config_that_is_no_json(merged_copy: Path) -> None:
    (merged_copy / "generation_config.json").write_text("{")
    assert "generation_config.json of merged-whisper" in refusal(merged_copy).message


def test_foreign_code_in_a_configuration_is_not_run(copy: Path, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    (copy / "evil.py").write_text(f"open({str(mark)!r}, 'w')\nclass Model: pass\n")
    edit(
        copy / "config.json",
        auto_map={"AutoModelForCTC": "evil.Model", "AutoConfig": "evil.Model"},
    )
    load(str(copy))
    assert not mark.exists()


def test_a_plan_that_cannot_be_read_is_named_with_its_file(merged_copy: Path) -> None:
    content = json.loads((merged_copy / "coalesce.json").read_text())
    recipe = content["plan"]["recipe"] | {"seed": [0]}
    edit(merged_copy / "coalesce.json", plan=content["plan"] | {"recipe": recipe})
    assert "coalesce.json of merged-whisper" in refusal(merged_copy).message


@pytest.mark.parametrize("file", ["config.json", "coalesce.json", "processor_config.json"])
def test_a_name_with_two_values_is_refused(merged_copy: Path, file: str) -> None:
    path = merged_copy / file
    path.write_text(path.read_text().replace("{", '{"seed": 1, "seed": 2, ', 1))
    fault = refusal(merged_copy)
    assert f"{file} of merged-whisper says “seed” twice" in fault.message


@pytest.mark.parametrize("depth", [150, 600, 900])
def test_settings_nested_without_an_end(merged_copy: Path, depth: int) -> None:
    path = merged_copy / "config.json"
    path.write_text(path.read_text().replace("{", '{"x": ' + "[" * depth + "]" * depth + ",", 1))
    assert "config.json of merged-whisper" in refusal(merged_copy).message


def test_no_token_with_which_a_text_begins(merged_copy: Path) -> None:
    edit(merged_copy / "generation_config.json", decoder_start_token_id=..., bos_token_id=...)
    assert "with which token a text begins" in refusal(merged_copy).message


@pytest.mark.parametrize("space", [[" "], 5, "\ud800"])
def test_a_token_that_is_no_text(copy: Path, space: object) -> None:
    edit(copy / "tokenizer_config.json", replace_word_delimiter_char=space)
    assert "no usable processor" in refusal(copy).message


@pytest.mark.parametrize("value", [1e308, -0.5, None])
def test_a_dropout_that_is_no_probability(merged_copy: Path, value: object) -> None:
    edit(merged_copy / "config.json", dropout=value)
    assert "merged-whisper" in refusal(merged_copy).message


@pytest.mark.parametrize("side", ["<b>", 16, {}, None])
def test_a_side_to_pad_that_is_none(merged_copy: Path, side: object) -> None:
    path = merged_copy / "processor_config.json"
    content = json.loads(path.read_text())
    edit(path, feature_extractor=content["feature_extractor"] | {"padding_side": side})
    assert "merged-whisper" in refusal(merged_copy).message


def test_a_long_wrong_value_is_cut(copy: Path) -> None:
    path = copy / "processor_config.json"
    content = json.loads(path.read_text())
    settings = content["feature_extractor"] | {"sampling_rate": [1] * 2000}
    edit(path, feature_extractor=settings)
    assert len(refusal(copy).message) < 300


def test_a_check_of_other_weights_is_left_out(merged_copy: Path) -> None:
    edit(merged_copy / "coalesce.json", health=HEALTH.to_dict())
    assert load(merged_copy).health == HEALTH
    path = merged_copy / "model.safetensors"
    tensors = load_file(path)
    tensors["model.encoder.layer_norm.weight"] *= 2
    save_file(tensors, path, metadata={"format": "pt"})
    model = load(merged_copy)
    assert model.health is None
    assert model.plan is not None
    assert any("changed since coalesce.json was written" in note for note in model.notes)
