"""A model in a folder and a clip, for the shell."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from analysis.delivery.saving import save
from analysis.models.speech_model import SpeechModel


@pytest.fixture(scope="module")
def folder(hubert: SpeechModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny CTC model as a checkpoint folder."""
    return save(hubert, tmp_path_factory.mktemp("models") / "tiny-hubert")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A second of seeded noise."""
    path = tmp_path / "noise.wav"
    samples = np.random.default_rng(0).normal(0, 0.1, 16_000)
    soundfile.write(path, samples, 16_000)
    return path
