"""The words of several models on one time axis, a lane per model."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import plotly.graph_objects as go

from analysis.figures.layout import lay_out
from analysis.figures.palette import with_alpha
from analysis.speech.recognition import Word

LANE_HEIGHT = 62
"""Pixels of one lane: its name, and its words under it."""

AXIS_HEIGHT = 58

SHOWN_SECONDS = 6.0
"""What is in sight of a long clip, so that words have room for their letters; it can be dragged."""

_ROOM = 0.35  # seconds that a short word is drawn long, as far as the next one allows
_MODE_BAR = 44  # pixels at the right, so that no word lies under it
_SLIVER = 0.06  # seconds that any word is drawn long, so that it can be seen and clicked


@dataclass(frozen=True, slots=True)
class Lane:
    """What one model heard.

    Parameters
    ----------
    name, color : str
        Of the model.
    words : tuple of Word
    """

    name: str
    color: str
    words: tuple[Word, ...]


def word_lanes(lanes: Sequence[Lane], duration: float, ink: str) -> go.Figure:
    """Each word as a bar from where it begins to where it ends, fuller where it is surer.

    Parameters
    ----------
    lanes : sequence of Lane
        The first on top.
    duration : float
        Seconds of the clip.
    ink : str
        Colour of the letters, which stand on the page's background under a thin wash.

    Returns
    -------
    plotly.graph_objects.Figure
        One trace; its `customdata` are the indices of lane and word, and the word's seconds.
    """
    words = [
        (row, place, word)
        for row, lane in enumerate(lanes)
        for place, word in enumerate(lane.words)
    ]
    figure = go.Figure()
    figure.add_bar(
        orientation="h",
        y=[row for row, _, _ in words],
        base=[round(word.start, 3) for _, _, word in words],
        x=[round(_drawn(lanes[row].words, place), 3) for row, place, _ in words],
        width=0.42,
        offset=-0.08,
        text=[escape(word.text) for _, _, word in words],
        textposition="inside",
        insidetextanchor="middle",
        textangle=0,
        insidetextfont={"color": ink, "size": 13},
        marker={
            "color": [
                with_alpha(lanes[row].color, round(0.06 + 0.34 * word.confidence, 3))
                for row, _, word in words
            ],
            "line": {"color": [lanes[row].color for row, _, _ in words], "width": 1.5},
        },
        customdata=[
            [row, place, round(word.start, 3), round(word.stop, 3)] for row, place, word in words
        ],
        hovertext=[
            f"<b>{escape(word.text)}</b><br>{escape(lanes[row].name)}<br>"
            f"{word.start:.2f} to {word.stop:.2f} s, {word.confidence:.0%} sure"
            for row, _, word in words
        ],
        hovertemplate="%{hovertext}<extra></extra>",
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 0.55}, "textfont": {"color": ink}},
    )
    for row, lane in enumerate(lanes):
        figure.add_annotation(
            x=0,
            xref="paper",
            xanchor="left",
            y=row - 0.12,
            yanchor="bottom",
            text=f"<span style='color:{lane.color}'>■</span> {escape(_short(lane.name))}",
            showarrow=False,
            font={"size": 13},
        )
    figure.update_xaxes(
        title_text="time (s)",
        title_standoff=10,
        range=[0, min(duration, SHOWN_SECONDS)],
        minallowed=0,
        maxallowed=duration,
        zeroline=False,
    )
    figure.update_yaxes(
        range=[len(lanes) - 0.55, -0.55], visible=False, fixedrange=True, showgrid=False
    )
    lay_out(figure, LANE_HEIGHT * len(lanes) + AXIS_HEIGHT, None)
    figure.update_layout(
        uniformtext={"minsize": 10, "mode": "hide"},
        dragmode="pan",
        bargap=0,
        margin={"b": 50, "r": _MODE_BAR},
    )
    return figure


def _drawn(words: Sequence[Word], place: int) -> float:
    """How many seconds a word is drawn long."""
    word = words[place]
    follows = words[place + 1].start if place + 1 < len(words) else word.start + _ROOM
    room = min(_ROOM, follows - word.start)
    return max(word.stop - word.start, room, _SLIVER)


def _short(name: str) -> str:
    return name if len(name) <= 40 else f"{name[:39]}…"
