"""Titles of figures: in lines that fit, at the top, with room under them.

It stands apart from `layout`, for it loads no model: the first page needs it at once.
"""

import re
from collections.abc import Iterator

import plotly.graph_objects as go

TITLE_WIDTH = 42
"""Letters in a line of a title, at most: so many fit a telephone and half a projector."""

SMALL, SMALL_TITLE_WIDTH = "font-size:12px", 52
"""A line of a title in small print, of which more letters fit."""

_LINE, _UNDER_TITLE = 19, 24  # pixels of a title's line, and between the title and the plot
_BETWEEN_ITEMS = "   "  # in a title, what stands between these stays on one line if it can


def hang_title(figure: go.Figure, title: str) -> None:
    """Write a title at the top of a figure, and move the plot down by the room that it needs."""
    figure.update_layout(
        title={
            "text": title,
            "font": {"size": 15},
            **{"x": 0, "xanchor": "left", "y": 1, "yref": "container", "yanchor": "top"},
            # Plotly hangs a title of several lines a line's half too high
            "pad": {"t": 20 if "<br>" in title else 8},
        },
        margin_t=figure.layout.margin.t + _room(title) - _room(figure.layout.title.text),
    )


def _room(title: str | None) -> int:
    return _UNDER_TITLE + _LINE * (1 + title.count("<br>")) - 8 if title else 0


def fit_title(figure: go.Figure) -> None:
    """Break the title of a figure that is about to be drawn into lines that fit."""
    title = figure.layout.title.text
    if title and figure.layout.margin.t is not None:
        hang_title(figure, broken(title))


def broken(title: str) -> str:
    """A title in lines of at most `TITLE_WIDTH` letters, as far as its words allow it.

    Examples
    --------
    >>> broken("Encoder 2 · FFN channels lose most: 12 of 768 kept   <b>■</b> kept   □ original")
    'Encoder 2 · FFN channels lose most: 12 of <br>768 kept   <b>■</b> kept   □ original'
    """
    return "<br>".join(" <br>".join(_lines(part)) for part in title.split("<br>"))


def _lines(part: str) -> Iterator[str]:
    width = SMALL_TITLE_WIDTH if SMALL in part else TITLE_WIDTH
    line = ""
    for item in part.split(_BETWEEN_ITEMS):
        if _fits(f"{line}{_BETWEEN_ITEMS}{item}", width):
            line = f"{line}{_BETWEEN_ITEMS}{item}" if line else item
            continue
        if line:
            yield line
        line = ""
        # a blank inside a tag is none between words
        for word in re.findall(r"(?:<[^>]*>|[^ ])+", item):
            if line and not _fits(f"{line} {word}", width):
                yield line
                line = word
            else:
                line = f"{line} {word}" if line else word
    yield line


def _fits(text: str, width: int) -> bool:
    return len(re.sub(r"<[^>]*>", "", text).strip()) <= width
