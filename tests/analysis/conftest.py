"""What several packages' tests need: a sound to listen to, a machine of a known speed."""

import numpy as np
import pytest

from analysis.compression import effort
from analysis.evaluation import foresight
from analysis.speech.excitation import Excitation, speech_like


@pytest.fixture(scope="module")
def sound() -> Excitation:
    """Three short clips of generated sound."""
    generator = np.random.default_rng(3)
    return Excitation("sounds", tuple(speech_like(generator, 1.2) for _ in range(3)))


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is always as fast."""
    for module in (effort, foresight):
        monkeypatch.setattr(module, "machine_rate", lambda device: 1e9)
