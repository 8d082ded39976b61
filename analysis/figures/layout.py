"""What all figures share: their frame, their ticks, and their words for kinds of units."""

from collections.abc import Sequence

import plotly.graph_objects as go

from analysis.figures.titles import hang_title
from analysis.models.unit_groups import BLOCK_TITLES

MANY_LAYERS = 12
"""From more layers on, marks are drawn smaller and not every layer is numbered."""

HEADINGS = 40
"""Pixels that headings of two lines over the facets of a figure need."""

_MAX_TICKS = 6


def kind_of(block: str) -> str:
    """``"FFN"``, ``"self-attention"``: a block without its unit; ranks are named beside heads."""
    title = BLOCK_TITLES[block]
    return title if title.endswith("ranks") else title.rsplit(" ", 1)[0]


def heading_of(stack: str, block: str, *, broken: bool = True) -> str:
    """Stack and kind; in short lines where columns are narrow, on a projector and a telephone.

    Examples
    --------
    >>> heading_of("encoder", "self_attention")
    'Encoder<br>self-<br>attention'
    >>> heading_of("encoder", "self_attention", broken=False)
    'Encoder self-attention'
    """
    if not broken:
        return f"{stack.capitalize()} {kind_of(block)}"
    kind = kind_of(block).replace("-", "-<br>").replace(" ", "<br>")
    return f"{stack.capitalize()}<br>{kind}"


def lay_out(figure: go.Figure, height: int, title: str | None, *, headings: int = 0) -> None:
    """What all figures share: fixed height, narrow margins, no legend box, view kept on updates.

    Parameters
    ----------
    figure : Figure
    height : int
        Pixels.
    title : str, optional
        Where the figure is drawn, it is broken into short lines; see `titles.fit_title`.
    headings : int
        Pixels between the title and the plot that headings of columns need.
    """
    figure.update_layout(
        height=height,
        title_text=None,
        showlegend=False,
        margin={"l": 8, "r": 8, "t": 8 + headings, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        uirevision="constant",
    )
    if title:
        hang_title(figure, title)


def ticks_from_one(most: int) -> Sequence[int]:
    """Few round numbers from 1 to `most`, for an axis of things that are counted from 1.

    Examples
    --------
    >>> ticks_from_one(5), ticks_from_one(230)
    ([1, 2, 3, 4, 5], [1, 50, 100, 150, 200])
    """
    step = next(
        factor * 10**power
        for power in range(12)
        for factor in (1, 2, 5)
        if most <= _MAX_TICKS * factor * 10**power
    )
    return [1, *range(step if step > 1 else 2, most + 1, step)]
