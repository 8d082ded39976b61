"""The shell's commands, run in the process as a person would call them."""

import argparse
import errno
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from analysis.cli import models as commands
from analysis.cli import parser as cli
from analysis.cli.flags import add_flags
from analysis.delivery.saving import save
from analysis.models.loading import load
from analysis.models.speech_model import SpeechModel
from analysis.plan.choices import (
    ALLOCATIONS,
    DISTANCES,
    ENGINES,
    MERGE_RULES,
    METHODS,
    SEEDINGS,
)
from analysis.plan.recipe import Recipe

Shell = Callable[..., str]


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    """Run a command that must succeed; gives what it printed."""

    def run(*arguments: str | Path) -> str:
        code = cli.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert code == 0, captured.err
        return captured.out

    return run


@pytest.fixture(scope="module")
def folder(hubert: SpeechModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny CTC model as a checkpoint folder."""
    return save(hubert, tmp_path_factory.mktemp("models") / "tiny-hubert")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A second of seeded noise."""
    path = tmp_path / "noise.wav"
    samples = np.random.default_rng(0).normal(0, 0.1, 16_000)
    soundfile.write(path, samples, 16_000)
    return path


def test_choices_are_those_of_the_engine() -> None:
    parser = argparse.ArgumentParser()
    add_flags(parser, Recipe, hidden=("calibrated", "variance-literal", "manual"))
    offered = {action.dest: set(action.choices or ()) for action in parser._actions}
    assert offered["method"] == set(METHODS)
    assert offered["allocation"] | {"variance-literal"} == set(ALLOCATIONS)
    assert offered["engine"] == set(ENGINES)
    assert offered["seeding"] == set(SEEDINGS)
    assert offered["distance"] == set(DISTANCES)
    assert offered["merge"] == set(MERGE_RULES)
    assert offered.keys() - {"help"} == set(Recipe.model_fields)


def test_inspect_lists_every_group(shell: Shell, folder: Path) -> None:
    model = load(str(folder))
    facts = json.loads(shell("inspect", folder, "--json"))
    assert facts["family"] == "HuBERT-CTC"
    assert [row["id"] for row in facts["groups"]] == [g.id for g in model.groups]
    assert sum(row["parameters"] for row in facts["groups"]) == facts["mergeable_parameters"]
    text = shell("inspect", folder)
    assert all(group.id in text for group in model.groups)


def test_compressed_model_reloads_and_transcribes(
    shell: Shell, folder: Path, clip: Path, tmp_path: Path
) -> None:
    out = tmp_path / "smaller"
    facts = json.loads(shell("compress", folder, out, "--sparsity", "0.5", "--json"))
    assert facts["after"]["parameters"] < facts["before"]["parameters"]
    reloaded = load(str(out))
    sizes = {group.id: group.n_units for group in reloaded.groups}
    assert sizes == facts["plan"]["n_clusters"]
    rows = json.loads(shell("transcribe", folder, out, clip, "--reference", "yes no", "--json"))
    assert [row["model"] for row in rows] == [str(folder), str(out)]
    for row in rows:
        assert row["audio"] == str(clip)
        assert row["words"] == 2
        assert row["real_time_factor"] > 0
        errors = row["substitutions"] + row["insertions"] + row["deletions"]
        assert row["wer"] == pytest.approx(errors / 2)


def test_no_reference_gives_no_score(shell: Shell, folder: Path, clip: Path) -> None:
    (row,) = json.loads(shell("transcribe", folder, clip, "--json"))
    assert "wer" not in row
    assert isinstance(row["text"], str)


def test_empty_reference_gives_null_not_nan(
    shell: Shell, folder: Path, clip: Path, tmp_path: Path
) -> None:
    empty = tmp_path / "empty.txt"
    empty.write_text("")
    (row,) = json.loads(shell("transcribe", folder, clip, "--reference", empty, "--json"))
    assert row["words"] == 0
    assert row["wer"] in (None, 0)


def test_plan_file_gives_the_same_weights(shell: Shell, folder: Path, tmp_path: Path) -> None:
    first = json.loads(
        shell("compress", folder, tmp_path / "a", "--method", "random", "--seed", "3", "--json")
    )
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps(first["plan"]))
    shell("compress", folder, tmp_path / "b", "--plan", plan)
    bytes_a = (tmp_path / "a" / "model.safetensors").read_bytes()
    assert bytes_a == (tmp_path / "b" / "model.safetensors").read_bytes()


def test_components_leave_the_others_alone(shell: Shell, folder: Path, tmp_path: Path) -> None:
    facts = json.loads(shell("compress", folder, tmp_path / "a", "--components", "ffn", "--json"))
    before = {group.id: group for group in load(str(folder)).groups}
    for group_id, k in facts["plan"]["n_clusters"].items():
        changed = k < before[group_id].n_units
        assert changed == (before[group_id].component == "ffn")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["inspect", "no/such/folder"], "no folder"),
        (["compress", "FOLDER", "OUT", "--sparsity", "1.5"], "sparsity"),
        (["compress", "FOLDER", "OUT", "--components", "layers"], "components"),
        (["compress", "FOLDER", "OUT", "--budget", "literal"], "--allocation variance"),
        (["compress", "FOLDER", "OUT", "--plan", "nowhere.json"], "nowhere.json"),
        (["compress", "FOLDER", "OUT", "--device", "tpu"], "tpu"),
        (["compress", "FOLDER", "FOLDER"], "already"),
        (["transcribe", "FOLDER"], "No audio"),
        (["transcribe", "CLIP"], "No model"),
        (["transcribe", "FOLDER", "missing.flac"], "missing.flac"),
        (["transcribe", "FOLDER", "CLIP", "CLIP", "--reference", "one text"], "2 clips"),
    ],
)
def test_bad_input_is_one_line_and_code_2(
    arguments: list[str],
    said: str,
    folder: Path,
    clip: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = {"FOLDER": str(folder), "CLIP": str(clip), "OUT": str(tmp_path / "out")}
    assert cli.main([names.get(argument, argument) for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_unknown_option_is_one_line_and_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["compress", "demo-whisper", "out", "--method", "magic"])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert "magic" in error
    assert len(error.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (IsADirectoryError(errno.EISDIR, "Is a directory", "/data/table.csv"), "/data/table.csv"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device. Check"),
        (OSError("one line\nand another"), "one line and another. Check"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_what_the_system_refuses_is_one_line(
    error: OSError,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(options: object) -> None:
        raise error

    monkeypatch.setattr(commands, "inspect", refuse)
    assert cli.main(["inspect", "demo-hubert"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("coalesce inspect: ")
    assert said in line


def test_nobody_reads_the_output_any_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As after `| head`."""
    reader, writer = os.pipe()
    os.close(reader)
    monkeypatch.setattr(commands, "inspect", lambda options: print("a table"))
    with os.fdopen(writer, "w") as output:
        monkeypatch.setattr(sys, "stdout", output)
        assert cli.main(["inspect", "demo-hubert"]) == 141
        output.flush()  # as the interpreter does when it ends
    assert capsys.readouterr().err == ""
