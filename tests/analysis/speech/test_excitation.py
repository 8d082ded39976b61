"""The sounds that a model is excited with: seeded, data-free, or clips of one's own."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from analysis.errors import UserError
from analysis.speech.audio import SAMPLING_RATE
from analysis.speech.excitation import (
    LEVEL_SECONDS,
    calibrate_on,
    check_excitation,
    make_excitation,
    read_calibration,
)


def test_generated_sound_depends_on_the_seed_only() -> None:
    first, again, other = (make_excitation("sounds", seed=seed) for seed in (1, 1, 2))
    assert first.identity == again.identity != other.identity
    assert first.seconds == 60
    assert all(abs(clip).max() == pytest.approx(0.5) for clip in first.clips)


def test_shipped_speech_is_data_free_and_own_clips_are_not() -> None:
    speech = make_excitation("speech")
    assert speech.data_free
    assert LEVEL_SECONDS["standard"] <= speech.seconds < LEVEL_SECONDS["standard"] + 30
    assert len(speech.clips) == len(speech.voices) == len(speech.languages)
    with pytest.raises(UserError, match="--calibrate"):
        make_excitation("calibrated")
    with pytest.raises(UserError, match="no clip"):
        calibrate_on([])


def test_own_clips_are_found_behind_links(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 2 * SAMPLING_RATE)
    (tmp_path / "elsewhere").mkdir()
    soundfile.write(tmp_path / "elsewhere" / "b.wav", noise, SAMPLING_RATE)
    (tmp_path / "clips").mkdir()
    soundfile.write(tmp_path / "clips" / "a.wav", noise[:SAMPLING_RATE], SAMPLING_RATE)
    (tmp_path / "clips" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "clips" / "round").symlink_to(tmp_path / "clips")
    assert read_calibration(tmp_path / "clips").seconds == 3


def test_a_longer_level_begins_with_the_shorter_one() -> None:
    quick, standard = (make_excitation("speech", level=level) for level in ("quick", "standard"))
    assert LEVEL_SECONDS["quick"] <= quick.seconds < LEVEL_SECONDS["quick"] + 30
    assert quick.voices == standard.voices[: len(quick.voices)]


def test_a_model_of_many_languages_hears_those_it_knows() -> None:
    found = make_excitation("speech", level="quick", languages=("de", "en", "yo"))
    assert set(found.languages) == {"en", "de"}
    assert set(make_excitation("speech", level="quick").languages) == {"en"}


def test_nobody_who_is_checked_on_was_fitted_to() -> None:
    everything = ("en", "de", "fr", "es", "it", "hi")
    fitted = make_excitation("speech", level="thorough", languages=everything)
    checked = check_excitation(everything)
    assert checked.seconds > 150
    assert not set(fitted.voices) & set(checked.voices)
