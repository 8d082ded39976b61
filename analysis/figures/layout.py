"""What all figures share: their frame and their words for kinds of units."""

import plotly.graph_objects as go

from analysis.figures.palette import NEUTRAL
from analysis.models.unit_groups import BLOCK_TITLES

MANY_LAYERS = 12
"""From more layers on, marks are drawn smaller and not every layer is numbered."""


def kind_of(block: str) -> str:
    """``"FFN"``, ``"self-attention"``: a block without its unit; ranks are named beside heads."""
    title = BLOCK_TITLES[block]
    return title if title.endswith("ranks") else title.rsplit(" ", 1)[0]


def lay_out(figure: go.Figure, height: int, title: str | None) -> None:
    """What all figures share: fixed height, narrow margins, no legend box, view kept on updates."""
    figure.update_layout(
        height=height,
        title={"text": title, "font": {"size": 15}, "x": 0, "xanchor": "left"} if title else None,
        showlegend=False,
        margin={"l": 8, "r": 8, "t": 44 if title else 8, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": NEUTRAL, "activecolor": NEUTRAL},
        uirevision="constant",
    )
