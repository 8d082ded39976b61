"""The frame of pictures with a row per layer and columns under each kind of block.

Their cells are bars, because Plotly does not report clicks on a heatmap's cells.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import plotly.graph_objects as go

from analysis.figures.layout import MANY_LAYERS, heading_of
from analysis.models.unit_groups import UnitGroup

Column = tuple[str, str, str]
"""Stack, block, and what its cells show."""

GRID_HEADINGS = 92
"""Pixels that the headings and the labels of the columns need."""

CELL = 0.92
"""Width and height of a cell, where columns and layers are 1 apart."""


def place_columns(columns: Iterable[Column]) -> dict[Column, float]:
    """The middle of each column; between blocks there is half a column of room.

    Parameters
    ----------
    columns : iterable of Column
        From left to right; one that comes again keeps its place.

    Examples
    --------
    >>> place_columns([("encoder", "ffn", "a"), ("encoder", "ffn", "b"), ("decoder", "ffn", "a")])
    {('encoder', 'ffn', 'a'): 0.0, ('encoder', 'ffn', 'b'): 1.0, ('decoder', 'ffn', 'a'): 2.5}
    """
    places: dict[Column, float] = {}
    place, block = 0.0, None
    for column in columns:
        if column in places:
            continue
        if places:
            place += 1.5 if column[:2] != block else 1
        places[column], block = place, column[:2]
    return places


def frame_grid(
    figure: go.Figure,
    groups: Sequence[UnitGroup],
    places: Mapping[Column, float],
    label: Callable[[Column], str],
) -> None:
    """Axes with a label over every column, and a heading over the columns of each block."""
    layers = 1 + max(group.layer for group in groups)
    figure.update_xaxes(
        tickvals=list(places.values()),
        ticktext=[label(column) for column in places],
        autotickangles=[0, -90],  # upright where columns are narrower than their labels
        tickfont={"size": 12},
        side="top",
        range=[-0.6, max(places.values()) + 0.6],
        showgrid=False,
        zeroline=False,
        fixedrange=True,
    )
    figure.update_yaxes(
        title_text="layer (index)",
        range=[layers - 0.5, -0.5],
        dtick=1 if layers <= MANY_LAYERS else 4,
        showgrid=False,
        zeroline=False,
        fixedrange=True,
    )
    headers: dict[tuple[str, str], list[float]] = {}
    for (stack, block, _), place in places.items():
        headers.setdefault((stack, block), []).append(place)
    for (stack, block), own in headers.items():
        figure.add_annotation(
            x=sum(own) / len(own),
            y=1,
            yref="paper",
            yshift=38,
            yanchor="bottom",
            text=heading_of(stack, block),
            showarrow=False,
            font={"size": 12},
        )


def outline_cells(figure: go.Figure, first: float, last: float, layer: int) -> None:
    """A frame around the cells of a layer from one column to another.

    Black inside white is seen on every colour of a scale and on both backgrounds.
    """
    for color, width in (("#FFFFFF", 5), ("#000000", 2)):
        figure.add_shape(
            type="rect",
            x0=first - 0.48,
            x1=last + 0.48,
            y0=layer - 0.48,
            y1=layer + 0.48,
            line={"color": color, "width": width},
        )
