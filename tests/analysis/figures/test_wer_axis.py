"""On a logarithmic axis of error rates no label lies on another, however far it reaches."""

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
