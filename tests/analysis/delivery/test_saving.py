"""Saving: the same model comes back, and a save that fails leaves everything as it was."""

import errno
import json
import os
import platform
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from analysis.compression.compress import compress
from analysis.delivery.saving import save
from analysis.errors import UserError
from analysis.models.footprint import footprint
from analysis.models.loading import load
from analysis.models.speech_model import SpeechModel
from analysis.plan.recipe import WITH_RANKS
from tests.helpers.tiny_models import logits, make_plan

PLANS: dict[str, dict[str, Any]] = {
    "halved": {},
    "one group": {"n_clusters": {"encoder.1.ffn": 7}},
    "heads only": {"n_clusters": {"encoder.0.self_attention": 1, "encoder.1.self_attention": 2}},
    "magnitude": {"method": "magnitude"},
    "nothing": {"n_clusters": {}},
    "ranks": {"components": ("ranks",)},
    "ranks of merged heads": {"components": ("ffn", "heads", "ranks"), "sparsity": 0.5},
}


@pytest.mark.parametrize("choices", list(PLANS.values()), ids=list(PLANS))
def test_saved_and_loaded_gives_identical_logits(
    speech_model: SpeechModel, tmp_path: Path, choices: dict[str, Any]
) -> None:
    model = compress(speech_model, make_plan(speech_model, **choices)).model
    again = load(str(save(model, tmp_path / "merged")))
    assert torch.equal(logits(again), logits(model))
    assert again.plan == model.plan
    mine, theirs = again.model.state_dict(), model.model.state_dict()
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert model.plan is not None
    groups = again.groups_for(model.plan.recipe.components)
    assert {g.id: g.n_units for g in groups} == dict(model.plan.n_clusters)
    assert footprint(again) == footprint(model)
    assert not again.model.training
    assert not any(p.requires_grad for p in again.model.parameters())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_comes_back(whisper: SpeechModel, tmp_path: Path, dtype: str) -> None:
    half = load(str(save(whisper, tmp_path / "original")), dtype=dtype)
    model = compress(half, make_plan(half)).model
    again = load(str(save(model, tmp_path / "merged")), dtype=dtype)
    assert torch.equal(logits(again), logits(model))


def test_links_in_a_circle_are_named(whisper: SpeechModel, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for folder in (tmp_path / "loop", tmp_path / "loop" / "inside"):
        with pytest.raises(UserError, match="leads nowhere"):
            save(whisper, folder)


def test_a_loaded_compressed_model_compresses_and_saves_again(
    whisper: SpeechModel, tmp_path: Path
) -> None:
    once = compress(whisper, make_plan(whisper)).model
    loaded = load(str(save(once, tmp_path / "once")))
    plan = make_plan(loaded, n_clusters={"encoder.0.ffn": 3, "decoder.0.ffn": 2})
    twice = compress(loaded, plan).model
    again = load(str(save(twice, tmp_path / "twice")))
    assert torch.equal(logits(again), logits(twice))
    assert again.plan == plan
    assert load(str(tmp_path / "once")).plan == once.plan


def test_what_is_in_the_folder(whisper: SpeechModel, tmp_path: Path) -> None:
    model = compress(whisper, make_plan(whisper)).model
    folder = save(model, tmp_path / "merged")
    names = {path.name for path in folder.iterdir()}
    assert {"config.json", "generation_config.json", "model.safetensors", "coalesce.json"} <= names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pkl"))]
    config = json.loads((folder / "config.json").read_text())
    assert config["model_type"] == "whisper"
    sizes = {g.id: g.n_units for g in model.groups}
    before = {g.id: g.n_units for g in whisper.groups}
    assert config["merged_units"] == {k: n for k, n in sizes.items() if n < before[k]}

    described = json.loads((folder / "coalesce.json").read_text())
    cost = footprint(model)
    assert described["parameters"] == cost.parameters
    assert described["bytes"] == cost.bytes
    assert described["macs_per_second_of_audio"] == pytest.approx(cost.macs)
    assert model.plan is not None
    assert described["plan"] == json.loads(model.plan.to_json())
    # what is stored is what is counted: tied weights once
    stored = load_file(folder / "model.safetensors")
    assert sum(tensor.numel() for tensor in stored.values()) == cost.parameters


def test_generation_settings_travel(whisper: SpeechModel, tmp_path: Path) -> None:
    model = compress(whisper, make_plan(whisper, n_clusters={"decoder.1.cross_attention": 1})).model
    again = load(str(save(model, tmp_path / "merged")))
    settings = again.model.generation_config
    assert settings.to_dict()["alignment_heads"] == [[1, 0], [2, 1]]
    assert settings.to_dict() == model.model.generation_config.to_dict()


def test_processor_travels(whisper: SpeechModel, hubert: SpeechModel, tmp_path: Path) -> None:
    for model in (whisper, hubert):
        again = load(str(save(model, tmp_path / model.name)))
        text = "set a timer"
        ids = model.processor.tokenizer(text).input_ids
        assert again.processor.tokenizer(text).input_ids == ids
        assert again.processor.feature_extractor.to_dict() == (
            model.processor.feature_extractor.to_dict()
        )


def test_an_uncompressed_model_carries_no_plan(hubert: SpeechModel, tmp_path: Path) -> None:
    folder = save(hubert, tmp_path / "plain")
    assert not (folder / "coalesce.json").exists()
    assert "merged_units" not in json.loads((folder / "config.json").read_text())


# --- where to ----------------------------------------------------------------------------------


def test_parent_that_is_not_there(hubert: SpeechModel, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no folder"):
        save(hubert, tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_is_replaced_only_when_allowed(
    hubert: SpeechModel, wav2vec2: SpeechModel, tmp_path: Path
) -> None:
    folder = save(hubert, tmp_path / "model")
    before = contents(tmp_path)
    with pytest.raises(UserError, match="holds a checkpoint already"):
        save(wav2vec2, folder)
    assert contents(tmp_path) == before
    save(wav2vec2, folder, overwrite=True)
    assert torch.equal(logits(load(str(folder))), logits(wav2vec2))
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_foreign_folders_and_files_are_left_alone(hubert: SpeechModel, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_bytes(b"cat")
    (tmp_path / "note").write_text("note")
    before = contents(tmp_path)
    for name in ("photos", "note"):
        with pytest.raises(UserError, match="left alone"):
            save(hubert, tmp_path / name, overwrite=True)
    assert contents(tmp_path) == before


def test_a_compressed_model_is_replaced_with_all_its_files(
    speech_model: SpeechModel, tmp_path: Path
) -> None:
    model = compress(speech_model, make_plan(speech_model, components=WITH_RANKS)).model
    folder = save(model, tmp_path / "model")
    assert (folder / "modeling_merged_units.py").is_file()
    save(model, folder, overwrite=True)
    assert torch.equal(logits(load(str(folder))), logits(model))


@pytest.mark.parametrize("own", ["notes.txt", "pytorch_model.bin", ".git"])
def test_overwriting_a_model_loses_nothing_else(
    hubert: SpeechModel, tmp_path: Path, own: str
) -> None:
    folder = save(hubert, tmp_path / "model")
    (folder / own).mkdir() if own == ".git" else (folder / own).write_bytes(b"mine")
    before = contents(tmp_path)
    with pytest.raises(UserError, match=f"would be lost: {re.escape(own)}"):
        save(hubert, folder, overwrite=True)
    assert contents(tmp_path) == before


def test_an_empty_folder_is_filled(hubert: SpeechModel, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    save(hubert, tmp_path / "model")
    assert (tmp_path / "model" / "config.json").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


# --- whole or not at all -----------------------------------------------------------------------


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


FULL = [
    OSError(errno.ENOSPC, "No space left on device"),
    SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
]


@pytest.mark.parametrize("stage", ["processor", "description"])
@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize("fault", [*FULL, PermissionError(errno.EACCES, "Permission denied")])
def test_a_save_that_fails_midway_leaves_what_was_there(
    whisper: SpeechModel,
    hubert: SpeechModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: Exception,
    existing: bool,
    stage: str,
) -> None:
    model = compress(whisper, make_plan(whisper)).model
    if existing:
        save(hubert, tmp_path / "model")
    before = contents(tmp_path)

    def fail(*_: object, **__: object) -> None:
        (partial,) = [p for p in tmp_path.iterdir() if p.name.startswith(".model.new-")]
        assert (partial / "model.safetensors").is_file(), "fails before anything was written"
        raise fault

    if stage == "processor":
        monkeypatch.setattr(type(model.processor), "save_pretrained", fail)
    else:
        monkeypatch.setattr("analysis.delivery.saving._describe", fail)
    with pytest.raises(UserError) as caught:
        save(model, tmp_path / "model", overwrite=True)
    assert contents(tmp_path) == before
    assert [p.name for p in tmp_path.iterdir()] == (["model"] if existing else [])
    full = fault in FULL
    assert ("disk is full" in caught.value.message) == full
    assert ("Free some space" in caught.value.remedy) == full


def test_a_rename_that_fails_puts_the_old_one_back(
    whisper: SpeechModel, hubert: SpeechModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(hubert, tmp_path / "model")
    before = contents(tmp_path)
    rename = Path.replace

    def fail(self: Path, target: Path) -> Path:
        moves_new_in = target == tmp_path / "model" and ".old-" not in self.parent.name
        if moves_new_in:
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(UserError, match="cannot be written"):
        save(whisper, tmp_path / "model", overwrite=True)
    assert contents(tmp_path) == before
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_an_interrupted_save_leaves_no_half_folder(
    hubert: SpeechModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(type(hubert.processor), "save_pretrained", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save(hubert, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_all_files_can_be_read_by_others(hubert: SpeechModel, tmp_path: Path) -> None:
    folder = save(hubert, tmp_path / "model")
    modes = {path.name: path.stat().st_mode & 0o044 for path in folder.iterdir()}
    assert set(modes.values()) == {0o044}, modes


def test_what_a_kill_left_beside_another_target_is_undone(
    hubert: SpeechModel, tmp_path: Path
) -> None:
    """The folder of a process that lives stays; a number that was given anew owns nothing."""
    gone, host = 2**22 + 1, platform.node()  # beyond the largest number of a process
    for name in (
        f".out.new-{host}-{gone}-aaaa",
        f".out.new-{host}-{os.getpid()}-bbbb",
        f".out.new-{host}-{os.getpid()}-cccc",
        f".model.old-{host}-{gone}-dddd/model",
        ".out.new-elsewhere-1-eeee",
    ):
        (tmp_path / name).mkdir(parents=True)
    os.utime(tmp_path / f".out.new-{host}-{os.getpid()}-cccc", (0, 0))
    save(hubert, tmp_path / "other")
    assert {path.name for path in tmp_path.iterdir()} == {
        "model",
        "other",
        f".out.new-{host}-{os.getpid()}-bbbb",
        ".out.new-elsewhere-1-eeee",
    }
