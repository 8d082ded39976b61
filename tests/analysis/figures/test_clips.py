"""Clips as pictures: no extreme of the waveform is lost."""

import numpy as np
import pytest

from analysis.figures.clips import waveform
from tests.helpers.pictures import axis_titles


@pytest.mark.parametrize("n_samples", [1, 7, 100_000])
def test_waveform_envelope_holds_every_extreme(n_samples: int) -> None:
    samples = np.random.default_rng(0).normal(0, 0.2, n_samples).astype(np.float32)
    figure = waveform(samples, 16_000)
    assert max(figure.data[0].y) == pytest.approx(samples.max(), abs=1e-4)
    assert min(figure.data[0].y) == pytest.approx(samples.min(), abs=1e-4)
    assert len(figure.data[0].x) <= 2400
    assert axis_titles(figure) == ["time (s)", "amplitude (1)"]
