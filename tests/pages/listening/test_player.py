"""What a player is given is the sound, as loud as it is."""

import io

import numpy as np
import pytest
import soundfile

from analysis.speech.audio import SAMPLING_RATE
from pages.listening.player import wav


@pytest.mark.parametrize("loudness", [0.0, 1e-3, 0.5, 2.0])
def test_a_player_keeps_the_level(loudness: float) -> None:
    time = np.arange(SAMPLING_RATE) / SAMPLING_RATE
    tone = (loudness * np.sin(2 * np.pi * 200 * time)).astype(np.float32)
    heard, rate = soundfile.read(io.BytesIO(wav(tone)), dtype="float32")
    assert rate == SAMPLING_RATE
    assert heard == pytest.approx(np.clip(tone, -1, 1), abs=1e-4)
