"""Encoder times: every model runs equally often, in turns, and is compared with the first."""

import pytest

from analysis.compression.compress import compress
from analysis.errors import Cancelled
from analysis.evaluation.speed import measure_encoders
from analysis.models.speech_model import SpeechModel
from analysis.progress import Watch
from tests.helpers.tiny_models import make_plan


def test_medians_of_every_family(speech_model: SpeechModel) -> None:
    variant = compress(speech_model, make_plan(speech_model)).model
    first, second = measure_encoders([speech_model, variant], runs=3)
    assert first.ratio == 1
    assert second.ratio == pytest.approx(second.seconds / first.seconds)
    assert first.seconds > 0
    assert first.audio_seconds == (2 if speech_model.architecture.decoding == "seq2seq" else 10)


def test_models_take_turns_after_one_run_that_is_not_timed(
    whisper: SpeechModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    variant = compress(whisper, make_plan(whisper)).model
    order: list[str] = []
    times = iter([90.0, 90.0, 4.0, 1.0, 2.0, 8.0, 6.0, 3.0])

    def run(model: SpeechModel, features: object) -> float:
        order.append("original" if model is whisper else "variant")
        return next(times)

    monkeypatch.setattr("analysis.evaluation.speed._run", run)
    first, second = measure_encoders([whisper, variant], runs=3)
    assert order == ["original", "variant"] * 4
    assert (first.seconds, second.seconds, second.ratio) == (4, 3, 3 / 4)


def test_it_can_be_cancelled(whisper: SpeechModel) -> None:
    with pytest.raises(Cancelled):
        measure_encoders([whisper], watch=Watch(should_cancel=lambda: True))
