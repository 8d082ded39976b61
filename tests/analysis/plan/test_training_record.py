"""The record that a trained model carries, and what a stranger's may not hold."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.delivery.saving import save
from analysis.errors import UserError
from analysis.models.loading import load
from analysis.plan.training_record import TrainingRecord
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
