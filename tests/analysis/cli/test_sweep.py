"""The shell sweeps: the table is written, gone on with, and the same from two processes."""

import csv
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from analysis.cli import parser as cli
from tests.helpers.commands import accelerate_launch
from tests.helpers.corpora import write_corpus
from tests.helpers.heard import rows_heard
from tests.helpers.places import ROOT

pytestmark = pytest.mark.slow


def test_command_writes_the_table_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_corpus(tmp_path, ["one", "two"])
    config = tmp_path / "sweep.yaml"
    config.write_text(f"model: demo-hubert\ndata: {data}\nmethod: magnitude\nsparsity: [0.1, 0.9]")
    out = tmp_path / "out"
    arguments = ["sweep", "--config", str(config), "--out", str(out), "--sparsity", "0.5"]
    assert cli.main(arguments) == 0
    printed = capsys.readouterr().out
    assert (out / "table.md").read_text() in printed
    methods = [line["method"] for line in csv.DictReader((out / "table.csv").open())]
    assert methods == ["original", "magnitude"]
    first = (out / "table.csv").read_text()

    def refuse(*arguments: object, **settings: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr("analysis.evaluation.corpus_evaluation.transcribe_batch", refuse)
    assert cli.main(arguments) == 0
    assert (out / "table.csv").read_text() == first


def test_models_of_one_name_stay_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_corpus(tmp_path, ["one", "two"])
    heard = rows_heard(["one"], {"original": ["one"]})[0]

    def fake(model: object, *arguments: object, on_row: Any, **settings: object) -> None:
        on_row(replace(heard, model="tiny"))

    monkeypatch.setattr("analysis.cli.evaluation.run_sweep", fake)
    monkeypatch.setattr(
        "analysis.cli.evaluation.load", lambda *_, **__: SimpleNamespace(name="tiny")
    )
    models = ["a/tiny", "b/tiny", "c/tiny"]
    out = tmp_path / "out"
    assert cli.main(["sweep", *models, "--data", str(data), "--out", str(out)]) == 0
    names = [line["model"] for line in csv.DictReader((out / "table.csv").open())]
    assert names == ["tiny", "tiny (2)", "tiny (3)"]


@pytest.mark.slow
def test_two_processes_give_the_table_of_one(tmp_path: Path) -> None:
    data = write_corpus(tmp_path, ["one", "two", "three", "four", "five"])
    arguments = ["-m", "analysis.cli", "sweep", "demo-hubert", "--data", str(data)]
    arguments += ["--sparsity", "0.3", "--method", "magnitude,cluster", "--batch-size", "2"]
    tables = []
    for name, start in (("one", [sys.executable]), ("two", accelerate_launch(2))):
        command = [*start, *arguments, "--out", str(tmp_path / name)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
        assert done.returncode == 0, done.stderr
        lines = csv.DictReader((tmp_path / name / "table.csv").open())
        tables.append([line | {"real_time_factor": ""} for line in lines])
    assert tables[0] == tables[1]
    assert len(tables[0]) == 3
    assert len(list((tmp_path / "two" / "results").iterdir())) == 6
