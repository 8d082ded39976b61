"""Slices and calibration as pictures: every value is where the table has it."""

from analysis.evaluation.confidence import Bin, Calibration
from analysis.evaluation.slices import slices_of
from analysis.evaluation.utterances import UtteranceTable
from analysis.figures.losses import MOST_SLICES, calibration_chart, slice_chart
from tests.helpers.heard import heard
from tests.helpers.pictures import axis_titles


def test_slices_are_drawn_in_their_order_with_their_intervals() -> None:
    said = ["one two"] * 300
    worse = ["one" if place < 150 else "one two" for place in range(300)]
    table = UtteranceTable(heard(said, {"original": said, "cut": worse}, n_speakers=15))
    slices = slices_of(table, 1, ["speaker"])
    figure = slice_chart(slices)
    points = figure.data[0]
    assert len(points.x) == MOST_SLICES
    assert list(points.x) == [100 * one.difference.delta for one in slices[:MOST_SLICES]]
    ends = [x + up for x, up in zip(points.x, points.error_x.array, strict=True)]
    assert ends == [100 * one.difference.high for one in slices[:MOST_SLICES]]
    assert points.y[0].startswith("Speaker: s")
    assert axis_titles(figure) == ["lost against the other model (points of WER)", None]


def test_markup_in_a_column_is_drawn_as_it_is_written() -> None:
    said = ["one two"] * 20
    columns = [{"<i>room</i>": f"<b>{place % 2}</b>"} for place in range(20)]
    table = UtteranceTable(heard(said, {"original": said, "cut": said}, columns))
    figure = slice_chart(slices_of(table, 1, ["<i>room</i>"]))
    assert set(figure.data[0].y) == {
        f"&lt;i&gt;room&lt;/i&gt;: &lt;b&gt;{value}&lt;/b&gt;" for value in (0, 1)
    }


def test_calibration_has_a_line_for_each_model() -> None:
    own = Calibration((Bin(3, 0.3, 0.4), Bin(9, 0.9, 1.0)), 0.1, 0.75, 0.85, 12, 0)
    figure = calibration_chart({"original": own}, {"original": "#0072B2"})
    assert [list(figure.data[1].x), list(figure.data[1].y)] == [[0.3, 0.9], [0.4, 1.0]]
    assert list(figure.data[1].customdata) == [3, 9]
    [low, high] = figure.data[1].error_y.arrayminus
    assert low > high > 0, "three words say less than nine"
    assert figure.data[1].error_y.array[1] == 0
    assert [row["words"] for row in own.rows()] == [3, 9]
