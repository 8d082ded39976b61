"""The command that transcribes: odd clips are explained on stderr, and a bad one stops no other."""

import json
from pathlib import Path

import numpy as np
import pytest

from analysis.cli import parser as cli
from tests.helpers.sounds import encoded, tone, written


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / "bad.wav"
    path.write_bytes(b"this is no sound at all" * 50)
    return path


def test_a_bad_clip_is_named_and_the_good_ones_are_transcribed(
    folder: Path, clip: Path, bad: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = tmp_path / "lines.txt"
    lines.write_text("first\nsecond words\n")
    arguments = ["transcribe", folder, bad, clip, "--reference", lines, "--json"]
    assert cli.main([str(argument) for argument in arguments]) == 2
    captured = capsys.readouterr()
    (row,) = json.loads(captured.out)
    assert row["audio"] == str(clip)
    assert row["words"] == 2  # the reference of its own line
    assert "“bad.wav” is not audio" in captured.err
    assert "1 of 2 clips could not be read." in captured.err


def test_where_all_clips_are_bad_the_first_is_named_and_no_model_is_loaded(
    bad: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["transcribe", "no-such-model", str(bad), str(bad)]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("is not audio") == 1
    assert "no-such-model" not in captured.err


def test_a_file_of_weights_is_a_model_that_cannot_be_and_no_clip(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "tiny.en.pt"
    weights.write_bytes(b"PK\x03\x04")
    assert cli.main(["transcribe", str(weights), str(clip)]) == 2
    assert "tiny.en.pt is a pickled model" in capsys.readouterr().err


def test_a_rate_that_changes_midway_is_read_and_noted(
    folder: Path, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = tmp_path / "odd.aac"
    odd.write_bytes(
        encoded(tone(500, 44_100, 0.5), 44_100, "adts", "aac")
        + encoded(tone(500, 16_000, 0.5), 16_000, "adts", "aac")
    )
    assert cli.main(["transcribe", str(folder), str(odd), str(clip)]) == 0
    captured = capsys.readouterr()
    assert f"{odd}: The file changes its sampling rate" in captured.err
    assert str(clip) in captured.out
    assert str(clip) not in captured.err


def test_notes_on_the_sound_are_in_the_json(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    side = np.random.default_rng(0).normal(0, 0.1, 16_000)
    odd = tmp_path / "odd.wav"
    odd.write_bytes(written(np.stack([side, -side], axis=1), 16_000))
    assert cli.main(["transcribe", str(folder), str(odd), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert ["channel 1 of 2 was taken alone" in note for note in row["audio_notes"]] == [True]


@pytest.mark.parametrize("command", ["transcribe", "evaluate", "sweep"])
def test_help_says_what_each_normaliser_does_to_accents(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert said.count("Accents and vowel signs") == 3
