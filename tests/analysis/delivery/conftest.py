"""Models that leave."""

import pytest

from analysis.compression.compress import compress
from analysis.models.loading import load
from analysis.models.speech_model import SpeechModel
from tests.helpers.tiny_models import make_plan


@pytest.fixture(scope="module")
def variant(hubert: SpeechModel) -> SpeechModel:
    return compress(hubert, make_plan(hubert)).model


@pytest.fixture(scope="module")
def demo_whisper() -> SpeechModel:
    """Trained weights: of noise, relative errors mean nothing."""
    return load("demo-whisper")
