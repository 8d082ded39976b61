"""A sound that models of several packages' tests listen to."""

import numpy as np
import pytest

from analysis.speech.excitation import Excitation, speech_like


@pytest.fixture(scope="module")
def sound() -> Excitation:
    """Three short clips of generated sound."""
    generator = np.random.default_rng(3)
    return Excitation("sounds", tuple(speech_like(generator, 1.2) for _ in range(3)))
