"""What version 0.1.0 wrote loads as before: plans, checkpoints, sweep files and stored results."""

import json
from pathlib import Path

import pytest

from analysis.compression.planner import Planner
from analysis.evaluation.results import ResultStore, Run
from analysis.evaluation.sweep_spec import read_spec, read_spec_file
from analysis.models.loading import load
from analysis.models.speech_model import SpeechModel
from analysis.plan.compression_plan import CompressionPlan
from tests.helpers.places import ROOT

FORMAT_1 = ROOT / "tests" / "data" / "format1"
STORED = sorted((FORMAT_1 / "results").glob("*.jsonl"))


def run_of_file(path: Path) -> Run:
    return Run(**json.loads(path.read_text(encoding="utf-8").splitlines()[0])["run"])


@pytest.fixture(scope="module")
def demo_hubert() -> SpeechModel:
    return load("demo-hubert")


def test_a_plan() -> None:
    text = (FORMAT_1 / "plan.json").read_text(encoding="utf-8")
    plan = CompressionPlan.from_json(text)
    assert plan.identity == text
    assert plan.origin.model == "tiny-hubert"
    assert plan.recipe.distance == "normalised"
    assert plan.recipe.merge == "medoid"
    assert plan.recipe.seed == 7
    assert plan.n_clusters["encoder.1.ffn"] == 12


def test_a_checkpoint_with_its_plan_and_its_training() -> None:
    model = load(str(FORMAT_1 / "checkpoint"))
    assert model.plan == CompressionPlan.from_json((FORMAT_1 / "plan.json").read_text())
    assert {group.id: group.n_units for group in model.groups} == dict(model.plan.n_clusters)
    [record] = model.training
    assert (record.method, record.steps, record.validation_wer) == ("fine-tuning", 9, 0.25)
    assert record.settings == {"epochs": 3, "learning_rate": 2e-4}


def test_a_sweep_file_asks_for_the_results_that_are_stored(demo_hubert: SpeechModel) -> None:
    """The plan that a cell gives today is the one whose results lie on disk, to the letter."""
    cells = read_spec(read_spec_file(FORMAT_1 / "sweep.yaml")).cells()
    planner = Planner(demo_hubert)
    asked = {planner.prepare(cell.recipe).plan.identity for cell in cells}
    stored = {run.plan for run in map(run_of_file, STORED)}
    assert asked == stored - {None}


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_stored_results_are_found(path: Path, demo_hubert: SpeechModel) -> None:
    run = run_of_file(path)
    assert run.weight_hash == demo_hubert.weight_hash
    found = ResultStore(FORMAT_1 / "results").read(run)
    assert len(found) == 3
    assert all(result.text for result in found.values())
