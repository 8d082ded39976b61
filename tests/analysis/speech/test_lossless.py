"""Sound that is written and read again has the very same samples."""

import numpy as np
import pytest

from analysis.speech.audio import FAR_BEYOND, read_audio
from analysis.speech.lossless import to_file


def sound(kind: str) -> np.ndarray:
    random = np.random.default_rng(0)
    whole = random.integers(-(2**15), 2**15, 4000)
    return {
        "16 bits": (whole / 2**15).astype(np.float32),
        "resampled": random.normal(0, 0.1, 4000).astype(np.float32),
        "beyond full scale": random.uniform(-FAR_BEYOND, FAR_BEYOND, 4000).astype(np.float32),
    }[kind]


@pytest.mark.parametrize(
    ("kind", "start"),
    [("16 bits", b"fLaC"), ("resampled", b"RIFF"), ("beyond full scale", b"RIFF")],
)
def test_nothing_is_lost(kind: str, start: bytes) -> None:
    samples = sound(kind)
    file = to_file(samples)
    assert file.startswith(start)
    assert np.array_equal(read_audio(file).samples, samples)
