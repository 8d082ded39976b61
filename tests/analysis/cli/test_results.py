"""The shell compares any two models, keeps what it found, and makes a page of it."""

import json
from pathlib import Path

import pandas as pd
import pytest

from analysis.cli import evaluation
from analysis.cli import parser as cli
from analysis.evaluation.corpus_evaluation import Comparison, Evaluation, compare_evaluations
from analysis.evaluation.outcomes import outcomes_of
from analysis.evaluation.saved_results import read_results
from analysis.evaluation.sweep import Row
from analysis.models.loading import load
from tests.helpers.corpora import write_corpus


def test_two_models_are_evaluated_kept_and_reported(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    write_corpus(data, ["one two", "three", "four five six"])
    out, page = tmp_path / "out", tmp_path / "page.html"
    models = [str(folder), str(folder)]
    arguments = ["evaluate", *models, "--data", str(data), "--out", str(out), "--confidence"]
    assert cli.main([*arguments, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    [other] = facts["others"]
    assert other["difference"] == 0
    assert other["wer"] == facts["wer"]
    rows = [row for row in read_results(out).rows if isinstance(row, Row)]
    outcomes = outcomes_of(rows)
    assert outcomes.names == [folder.name, f"{folder.name} (2)"]
    assert len(outcomes.utterances) == 3
    assert pd.read_parquet(out / "table.parquet")["wer"].tolist() == [facts["wer"]] * 2
    assert any(result.words for result in outcomes.models[0].results)
    assert cli.main(["report", str(out), str(page)]) == 0
    assert f"{folder.name} (2)" in page.read_text(encoding="utf-8")
    assert cli.main(["report", str(data), str(page)]) == 2
    assert "can be read" in capsys.readouterr().err
    kept = (out / "results.json").read_bytes()
    assert cli.main(["report", str(out), str(out / "results.json")]) == 2
    assert "is no page" in capsys.readouterr().err
    assert (out / "results.json").read_bytes() == kept


def test_a_compressed_model_stands_beside_its_original(folder: Path, tmp_path: Path) -> None:
    """Whichever of them is named first; it is no original of its own."""
    data, small, out = tmp_path / "data", tmp_path / "small", tmp_path / "out"
    data.mkdir()
    write_corpus(data, ["one two", "three", "four five six"])
    way = ["--sparsity", "0.5", "--method", "magnitude"]
    assert cli.main(["compress", str(folder), str(small), *way]) == 0
    arguments = ["evaluate", str(small), "--against", str(folder), "--data", str(data)]
    assert cli.main([*arguments, "--out", str(out)]) == 0
    table = pd.read_csv(out / "table.csv")
    assert table["model"].tolist() == [folder.name] * 2
    assert table["method"].tolist() == ["original", "small"]
    assert table["removed"].tolist() == [0, pytest.approx(50)]
    original, variant = (row for row in read_results(out).rows if isinstance(row, Row))
    assert variant.n_clusters != original.n_clusters == {}
    assert cli.main(["report", str(out), str(tmp_path / "page.html")]) == 0


def test_every_difference_is_tested_once(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tested: list[Comparison] = []

    def compare(own: Evaluation, other: Evaluation) -> Comparison:
        tested.append(compare_evaluations(own, other))
        return tested[-1]

    monkeypatch.setattr(evaluation, "compare_evaluations", compare)
    write_corpus(tmp_path, ["one two", "three", "four five six"])
    arguments = ["evaluate", str(folder), str(folder), "--data", str(tmp_path), "--json"]
    out = tmp_path / "out"
    assert cli.main([*arguments, "--against", str(folder), "--out", str(out)]) == 0
    assert len(tested) == 2, "two models against a third"
    facts = json.loads(capsys.readouterr().out)
    [other] = facts["others"]
    rows = [row for row in read_results(out).rows if isinstance(row, Row)]
    assert [row.against_original is None for row in rows] == [True, False, False]
    assert facts["against"]["p_permutation"] == other["p_permutation"] == 1


def test_a_model_does_not_differ_from_itself(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["diff", str(folder), str(folder), "--units"]) == 0
    first, *groups = capsys.readouterr().out.splitlines()
    assert first.endswith(" same")
    assert "," not in first
    assert all(" 0 of " in line for line in groups)
    assert cli.main(["diff", str(folder), str(folder), "--json"]) == 0
    assert {one["status"] for one in json.loads(capsys.readouterr().out)["tensors"]} == {"same"}


def test_layers_that_do_not_correspond_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["diff", "demo-whisper", "demo-hubert"]) == 0
    _, *lines = capsys.readouterr().out.splitlines()
    assert "name their tensors differently" in lines[0]
    assert lines[1].startswith("demo-whisper alone has decoder.0.self_attention, decoder.0.")
    assert lines[2].startswith("Units are not compared in encoder.0.self_attention")


def test_differences_are_kept_as_tables(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "differences"
    assert cli.main(["diff", str(folder), str(folder), "--out", str(out)]) == 0
    model = load(str(folder))
    for kind, read in (("csv", pd.read_csv), ("parquet", pd.read_parquet)):
        tensors, groups, units = (
            read(out / f"{name}.{kind}") for name in ("tensors", "groups", "units")
        )
        assert tensors["tensor"].tolist() == [name for name, _ in model.model.named_parameters()]
        assert (tensors["relative_norm"] == 0).all()
        assert groups["units"].sum() == len(units) == sum(group.n_units for group in model.groups)
        assert (groups["changed"] == 0).all()
