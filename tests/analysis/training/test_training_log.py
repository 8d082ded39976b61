"""The log of a run, its pictures, and the record that a trained model carries."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.delivery.saving import save
from analysis.errors import UserError
from analysis.figures.training import (
    loss_curve,
    running_mean,
    short_name,
    sparsity_map,
    threshold_map,
    wer_curve,
)
from analysis.models.loading import load
from analysis.plan.training_record import TrainingRecord
from analysis.training.log import TrainingCurves, TrainingLog, read_log
from tests.helpers import tiny_models

RECORD = TrainingRecord(
    method="self-pinching",
    data="clips",
    utterances=8,
    seconds=12.5,
    settings={"epochs": 3},
    steps=6,
    validation_wer=0.25,
    sparsities={"encoder.layers.0.fc1": 0.5},
    sparsity=0.5,
    sparse_bytes=1234,
)


def test_a_log_is_read_while_it_grows(tmp_path: Path) -> None:
    assert read_log(tmp_path).steps == []
    log = TrainingLog(tmp_path)
    log.write("start", {"n_steps": 3})
    for step in (1, 2, 3):
        log.write("step", {"step": step, "loss": 1 / step})
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"event": "step", "st')
    curves = read_log(tmp_path)
    assert curves.start["n_steps"] == 3
    assert [row["step"] for row in curves.steps] == [1, 2, 3]
    assert curves.ended is None


def test_what_a_killed_process_logged_too_much_is_forgotten(tmp_path: Path) -> None:
    rows = [{"event": "start", "n_steps": 3, "seconds": 0.0}]
    rows += [{"event": "step", "step": s, "loss": 1.0, "seconds": 10.0 * s} for s in (1, 2, 3)]
    rows += [{"event": "resume", "step": 2, "seconds": 0.0}]
    rows += [{"event": "step", "step": 3, "loss": 0.5, "seconds": 7.0}]
    rows += [{"event": "finished", "step": 3, "seconds": 9.0}]
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    curves = read_log(tmp_path)
    assert [(row["loss"], row["seconds"]) for row in curves.steps] == [(1, 10), (1, 20), (0.5, 27)]
    assert curves.seconds == 29
    assert curves.ended == "finished"


@pytest.fixture
def curves() -> TrainingCurves:
    """Two steps of four with two gates, and the WER before training."""
    names = ("hubert.encoder.layers.0.attention.q_proj", "hubert.encoder.layers.1.attention.q_proj")
    steps = [
        {
            "step": step,
            "loss": 1.0 / step,
            "learning_rate": 1e-4,
            "sparsity": 0.1 * step,
            "wanted": 0.3,
            "thresholds": dict(zip(names, (0.01, 0.02 * step), strict=True)),
            "sparsities": dict(zip(names, (0.05, 0.15 * step), strict=True)),
        }
        for step in (1, 2)
    ]
    validations = [{"step": 0, "epoch": 0, "wer": 0.4}, {"step": 2, "epoch": 1, "wer": 0.3}]
    return TrainingCurves({"n_steps": 4}, steps, validations)


def test_pictures_show_the_run_and_say_what_it_found(curves: TrainingCurves) -> None:
    loss, wer = loss_curve(curves), wer_curve(curves)
    assert list(loss.data[0].y) == [1.0, 0.5]
    assert loss.layout.xaxis.range == (0, 4)  # the axis is the whole run's from the start
    assert list(wer.data[0].y) == [0.4, 0.3]
    assert wer.layout.title.text == "Validation WER: 40.0% before training, 30.0% after epoch 1"
    sparsities, thresholds = sparsity_map(curves), threshold_map(curves)
    assert sparsities.data[0].z.tolist() == [[0.05, 0.05], [0.15, 0.3]]
    assert sparsities.layout.title.text == "20.0% pinched, 30.0% wanted at this step"
    assert list(sparsities.layout.yaxis.ticktext) == ["encoder 0", "encoder 1"]
    assert thresholds.layout.title.text == "Thresholds: the highest is 0.04, in encoder 1"


def test_running_mean_has_no_bias_to_the_first_value() -> None:
    assert running_mean([2.0, 2.0, 2.0]) == pytest.approx([2.0, 2.0, 2.0])
    means = running_mean([0.0] * 5 + [1.0] * 200)
    assert means[4] == 0
    assert means[-1] == pytest.approx(1, abs=1e-6)
    assert means == sorted(means)


def test_names_are_short() -> None:
    assert short_name("model.decoder.layers.2.fc1") == "decoder 2 fc1"
    assert short_name("decoder.0.cross_attention") == "decoder 0 cross_attention"


def test_a_record_survives_json() -> None:
    again = TrainingRecord.from_dict(json.loads(json.dumps(RECORD.to_dict())), "a model")
    assert again == RECORD


@pytest.mark.parametrize(
    "change",
    [
        {"method": "magic"},
        {"steps": "many"},
        {"sparsities": [1]},
        {"utterances": True},
        {"settings": None},
        {"unknown": 1},
    ],
)
def test_a_record_of_a_stranger_is_checked(change: dict[str, Any], tmp_path: Path) -> None:
    model = tiny_models.tiny_hubert()
    plan = tiny_models.make_plan(model, n_clusters={})
    folder = save(replace(model, plan=plan, training=(RECORD,)), tmp_path / "model")
    assert load(str(folder)).training == (RECORD,)
    carried = json.loads((folder / "coalesce.json").read_text())
    carried["training"][0] |= change
    (folder / "coalesce.json").write_text(json.dumps(carried))
    with pytest.raises(UserError, match="training record of model cannot be read"):
        load(str(folder))
    carried["training"] = "none"
    (folder / "coalesce.json").write_text(json.dumps(carried))
    with pytest.raises(UserError, match="no list of records"):
        load(str(folder))
