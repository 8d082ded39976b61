"""Where words are lost: slices with their intervals, and how sure models are of their words."""

from collections.abc import Mapping, Sequence
from html import escape

import plotly.graph_objects as go

from analysis.evaluation.confidence import Calibration
from analysis.evaluation.slices import Slice
from analysis.evaluation.utterances import column_title
from analysis.figures.layout import lay_out
from analysis.figures.palette import NEUTRAL, VARIANTS

MOST_SLICES = 12
"""That a figure shows; the table beside it has all."""

CALIBRATION_HEIGHT = 360
_ROW_HEIGHT, _AROUND = 26, 96


def slice_chart(slices: Sequence[Slice]) -> go.Figure:
    """What the slices that lose most lose, with intervals.

    Parameters
    ----------
    slices : sequence of Slice
        The first ones are drawn, the first on top.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    drawn = slices[:MOST_SLICES]
    points = [100 * one.difference.delta for one in drawn]
    low = [100 * one.difference.low for one in drawn]
    high = [100 * one.difference.high for one in drawn]
    figure = go.Figure()
    figure.add_scatter(
        x=points,
        y=[f"{_short(column_title(one.bound.column))}: {_short(one.bound.label)}" for one in drawn],
        mode="markers",
        marker={"size": 9, "color": VARIANTS[0]},
        error_x={
            "array": [top - point for top, point in zip(high, points, strict=True)],
            "arrayminus": [point - bottom for bottom, point in zip(low, points, strict=True)],
            "color": VARIANTS[0],
            "thickness": 1.5,
        },
        customdata=[
            f"{one.n_utterances} utterances, {one.n_words} words<br>"
            f"WER {100 * one.original_wer:.1f} % → {100 * one.wer:.1f} %<br>p: {one.p_written()}"
            for one in drawn
        ],
        hovertemplate="%{y}<br>%{x:+.2f} points<br>%{customdata}<extra></extra>",
    )
    figure.add_vline(x=0, line={"color": NEUTRAL, "width": 1})
    figure.update_xaxes(title_text="lost against the other model (points of WER)")
    figure.update_yaxes(autorange="reversed", type="category", automargin=True)
    lay_out(figure, _AROUND + _ROW_HEIGHT * max(3, len(drawn)), None)
    return figure


def calibration_chart(
    calibrations: Mapping[str, Calibration], colors: Mapping[str, str]
) -> go.Figure:
    """How often models are right against how sure they are; on the diagonal, they know themselves.

    Each point is the words of one tenth of the scale, with the interval of their share.

    Parameters
    ----------
    calibrations : mapping of str to Calibration
        By name of the model.
    colors : mapping of str to str

    Returns
    -------
    plotly.graph_objects.Figure
    """
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", line={"color": NEUTRAL, "dash": "dot"}, hoverinfo="skip"
    )
    for name, own in calibrations.items():
        figure.add_scatter(
            x=[one.confidence for one in own.bins],
            y=[one.right for one in own.bins],
            mode="lines+markers",
            name=name,
            line={"color": colors[name], "width": 2},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [one.interval.high - one.right for one in own.bins],
                "arrayminus": [one.right - one.interval.low for one in own.bins],
                "thickness": 1,
                "width": 3,
            },
            customdata=[one.n for one in own.bins],
            hovertemplate="%{x:.0%} sure, %{y:.0%} right<br>%{customdata} words<extra></extra>",
        )
    figure.update_xaxes(
        title_text="how sure the model is (mean)", range=[0, 1.02], tickformat=".0%"
    )
    figure.update_yaxes(title_text="words that are right", range=[0, 1.02], tickformat=".0%")
    lay_out(figure, CALIBRATION_HEIGHT, None)
    return figure


def _short(text: str) -> str:
    """As much as an axis has room for; a plot takes what looks like markup for markup."""
    return escape(text if len(text) <= 24 else f"{text[:23]}…", quote=False)
