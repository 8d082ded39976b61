"""What is foreseen of a training run follows its size, and the pieces that it learns from."""

import pytest

from analysis.models.footprint import footprint
from analysis.models.speech_model import SpeechModel
from analysis.speech.excitation import make_excitation
from analysis.speech.languages import language_codes
from analysis.speech.windows import quiet_windows
from analysis.training.foresight import foresee_training, foresee_without_data
from analysis.training.own_words import _sizes, foreseen_pieces

pytestmark = pytest.mark.usefixtures("steady")


def test_a_run_takes_longer_with_more_to_learn(speech_model: SpeechModel) -> None:
    cost = footprint(speech_model)

    def seconds(n_clips: int = 100, epochs: int = 3, *, taught: bool = False) -> float:
        sound = 3.0 * n_clips
        return foresee_training(speech_model, cost, n_clips, sound, epochs=epochs, taught=taught)

    start = seconds(epochs=0)
    assert 0 < start < seconds()
    assert seconds(epochs=6) - start == pytest.approx(2 * (seconds() - start))
    assert seconds(n_clips=200) - start == pytest.approx(2 * (seconds() - start))
    assert seconds() < seconds(taught=True) < 2 * seconds()


def test_without_data_each_epoch_adds_the_same(speech_model: SpeechModel) -> None:
    cost = footprint(speech_model)
    once, twice, thrice = (
        foresee_without_data(speech_model, cost, epochs=epochs) for epochs in (1, 2, 3)
    )
    assert 0 < twice - once == pytest.approx(thrice - twice)
    assert foresee_without_data(speech_model, cost, epochs=1, limit=5) < once


def test_pieces_are_foreseen_without_reading_them(demo_model: SpeechModel) -> None:
    heard = make_excitation("speech", level="thorough", languages=language_codes(demo_model))
    longest, _ = _sizes(demo_model, 30.0)
    pieces = [cut for clip in heard.clips for cut in quiet_windows(clip, longest)]
    count, seconds = foreseen_pieces(demo_model)
    assert count == pytest.approx(len(pieces), rel=0.15)
    assert seconds == pytest.approx(heard.seconds, rel=0.01)
    assert foreseen_pieces(demo_model, limit=10)[0] == 10
