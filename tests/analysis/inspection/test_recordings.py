"""A moment in a person's own recording is found again: its name, and the second in it."""

import numpy as np
import pytest

from analysis.errors import UserError
from analysis.inspection.moments import moments
from analysis.inspection.recordings import cut_recordings
from analysis.inspection.soundtrack import SECONDS, find_soundtrack
from analysis.models.speech_model import SpeechModel
from analysis.speech.audio import SAMPLING_RATE, Audio
from analysis.speech.excitation import speech_like
from tests.helpers.tiny_models import group_of


def recording(name: str, seconds: float, seed: int) -> Audio:
    generator = np.random.default_rng(seed)
    return Audio(name, speech_like(generator, seconds), SAMPLING_RATE, 1)


@pytest.mark.parametrize("name", ["whisper", "hubert"])
def test_every_moment_sounds_where_it_is_said_to_be(
    name: str, request: pytest.FixtureRequest
) -> None:
    model: SpeechModel = request.getfixturevalue(name)
    recordings = [
        recording("short", 0.05, 1),
        recording("one", 2.5, 2),
        recording("long", 60, 3),
    ]
    excitation, origins = cut_recordings(recordings)
    assert [origin.name for origin in origins][:2] == ["one", "long"]
    assert len(origins) > 3, "a minute is no window"
    soundtrack = find_soundtrack(model, excitation)
    found = moments(model, soundtrack, group_of(model, "encoder.1.ffn"), [0])
    assert found.moments
    by_name = {audio.name: audio.samples for audio in recordings}
    heard = set()
    for moment in found.moments:
        recorded, seconds = moment.place(origins)
        heard.add(recorded)
        within = round((moment.seconds - moment.start) * SAMPLING_RATE)
        at = round(seconds * SAMPLING_RATE)
        own = moment.samples[within : within + 16]
        places = (at - 1, at, at + 1)  # times are rounded to samples twice
        there = [by_name[recorded][place : place + len(own)] for place in places]
        assert any(np.array_equal(own, samples) for samples in there), (recorded, seconds)
    assert "long" in heard


def test_of_many_recordings_the_first_five_minutes_are_heard() -> None:
    hour = Audio("hour", np.tile(recording("", 10, 4).samples, 360), SAMPLING_RATE, 1)
    excitation, origins = cut_recordings([hour, recording("late", 2, 5)])
    assert excitation.seconds == SECONDS
    assert {origin.name for origin in origins} == {"hour"}
    ends = [
        origin.seconds + len(clip) / SAMPLING_RATE
        for origin, clip in zip(origins, excitation.clips, strict=True)
    ]
    assert ends[:-1] == pytest.approx([origin.seconds for origin in origins[1:]])
    with pytest.raises(UserError, match="no clip"):
        cut_recordings([recording("short", 0.05, 1)])
