"""On a logarithmic axis of error rates no label lies on another, however far it reaches."""

from itertools import pairwise

import plotly.graph_objects as go
import pytest

from analysis.figures.sweeps import wer_curves
from analysis.figures.wer_axis import WerAxis
from tests.helpers.heard import rows_heard

APART = 0.045
"""Of the axis: a line of its labels, 13 of the 300 pixels that the least of the figures has."""


@pytest.mark.parametrize("n_words", [10, 61, 400, 3000])
@pytest.mark.parametrize("n_wrong", [1, 2, 9])
def test_the_lane_of_zero_is_apart_from_the_least_rate(n_words: int, n_wrong: int) -> None:
    said = ["a"] * n_words
    texts = {
        "original": said,
        "little": ["b"] * n_wrong + said[n_wrong:],
        "much": ["b"] * n_words,
    }
    rows = rows_heard(said, texts)
    axis = WerAxis.of(rows, log=True)
    assert axis.has_lane
    drawn = wer_curves(rows, log=True).layout.yaxis
    assert drawn.ticktext[:1] == ("0%",)
    places = [axis.share(tick) for tick in drawn.tickvals]
    assert places[1] - places[0] >= APART
    assert axis.share(n_wrong / n_words) - axis.share(0.0) >= APART
    assert 0 < places[0] < places[-1] <= 1


@pytest.mark.parametrize(("low", "high"), [(0.112, 0.127), (0.08, 0.17), (0.41, 0.9), (0.98, 1.6)])
def test_a_short_axis_has_ticks_enough_and_apart(low: float, high: float) -> None:
    axis = WerAxis(low, high, low, log=True, has_lane=False)
    figure = go.Figure()
    axis.apply(figure)
    ticks = figure.layout.yaxis.tickvals
    assert 3 <= len(ticks) <= 9
    places = [axis.share(tick) for tick in ticks]
    assert 0 <= places[0] < places[-1] <= 1
    assert min(after - before for before, after in pairwise(places)) >= APART
    for tick, text in zip(ticks, figure.layout.yaxis.ticktext, strict=True):
        assert float(text.rstrip("%")) == pytest.approx(100 * tick)
