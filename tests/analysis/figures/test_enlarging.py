"""What a figure sets in pixels is larger in a presentation; what is in units of its axes is not."""

import numpy as np
import plotly.graph_objects as go

from analysis.figures.enlarging import enlarged
from analysis.figures.layout import lay_out


def test_type_marks_lines_and_margins_grow_alike() -> None:
    figure = go.Figure()
    figure.add_scatter(x=[1, 2], y=[3, 4], marker={"size": np.array([10, 20])}, line={"width": 3})
    figure.add_scatter(x=[1], y=[3], error_y={"array": [1], "thickness": 1, "width": 4})
    figure.add_annotation(text="end", x=2, y=4, font_size=12, xshift=8, yshift=-2)
    figure.add_hline(y=3, line_width=1)
    figure.update_xaxes(tickfont_size=12, title_text="layer", title_standoff=4)
    lay_out(figure, 300, "One<br><span style='font-size:12px'>small</span>", headings=40)
    large = enlarged(figure, 1.5)
    assert list(large.data[0].marker.size) == [15, 30]
    assert large.data[0].line.width == 4.5
    assert (large.data[1].marker.size, large.data[1].line.width) == (9, 3)  # Plotly's own 6 and 2
    assert (large.data[1].error_y.thickness, large.data[1].error_y.width) == (1.5, 6)
    note = large.layout.annotations[0]
    assert (note.font.size, note.xshift, note.yshift, note.x) == (18, 12, -3, 2)
    assert large.layout.shapes[0].line.width == 1.5
    assert (large.layout.xaxis.tickfont.size, large.layout.xaxis.title.standoff) == (18, 6)
    assert "font-size:18px" in large.layout.title.text
    assert large.layout.title.font.size == 1.5 * figure.layout.title.font.size
    assert large.layout.height == 450
    for side in "lrtb":
        assert large.layout.margin[side] == 1.5 * figure.layout.margin[side]


def test_what_is_shown_stays() -> None:
    figure = go.Figure()
    figure.add_bar(x=[0, 1], y=[10, 20], width=[0.5, 0.5], customdata=[["a", 1], ["b", 2]])
    figure.add_heatmap(z=np.arange(6.0).reshape(2, 3), colorbar={"thickness": 12, "len": 0.5})
    figure.update_yaxes(range=[0, 21], dtick=5, domain=[0.25, 1])
    before = figure.to_dict()
    large = enlarged(figure, 1.3)
    assert figure.to_dict() == before
    assert list(large.data[0].width) == [0.5, 0.5]
    assert [list(row) for row in large.data[0].customdata] == [["a", 1], ["b", 2]]
    assert np.array_equal(large.data[1].z, figure.data[1].z)
    assert large.data[1].colorbar.thickness == 12 * 1.3
    assert large.data[1].colorbar.len == 0.5
    assert large.layout.yaxis == figure.layout.yaxis
    assert large.layout.template == figure.layout.template
