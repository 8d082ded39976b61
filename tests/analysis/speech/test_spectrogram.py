"""The spectrogram is Whisper's own, and thinning it keeps the power of every frame."""

import numpy as np
import pytest
from transformers import WhisperFeatureExtractor

from analysis.speech.audio import SAMPLING_RATE
from analysis.speech.spectrogram import N_MELS, RANGE_DB, log_mel, mel_frequencies


def noise(seconds: float) -> np.ndarray:
    samples = np.random.default_rng(0).normal(0, 0.1, int(seconds * SAMPLING_RATE))
    return samples.astype(np.float32)


def test_it_is_the_feature_extractors() -> None:
    """That one pads by reflection, so the ends differ; and scales (log10 + 4) / 4."""
    samples = noise(2.0)
    extractor = WhisperFeatureExtractor(feature_size=N_MELS, chunk_length=2)
    expected = extractor(samples, sampling_rate=SAMPLING_RATE, return_tensors="np").input_features
    decibels = 10 * (4 * expected[0] - 4)
    found = log_mel(samples, 10_000)
    assert found.shape == decibels.shape == (N_MELS, 200)
    inner = slice(3, -3)
    offset = (decibels - found)[:, inner]
    assert offset.std() < 1e-2  # each is relative to its own loudest point
    assert found.max() == 0


def test_a_column_is_the_mean_power_of_its_frames() -> None:
    samples = noise(1.0)
    samples[: SAMPLING_RATE // 2] *= 0.01
    fine, coarse = log_mel(samples, 100), log_mel(samples, 10)
    assert coarse.shape == (N_MELS, 10)
    power = (10 ** (fine / 10)).reshape(N_MELS, 10, 10).mean(axis=2)
    assert 10 * np.log10(power / power.max()) == pytest.approx(coarse, abs=1e-2)


def test_blocks_leave_no_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = log_mel(noise(1.0), 1000)
    monkeypatch.setattr("analysis.speech.spectrogram._BLOCK_FRAMES", 7)
    assert log_mel(noise(1.0), 1000) == pytest.approx(whole, abs=1e-3)


def test_a_tone_lies_in_its_band() -> None:
    time = np.arange(SAMPLING_RATE) / SAMPLING_RATE
    decibels = log_mel(np.sin(2 * np.pi * 1000 * time).astype(np.float32), 50)
    band = int(decibels.mean(axis=1).argmax())
    assert abs(mel_frequencies()[band] - 1000) < 60
    assert decibels.min() == -RANGE_DB


def test_silence_is_drawn_as_silence() -> None:
    samples = noise(1.0)
    samples[: SAMPLING_RATE // 2] = 0
    assert (log_mel(np.zeros_like(samples), 10) == -RANGE_DB).all()
    half = log_mel(samples, 10)
    assert (half[:, :4] == -RANGE_DB).all()
    assert half[:, 5:].min() > -RANGE_DB


@pytest.mark.parametrize("n_samples", [1, 159, 1600])
def test_short_clips_have_a_column_at_least(n_samples: int) -> None:
    assert log_mel(np.ones(n_samples, dtype=np.float32), 600).shape[1] >= 1
