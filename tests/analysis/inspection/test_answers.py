"""What a unit answers to: the features are in the sound, and only clear answers are given."""

import numpy as np
import pytest

from analysis.clustering.listening import PreparedClip
from analysis.inspection.answers import (
    LEAST_POSITIONS,
    LEAST_WORDS,
    Features,
    find_features,
    sound_features,
)
from analysis.inspection.soundtrack import Soundtrack, Track
from analysis.speech.audio import SAMPLING_RATE
from analysis.speech.excitation import Excitation

SECONDS = np.arange(150) / 50 + 0.01


def three_sounds() -> np.ndarray:
    """A second of a voice of 120 Hz, one of hiss, one of silence."""
    times = np.arange(SAMPLING_RATE) / SAMPLING_RATE
    voice = sum(np.sin(2 * np.pi * 120 * n * times) / n for n in range(1, 20))
    hiss = np.random.default_rng(0).normal(size=SAMPLING_RATE)
    parts = (0.2 * voice, 0.1 * hiss, np.zeros(SAMPLING_RATE))
    return np.concatenate(parts).astype(np.float32)


def mean_of(column: np.ndarray) -> tuple[float, float, float]:
    inner = column.reshape(3, 50)[:, 8:42].mean(axis=1)
    return float(inner[0]), float(inner[1]), float(inner[2])


def test_the_features_tell_voice_hiss_and_silence_apart() -> None:
    found = sound_features(three_sounds(), SECONDS)
    voice, hiss, silence = mean_of(found["voiced sound"])
    assert voice > 0.9
    assert hiss < 0.5
    assert silence == 0
    assert mean_of(found["silence"]) == (0, 0, 1)
    low, high = (found[f"energy between {band} Hz"] for band in ("0 and 300", "5,000 and 8,000"))
    assert mean_of(low)[0] > mean_of(low)[1]
    assert mean_of(high)[1] > mean_of(high)[0]
    assert abs(int(found["ends of sounds"].argmax()) - 100) < 4
    assert abs(int(found["onsets"].argmax()) - 50) < 4


def test_a_clear_answer_is_given_with_its_number_and_an_unclear_one_is_not() -> None:
    track = Track(
        PreparedClip({}, None, 0, 3.0, 0, three_sounds()),
        (),
        SECONDS.astype(np.float32),
        np.zeros(0, np.float32),
    )
    features = find_features(Soundtrack(Excitation("sounds", ()), (track,)), "encoder")
    silence = features.names.index("silence")
    generator = np.random.default_rng(1)
    strengths = np.stack(
        [
            3 + 2 * features.values[:, silence],
            3 - 2 * features.values[:, silence],
            generator.normal(size=150),
            np.full(150, 2.0),
        ],
        axis=1,
    )
    found = features.correlations(strengths)
    works = features.answer(found[0])
    assert works is not None
    assert works.sentence == "Works at silence (r = 1.00)."
    rests = features.answer(found[1])
    assert rests is not None
    assert rests.correlation == pytest.approx(-1)
    assert features.answer(found[2]) is None
    assert features.answer(found[3]) is None, "it never changes"


def words_heard(read: tuple[str, ...]) -> Features:
    nothing = np.zeros(0, np.float32)
    times = np.arange(len(read), dtype=np.float32)
    written = (*read[1:], "")
    clip = PreparedClip({}, None, 1, 9.0, 0, nothing)
    track = Track(clip, (), nothing, times, read, written)
    return find_features(Soundtrack(Excitation("sounds", ()), (track,)), "decoder")


def test_frequent_words_are_features_and_one_strong_moment_is_no_answer() -> None:
    often = LEAST_POSITIONS // 3
    read = ("", *(["Set", "five", "clocks,"] * often), *["rare", "x", "y"] * (LEAST_WORDS - 1))
    features = words_heard(read)
    assert "reading “clocks”" in features.names
    assert "reading “rare”" not in features.names
    is_word = np.array([word == "five" for word in read], float)
    found = features.answer(features.correlations(is_word[:, None])[0])
    assert found is not None
    assert found.feature in ("reading “five”", "reading a number", "writing “clocks”")
    assert found.correlation == pytest.approx(1)
    few = words_heard(read[: LEAST_POSITIONS - 1])
    assert few.answer(few.correlations(is_word[: LEAST_POSITIONS - 1, None])[0]) is None

    read = ("", *(["Set", "five", "clocks,"] * LEAST_WORDS))
    features = words_heard(read)
    once = np.zeros(len(read))
    once[read.index("Set")] = 1
    others = [n for n, name in enumerate(features.names) if "“" in name]
    assert np.abs(features.correlations(once[:, None])[0][others]).max() < 0.5
