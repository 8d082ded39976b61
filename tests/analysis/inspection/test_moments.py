"""The hardest moments: distinct, in order, where the unit is; and what they are made of."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.inspection import activity
from analysis.inspection.activity import group_activity
from analysis.inspection.moments import MOST_MOMENTS, answers, hardest, moments
from analysis.inspection.soundtrack import Soundtrack, find_soundtrack
from analysis.models.speech_model import SpeechModel
from analysis.speech.audio import SAMPLING_RATE
from analysis.speech.excitation import Excitation


def test_two_moments_are_a_second_apart_unless_the_clips_differ() -> None:
    """Peaks at 0.9 and 1.1 s are one moment although they lie in different seconds."""
    seconds = np.tile(np.arange(30) / 10, 2).astype(np.float32)
    clips = np.repeat([0, 1], 30)
    strengths = np.zeros((60, 1), np.float32)
    for place, value in ((9, 5.0), (11, 6.0), (25, 1.0), (30 + 11, 4.0)):
        strengths[place] = value
    assert hardest(strengths, clips, seconds)[0].tolist() == [11, 41, 25] + [-1] * 7


@given(st.integers(0, 2**32 - 1))
def test_moments_are_distinct_and_nothing_harder_is_left_out(seed: int) -> None:
    generator = np.random.default_rng(seed)
    clips = np.repeat(np.arange(3), 700)
    seconds = np.tile(np.arange(700) / 50, 3)
    strengths = generator.exponential(size=(2100, 4))
    for unit, places in enumerate(hardest(strengths, clips, seconds)):
        assert len(set(places.tolist())) == MOST_MOMENTS
        values = strengths[places, unit]
        assert (np.diff(values) <= 0).all()
        assert values[0] == strengths[:, unit].max()
        far = np.abs(seconds[places][:, None] - seconds[places]) >= 1
        far |= clips[places][:, None] != clips[places]
        assert (far | np.eye(MOST_MOMENTS, dtype=bool)).all()


def test_moments_of_every_family(speech_model: SpeechModel, soundtrack: Soundtrack) -> None:
    for group in speech_model.groups[-2:]:
        found = moments(speech_model, soundtrack, group, [1])
        own = group_activity(speech_model, soundtrack, group)
        strength = own.strengths([1])[:, 0]
        assert found.moments[0].value == pytest.approx(float(strength.max()))
        assert found.quantiles[-1] == pytest.approx(float(strength.max()))
        assert found.n_positions == len(strength)
        for moment in found.moments:
            track = soundtrack.tracks[moment.clip]
            start = round(moment.start * SAMPLING_RATE)
            cut = track.clip.samples[start : start + len(moment.samples)]
            np.testing.assert_array_equal(moment.samples, cut)
            assert 0.9 < len(moment.samples) / SAMPLING_RATE <= 1.01
            assert moment.start <= moment.seconds + 1e-3
        assert [row["rank"] for row in found.rows()] == list(range(1, len(found.moments) + 1))
        both = moments(speech_model, soundtrack, group, [0, 1])
        assert both.moments[0].value == pytest.approx(float(own.together([0, 1]).max()))
        assert len(answers(speech_model, soundtrack, group)) == group.n_units


def test_a_second_look_runs_no_model(
    whisper: SpeechModel, sound: Excitation, monkeypatch: pytest.MonkeyPatch
) -> None:
    soundtrack = find_soundtrack(whisper, sound)
    group = whisper.groups[2]
    first = moments(whisper, soundtrack, group, [3])
    monkeypatch.setattr(activity, "record", None)
    again = moments(whisper, soundtrack, group, [3])
    assert again.rows() == first.rows()
    assert moments(whisper, soundtrack, group, [2]).moments


def test_a_unit_that_never_works_has_no_moment() -> None:
    places = hardest(np.zeros((50, 1)), np.zeros(50, int), np.arange(50) / 10)
    assert (places == -1).all()
