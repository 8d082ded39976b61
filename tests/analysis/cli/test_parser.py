"""The shell's options, and that whatever goes wrong is one line and an exit code."""

import argparse
import errno
import os
import sys
from pathlib import Path

import pytest

from analysis.cli import models as commands
from analysis.cli import parser as cli
from analysis.cli.flags import add_flags
from analysis.plan.choices import ALLOCATIONS, DISTANCES, ENGINES, MERGE_RULES, METHODS, SEEDINGS
from analysis.plan.recipe import Recipe


def test_choices_are_those_of_the_engine() -> None:
    parser = argparse.ArgumentParser()
    add_flags(parser, Recipe)
    offered = {action.dest: set(action.choices or ()) for action in parser._actions}
    assert offered["method"] == set(METHODS)
    assert offered["allocation"] | {"variance-literal"} == set(ALLOCATIONS)
    assert offered["engine"] == set(ENGINES)
    assert offered["seeding"] == set(SEEDINGS)
    assert offered["distance"] == set(DISTANCES)
    assert offered["merge"] == set(MERGE_RULES)
    assert offered.keys() - {"help"} == set(Recipe.model_fields)


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
