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
    contrast_ratio,
)
from analysis.models.anatomy import Part

TREEMAP_HEIGHT = 470


def parameter_treemap(
    parts: Sequence[Part],
    values: Mapping[str, float] | None = None,
    value_title: str = "",
    value_format: str = ".1%",
    theme: str = "light",
) -> go.Figure:
    """The model's parameters as areas: what can be merged, what is never touched.

    Parameters
    ----------
    parts : sequence of Part
    values : mapping of str to float, optional
        By group id; colours the parts that can be merged. Without it they are coloured by kind.
    value_title, value_format : str
        Name of the values, e.g. "redundancy", and their format.
    theme : {"light", "dark"}
        Of the page; Plotly's own choice of ink does not see through translucent tiles.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    total = parts[0].n_parameters
    parents = {part.parent for part in parts}
    fixed = [part.group is None and part.id not in parents for part in parts]
    scale = _Scale(values) if values else None
    background, panel = BACKGROUNDS[theme]
    colors = []
    for part, untouched in zip(parts, fixed, strict=True):
        if part.group is None:
            colors.append(panel if untouched else background)
        elif scale:
            colors.append(scale.color(scale.values[part.group.id]))
        else:
            colors.append(BLUE if part.group.component == "ffn" else SKY)
    notes = []
    n_layers = 1 + max(part.group.layer for part in parts if part.group is not None)
    for part, untouched in zip(parts, fixed, strict=True):
        if part.group is None:
            notes.append("never touched" if untouched else "")
            continue
        note = f"{part.group.n_units:,} units of {part.group.unit_dim:,} parameters"
        if scale:
            note += f"<br>{value_title} {_format(scale.values[part.group.id], value_format)}"
        notes.append(note)
    figure = go.Figure(
        go.Treemap(
            ids=[part.id for part in parts],
            parents=[part.parent for part in parts],
            labels=[part.title for part in parts],
            values=[part.n_parameters for part in parts],
            branchvalues="total",
            sort=False,
            text=[_tile_text(part, total, n_layers) for part in parts],
            texttemplate="%{text}",
            textfont={"color": [_ink(color) for color in colors]},
            customdata=[
                [part.group.title if part.group else part.title, part.n_parameters / total, note]
                for part, note in zip(parts, notes, strict=True)
            ],
            hovertemplate="<b>%{customdata[0]}</b><br>%{value:,} parameters,"
            " %{customdata[1]:.1%} of the model<br>%{customdata[2]}<extra></extra>",
            marker={
                "colors": colors,
                "line": {"color": NEUTRAL, "width": [0.5 if p.group is None else 0 for p in parts]},
                "pattern": {
                    "shape": ["/" if untouched else "" for untouched in fixed],
                    "fgcolor": NEUTRAL,
                    "solidity": 0.12,
                },
                "cornerradius": 3,
                "pad": {"t": 22, "l": 4, "r": 4, "b": 4},
            },
            # stacks side by side, kinds in rows, layers in columns: layers stay in their order
            tiling={"pad": 2, "packing": "slice-dice"},
            pathbar={"visible": False},
        )
    )
    mergeable = sum(part.n_parameters for part in parts if part.group is not None)
    if scale:
        title = scale.title(parts, value_title, value_format)
    else:
        title = (
            f"{mergeable / total:.0%} of the parameters can be merged   "
            f"<span style='color:{BLUE}'>■</span> FFN channels   "
            f"<span style='color:{SKY}'>■</span> attention heads   "
            f"<span style='color:{NEUTRAL}'>▨</span> never touched"
        )
    lay_out(figure, TREEMAP_HEIGHT, title)
    figure.update_layout(uniformtext={"minsize": 10, "mode": "hide"}, margin={"l": 0, "r": 0})
    return figure


def to_hex(color: Sequence[float]) -> str:
    """``"#0072B2"`` from red, green and blue in 0..1."""
    return "#" + "".join(f"{round(255 * channel):02X}" for channel in color)


def _tile_text(part: Part, total: int, n_layers: int) -> str:
    """What is written on a tile; the number alone where tiles are narrow, nothing on slivers."""
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
