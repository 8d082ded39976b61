"""Two tabs of one session: what one removes while the other is drawn."""

from collections.abc import Iterator

import numpy as np
import pytest

from analysis.speech.audio import SAMPLING_RATE, Audio
from analysis.speech.transcription import Transcript, TranscriptionOptions
from pages.listening.clips import choose_clip
from pages.session.session import Clip, Session, on_best_device
from pages.session.shelves import model_id
from pages.session.snapshots import Snapshots
from pages.variants import measured_wer
from tests.helpers.tiny_models import tiny_whisper

SOUND = Audio("clip", np.zeros(SAMPLING_RATE, np.float32), SAMPLING_RATE, 1)


class Vanishing(Snapshots[str, Clip]):
    """Clips that another tab removes as soon as they have been listed."""

    def __iter__(self) -> Iterator[str]:
        listed = list(super().__iter__())
        self._now = {}
        return iter(listed)


@pytest.fixture
def session() -> Session:
    session = Session(on_best_device("demo-whisper"))
    session.clips["a"] = Clip("a", SOUND, "one two three four", "upload")
    session.current_clip = "a"
    return session


def test_a_clip_that_is_removed_meanwhile_is_drawn_to_the_end(session: Session) -> None:
    clip = session.clips["a"]
    clips = Vanishing()
    clips["a"] = clip
    session.clips = clips
    assert choose_clip(session) is clip


def test_an_error_rate_is_of_what_was_there(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_whisper()
    key = ("a", model_id(model), TranscriptionOptions())
    text = "one two three five"
    session.transcripts[key] = Transcript("clip", "tiny", text, 1.0, 0.1, 0.1, None, "none", 1, ())

    def removing(_: object) -> str:
        session.clips.clear()
        session.transcripts.clear()
        return "basic"

    monkeypatch.setattr(measured_wer, "normaliser_of", removing)
    (measured,) = measured_wer.measure_wer(session, model)
    assert (measured.words, measured.wer) == (4, 0.25)
    assert measured_wer.measure_wer(session, model) == ()
