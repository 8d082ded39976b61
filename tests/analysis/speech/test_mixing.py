"""Channels are averaged unless that loses what was said; samples of any scale come out at full."""

import numpy as np
import pytest

from analysis.speech.audio import read_audio
from analysis.speech.mixing import Mixer
from tests.helpers.sounds import Signal, encoded, pitches, tone, written

RATE = 16_000


def stereo(left: Signal, right: Signal) -> bytes:
    return written(np.stack([left, right], axis=1), RATE, subtype="FLOAT")


def voice(seed: int = 0) -> Signal:
    return np.random.default_rng(seed).normal(0, 0.1, 2 * RATE)


@pytest.mark.parametrize("gain", [1.0, 0.9, 0.7])
def test_of_opposite_channels_the_louder_is_taken_and_it_is_said(gain: float) -> None:
    audio = read_audio(stereo(gain * voice(), -voice()))
    taken, right = (0, gain * voice()) if gain >= 0.95 else (1, -voice())
    np.testing.assert_allclose(audio.samples, right, atol=1e-6)
    assert f"channel {taken + 1} of 2 was taken alone" in audio.notes[0]
    assert audio.is_whole


def test_opposite_channels_after_a_lossy_codec() -> None:
    # What coding leaves of the mix is noise, loud enough not to be silence.
    sides = np.stack([tone(700, 44_100), -tone(700, 44_100)])
    sides += np.random.default_rng(0).normal(0, 0.003, sides.shape)
    audio = read_audio(encoded(sides, 44_100, "mp3", "libmp3lame"))
    assert set(pitches(audio)[:4]) == {700}
    assert np.abs(audio.samples).max() > 0.4
    assert len(audio.notes) == 1


def test_channels_that_cancel_for_a_part_of_the_time_are_found() -> None:
    left = np.tile(voice(), 4)  # all of it is one block of the decoder
    right = np.r_[left[: 3 * RATE], -left[3 * RATE :]]
    np.testing.assert_allclose(read_audio(stereo(left, right)).samples, left, atol=1e-6)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (voice(), voice()),
        (voice(), voice(1)),
        (voice(), np.zeros(2 * RATE)),
        (voice(), 0.2 + np.zeros(2 * RATE)),
        (voice(), 0.02 * voice(1)),
        (np.r_[voice()[:RATE], np.zeros(RATE)], np.r_[np.zeros(RATE), voice(1)[RATE:]]),
        (voice(), np.r_[0, voice()[:-1]]),
    ],
    ids=["equal", "unrelated", "left only", "an offset", "a whisper", "in turn", "delayed"],
)
def test_other_channels_are_averaged(left: Signal, right: Signal) -> None:
    audio = read_audio(stereo(left, right))
    np.testing.assert_allclose(audio.samples, (left + right) / 2, atol=1e-6)
    assert audio.notes == ()


def test_one_of_many_channels_is_no_cancellation() -> None:
    sides = np.zeros((2 * RATE, 16))
    sides[:, 3] = voice()
    audio = read_audio(written(sides, RATE, subtype="FLOAT"))
    np.testing.assert_allclose(audio.samples, voice() / 16, atol=1e-6)
    assert audio.notes == ()


def test_the_mix_does_not_depend_on_the_blocks() -> None:
    frames = np.random.default_rng(0).normal(0, 1, (999, 2)).astype(np.float32)
    whole, parts = Mixer(), Mixer()
    mixed = np.concatenate([parts.mix(part) for part in np.array_split(frames, 7)])
    np.testing.assert_array_equal(whole.mix(frames), mixed)
    assert (whole.low, whole.high, whole.loudest) == (parts.low, parts.high, parts.loudest)


@pytest.mark.parametrize("scale", [32_768.0, 8.0, 1e-3, 1.5])
def test_samples_far_beyond_full_scale_are_scaled_down(scale: float) -> None:
    sound = scale * tone(500, RATE, amplitude=1.0)
    audio = read_audio(written(sound, RATE, subtype="FLOAT"))
    if scale > 2:
        np.testing.assert_allclose(audio.samples, sound / np.abs(sound).max(), atol=1e-6)
        assert "where 1 is full scale" in audio.notes[0]
    else:
        np.testing.assert_allclose(audio.samples, sound, rtol=1e-6)
        assert audio.notes == ()


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_one_channel_that_holds_no_numbers_is_enough_to_refuse(wrong: float, subtype: str) -> None:
    sides = np.stack([voice(), voice(1)], axis=1)
    sides[RATE, 1] = wrong
    with pytest.raises(ValueError, match="not numbers"):
        read_audio(written(sides, RATE, subtype=subtype))
