"""The shell evaluates: one object is printed, a killed run goes on, two processes are as one."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from analysis.cli import parser as cli
from analysis.evaluation.outcomes import outcomes_of
from analysis.evaluation.saved_results import read_results
from analysis.evaluation.sweep import Row
from analysis.figures.results_report import results_report
from tests.helpers.commands import accelerate_launch, printed_by
from tests.helpers.places import HELDOUT, ROOT

pytestmark = pytest.mark.slow


@pytest.fixture
def excerpt(tmp_path: Path) -> Path:
    """A dozen held-out recordings."""
    folder = tmp_path / "heldout"
    folder.mkdir()
    lines = (HELDOUT / "metadata.csv").read_text().splitlines()[:13]
    (folder / "metadata.csv").write_text("\n".join(lines))
    for line in lines[1:]:
        name = line.split(",")[0]
        (folder / name).symlink_to(HELDOUT / name)
    return folder


def test_command_prints_one_object(excerpt: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["evaluate", "demo-hubert", "--data", str(excerpt)]
    assert cli.main([*arguments, "--against", "demo-hubert", "--json"]) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert {
        *("wer", "cer", "substitutions", "insertions", "deletions", "words", "utterances"),
        *("real_time_factor", "normaliser", "wer_low", "wer_high", "parameters", "bytes"),
    } <= set(found)
    errors = found["substitutions"] + found["insertions"] + found["deletions"]
    assert found["wer"] == pytest.approx(100 * errors / found["words"])
    assert found["utterances"] == 12
    assert found["normaliser"] == "whisper-english"
    assert found["against"]["difference"] == 0
    assert found["against"]["p_permutation"] == found["against"]["p_mapsswe"] == 1
    assert "12 utterances" in captured.err
    assert cli.main(arguments) == 0
    assert f"WER {found['wer']:.2f} %" in capsys.readouterr().out


def test_models_are_compared_under_every_condition(
    excerpt: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "results"
    arguments = ["evaluate", "demo-hubert", "demo-whisper", "--data", str(excerpt), "--json"]
    assert cli.main([*arguments, "--stress", "noise:0,telephone", "--out", str(out)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["condition"] for one in found["stress"]] == ["noise:0", "telephone"]
    assert found["stress"][0]["wer"] > found["wer"], "noise as loud as the voice costs words"
    [other] = found["others"]
    for theirs, own in zip(other["stress"], found["stress"], strict=True):
        assert theirs["difference"] == pytest.approx(theirs["wer"] - own["wer"])
    assert other["difference"] == pytest.approx(other["wer"] - found["wer"])

    rows = [row for row in read_results(out).rows if isinstance(row, Row)]
    conditions = ["", "noise:0", "telephone"]
    assert [row.evaluation.corpus.condition for row in rows] == 2 * conditions
    outcomes = outcomes_of(rows)
    assert (len(outcomes.models), len(outcomes.utterances)) == (2, 3 * 12)
    assert "telephone" in results_report(read_results(out), "light")
    assert (
        cli.main([*arguments[:-1], "--stress", "noise:0", "--stress", "noise", "--limit", "2"]) == 0
    )
    printed = capsys.readouterr().out
    assert "demo-hubert under noise:0: WER" in printed
    assert "demo-whisper against demo-hubert, both under noise:10: " in printed
    assert cli.main([*arguments, "--stress", "rain"]) == 2
    assert "rain" in capsys.readouterr().err


@pytest.mark.slow
def test_a_killed_process_is_gone_on_from(excerpt: Path, tmp_path: Path) -> None:
    """SIGKILL after the first results; nothing is lost, and nothing is there twice."""
    results = tmp_path / "results"
    command = [sys.executable, "-m", "analysis.cli", "evaluate", "demo-hubert", "--json"]
    command += ["--data", str(excerpt), "--batch-size", "1", "--out", str(results)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while process.poll() is None and not any(results.glob("*.jsonl")):
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    assert sum(len(path.read_text().splitlines()) for path in results.glob("*.jsonl")) < 13
    resumed = printed_by(command)
    assert {**resumed, "real_time_factor": 0} == {**printed_by(command[:-2]), "real_time_factor": 0}
    [path] = results.glob("*.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]
    names = [line["utterance"] for line in lines if "utterance" in line]
    assert len(names) == len(set(names)) == 12


@pytest.mark.slow
def test_two_processes_give_the_results_of_one(excerpt: Path, tmp_path: Path) -> None:
    arguments = [
        "-m",
        "coalesce",
        "evaluate",
        "demo-hubert",
        "--data",
        str(excerpt),
        "--json",
    ]
    arguments += ["--batch-size", "4"]
    one = printed_by([sys.executable, *arguments, "--out", str(tmp_path / "one")])
    two = printed_by([*accelerate_launch(2), *arguments, "--out", str(tmp_path / "two")])
    assert {**two, "real_time_factor": 0} == {**one, "real_time_factor": 0}
    assert len(list((tmp_path / "one").glob("*.jsonl"))) == 1
    parts = sorted((tmp_path / "two").glob("*.jsonl"))
    assert [len(part.read_text().splitlines()) for part in parts] == [9, 5]
