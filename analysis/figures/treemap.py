"""The model as a treemap of its parameters: what can be merged, what is never touched."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from analysis.figures.layout import lay_out
from analysis.figures.palette import (
    BACKGROUNDS,
    BLUE,
    NEUTRAL,
    SEQUENTIAL,
    SKY,
    TEXTS,
    contrast_ratio,
)
from analysis.figures.tiles import Tile, tiles
from analysis.models.anatomy import Part

TREEMAP_HEIGHT = 470


def parameter_treemap(
    parts: Sequence[Part],
    values: Mapping[str, float] | None = None,
    value_title: str = "",
    value_format: str = ".1%",
    theme: str = "light",
    *,
    selected: str | None = None,
) -> go.Figure:
    """The model's parameters as areas: what can be merged, what is never touched.

    Its tiles are bars, because Plotly opens a treemap's tile on a click and reports nothing.

    Parameters
    ----------
    parts : sequence of Part
    values : mapping of str to float, optional
        By group id; colours the parts that can be merged. Without it they are coloured by kind.
    value_title, value_format : str
        Name of the values, e.g. "redundancy", and their format.
    theme : {"light", "dark"}
        Of the page; Plotly's own choice of ink does not see through translucent tiles.
    selected : str, optional
        Id of a group to outline.

    Returns
    -------
    plotly.graph_objects.Figure
        Each tile carries its group's id as `customdata[0]`, "" where it cannot be merged.
    """
    total = parts[0].n_parameters
    placed = tiles(parts)
    scale = _Scale(values) if values else None
    n_layers = 1 + max(part.group.layer for part in parts if part.group is not None)
    colors = [_color(tile, scale, theme) for tile in placed]
    chosen = [tile.part.group is not None and tile.part.group.id == selected for tile in placed]
    figure = go.Figure(
        go.Bar(
            x=[tile.left + tile.width / 2 for tile in placed],
            y=[tile.height for tile in placed],
            base=[tile.bottom for tile in placed],
            width=[tile.width for tile in placed],
            text=[_tile_text(tile, total, n_layers) for tile in placed],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            textfont={"color": [_ink(color) for color in colors], "size": 12},
            customdata=[
                [
                    tile.part.group.id if tile.part.group else "",
                    tile.part.group.title if tile.part.group else tile.part.title,
                    tile.part.n_parameters,
                    tile.part.n_parameters / total,
                    _note(tile, scale, value_title, value_format),
                ]
                for tile in placed
            ],
            hovertemplate="<b>%{customdata[1]}</b><br>%{customdata[2]:,} parameters,"
            " %{customdata[3]:.1%} of the model<br>%{customdata[4]}<extra></extra>",
            marker={
                "color": colors,
                "line": {
                    "color": [TEXTS[theme] if own else BACKGROUNDS[theme][0] for own in chosen],
                    "width": [3 if own else 1 for own in chosen],
                },
                "pattern": {
                    "shape": ["/" if _is_fixed(tile) else "" for tile in placed],
                    "fgcolor": NEUTRAL,
                    "solidity": 0.12,
                },
            },
        )
    )
    mergeable = sum(part.n_parameters for part in parts if part.group is not None)
    if scale:
        title = scale.title(parts, value_title, value_format)
    else:
        title = (
            f"{mergeable / total:.0%} of the parameters can be merged   "
            f"<span style='color:{BLUE}'>■</span> channels   "
            f"<span style='color:{SKY}'>■</span> heads   "
            f"<span style='color:{NEUTRAL}'>▨</span> never touched"
        )
    hidden = {"visible": False, "fixedrange": True, "range": [-0.003, 1.003]}
    figure.update_layout(xaxis=hidden, yaxis=hidden, barmode="overlay")
    lay_out(figure, TREEMAP_HEIGHT, title)
    figure.update_layout(uniformtext={"minsize": 10, "mode": "hide"}, margin={"l": 0, "r": 0})
    figure.update_layout(clickmode="event+select", dragmode=False)
    figure.update_traces(unselected_marker_opacity=1)
    return figure


def _is_fixed(tile: Tile) -> bool:
    """Whether it shows parameters that are never touched."""
    return tile.part.group is None and not tile.is_header


def _color(tile: Tile, scale: "_Scale | None", theme: str) -> str:
    panel = BACKGROUNDS[theme][1]
    group = tile.part.group
    if group is None:
        return panel
    if scale:
        return scale.color(scale.values[group.id])
    return BLUE if group.component == "ffn" else SKY


def _note(tile: Tile, scale: "_Scale | None", value_title: str, value_format: str) -> str:
    """The last line that is shown on hover."""
    group = tile.part.group
    if group is None:
        return "never touched" if _is_fixed(tile) else ""
    note = f"{group.n_units:,} units of {group.unit_dim:,} parameters"
    if scale:
        note += f"<br>{value_title} {_format(scale.values[group.id], value_format)}"
    return f"{note}<br>click to select it"


def to_hex(color: Sequence[float]) -> str:
    """``"#0072B2"`` from red, green and blue in 0..1."""
    return "#" + "".join(f"{round(255 * channel):02X}" for channel in color)


def _tile_text(tile: Tile, total: int, n_layers: int) -> str:
    """What is written on a tile; the number alone where tiles are narrow, nothing on slivers."""
    part = tile.part
    if tile.is_header:
        return part.title
    if part.group is not None and n_layers > 8:
        return str(part.group.layer) if n_layers <= 16 else ""
    return f"{part.title}<br>{part.n_parameters / total:.1%}"


def _ink(color: str) -> str:
    """Black or white, whichever is read better on a colour."""
    inks = ("#000000", "#FFFFFF")
    return max(inks, key=lambda ink: contrast_ratio(ink, color))


class _Scale:
    """Colours of a treemap whose values spread over the sequential scale."""

    def __init__(self, values: Mapping[str, float]) -> None:
        self.values = values
        finite = [value for value in values.values() if np.isfinite(value)]
        self._low, self._high = min(finite, default=0.0), max(finite, default=0.0)

    def color(self, value: float) -> str:
        """Where the value lies between the least and the greatest."""
        if not np.isfinite(value):
            return NEUTRAL
        spread = self._high - self._low
        place = (value - self._low) / spread if spread else 0.5
        return to_hex(sample_colorscale(SEQUENTIAL, [place], colortype="tuple")[0])

    def title(self, parts: Sequence[Part], name: str, value_format: str) -> str:
        """Which group has most, then the key to the colours."""
        groups = [part.group for part in parts if part.group is not None]
        finite = [group for group in groups if np.isfinite(self.values[group.id])]
        steps = "".join(
            f"<span style='color:{color}'>■</span>"
            for color in sample_colorscale(SEQUENTIAL, [i / 6 for i in range(7)])
        )
        ends = (_format(value, value_format) for value in (self._low, self._high))
        key = f"   {next(ends)} {steps} {next(ends)}"
        if not finite:
            return f"No group has a {name}{key}"
        most = max(finite, key=lambda group: self.values[group.id])
        return f"{most.title}: highest {name}{key}"


def _format(value: float, value_format: str) -> str:
    return format(value, value_format) if np.isfinite(value) else "not defined"
