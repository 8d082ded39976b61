"""Speech under stress: as loud, as long, as narrow as was asked for, and the same every time."""

import numpy as np
import pytest

from analysis.errors import UserError
from analysis.speech.audio import SAMPLING_RATE
from analysis.speech.disturbing import DISTURBANCES, disturb, read_condition, seconds_under

SPEECH = (0.1 * np.random.default_rng(0).standard_normal(2 * SAMPLING_RATE)).astype(np.float32)


def decibels(samples: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.square(samples, dtype=np.float64))))


def test_noise_lies_as_far_below_as_was_asked_for() -> None:
    noise = disturb(SPEECH, "noise:10", "a") - SPEECH
    assert decibels(SPEECH) - decibels(noise) == pytest.approx(10, abs=0.01)


def test_gain_is_in_decibels_and_clips() -> None:
    assert decibels(disturb(SPEECH, "gain:-20", "a")) == pytest.approx(decibels(SPEECH) - 20)
    assert np.abs(disturb(SPEECH, "gain:40", "a")).max() == 1


def test_the_telephone_takes_away_what_lies_outside_its_band() -> None:
    def power(samples: np.ndarray) -> np.ndarray:
        return np.abs(np.fft.rfft(samples)) ** 2

    gains = power(disturb(SPEECH, "telephone", "a")) / power(SPEECH)
    frequencies = np.fft.rfftfreq(len(SPEECH), 1 / SAMPLING_RATE)
    inside = (frequencies > 350) & (frequencies < 3000)
    outside = (frequencies < 200) | (frequencies > 4200)
    assert gains[inside].min() > 0.9
    assert gains[outside].max() < 1e-3


def test_a_room_goes_on_after_the_sound() -> None:
    click = np.zeros(SAMPLING_RATE, np.float32)
    click[0] = 0.5
    heard = disturb(click, "reverb:0.8", "a")
    assert heard[0] == pytest.approx(0.5, rel=1e-3)
    early, late = decibels(heard[100:1700]), decibels(heard[6400:8000])
    assert early - late == pytest.approx(60 * 0.4 / 0.8, abs=4)  # 0.4 s later


@pytest.mark.parametrize("condition", ["speed:1.25", "silence:0.5", "noise:5", "speed:2+silence:1"])
def test_a_clip_is_as_long_as_is_said(condition: str) -> None:
    heard = disturb(SPEECH, condition, "a")
    assert len(heard) / SAMPLING_RATE == pytest.approx(seconds_under(2.0, condition), abs=1e-3)
    assert heard.dtype == np.float32


@pytest.mark.parametrize("name", DISTURBANCES)
def test_the_same_clip_is_disturbed_alike(name: str) -> None:
    condition = read_condition(name)
    first, again, other = (disturb(SPEECH, condition, seed) for seed in "aab")
    np.testing.assert_array_equal(first, again)
    assert (name in ("noise", "reverb")) == (not np.array_equal(first, other))


@pytest.mark.parametrize("text", ["rain", "noise:loud", "noise:99", "speed:0", "telephone:3", ""])
def test_what_cannot_be_is_refused_in_words(text: str) -> None:
    with pytest.raises(UserError):
        read_condition(text)
