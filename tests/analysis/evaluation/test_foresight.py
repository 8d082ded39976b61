"""What is foreseen of a sweep: the models that will run, and that more work takes longer."""

from typing import Any

import pytest

from analysis.compression.swaps import may_trade
from analysis.evaluation.foresight import Foresight, foresee
from analysis.evaluation.sweep import Row, sweep
from analysis.evaluation.sweep_spec import read_spec
from analysis.models.footprint import footprint
from analysis.models.speech_model import SpeechModel
from tests.helpers.sweeps import MINIMAL, OPTIONS, three_utterances

pytestmark = pytest.mark.usefixtures("steady")

DEFAULT = "surgeon:distance=influence:merge=weighted:repair=refit"


def foreseen(model: SpeechModel, factor: float | None = None, **fields: object) -> Foresight:
    cells = read_spec(MINIMAL | fields).cells()
    return foresee(
        model, footprint(model), cells, 0, hear=lambda recipe: None, real_time_factor=factor
    )


def test_as_many_models_are_foreseen_as_run(
    hubert: SpeechModel, tmp_path_factory: pytest.TempPathFactory
) -> None:
    corpus = three_utterances(tmp_path_factory.mktemp("corpus"))
    fields: dict[str, Any] = {
        "sparsity": "0.3,0.5",
        "method": "magnitude,cluster,cluster:merge=medoid",
        "allocation": "uniform,distortion,output-error",  # the last goes with none of them
    }
    rows = sweep(hubert, read_spec(MINIMAL | fields).cells(), corpus, OPTIONS, "none")
    assert foreseen(hubert, **fields).n_models == sum(isinstance(row, Row) for row in rows)
    beside = foreseen(hubert, method=f"magnitude,{DEFAULT}", sparsity="0.3", allocation="own")
    # magnitude runs at the K of the default, too
    assert (beside.n_models, beside.n_baselines) == (4, 1)


def test_more_work_takes_longer(speech_model: SpeechModel) -> None:
    one = foreseen(speech_model, method="cluster", sparsity="0.1")
    many = foreseen(speech_model, method="cluster", sparsity="0.1,0.2,0.3,0.5")
    ours = foreseen(speech_model, method=DEFAULT, sparsity="0.1", allocation="own")
    assert one.listening == many.listening == 0
    assert 0 < one.seconds(60) < many.seconds(60) < many.seconds(120)
    assert many.transcribing == pytest.approx(5 / 2 * one.transcribing)
    assert ours.listening > 0
    assert (ours.trading > 0) == may_trade(speech_model)
    assert many.trading == 0


def test_what_several_recipes_listen_for_counts_once(hubert: SpeechModel) -> None:
    one = foreseen(hubert, method=DEFAULT, sparsity="0.1", allocation="own")
    more = foreseen(hubert, method=DEFAULT, sparsity="0.1,0.2", allocation="own,uniform")
    assert more.listening == one.listening


def test_what_was_measured_is_believed(hubert: SpeechModel) -> None:
    found = foreseen(hubert, 0.25, method="magnitude", sparsity="0.1")
    assert found.seconds(100) == pytest.approx(2 * 0.25 * 100)
