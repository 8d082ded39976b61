"""A figure for the back row of a room: what it says and draws, larger, as the page around it is.

The theme of the page enlarges what a figure leaves open. What a figure sets in pixels is enlarged
here, so that no figure knows of presentations. It loads no model: the first page needs it.
"""

import re
from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

_LENGTHS = frozenset(
    {
        "height",
        "xshift",
        "yshift",
        "standoff",
        "thickness",
        "xpad",
        "ypad",
        "ax",
        "ay",
        "arrowwidth",
        "borderwidth",
        "borderpad",
        "linewidth",
        "tickwidth",
        "ticklen",
        "outlinewidth",
    }
)
"""What is in pixels wherever it stands."""

_LENGTHS_IN: Mapping[str, frozenset[str]] = {
    "margin": frozenset("lrtb"),
    "pad": frozenset("lrtb"),
    "marker": frozenset({"size"}),
    "line": frozenset({"width"}),
    "error_x": frozenset({"width"}),
    "error_y": frozenset({"width"}),
}
"""What is in pixels inside some properties only: a bar's width is in units of its axis."""

_MARKER, _LINE = 6, 2  # pixels that Plotly takes where a trace of points says nothing


def enlarged(figure: go.Figure, factor: float) -> go.Figure:
    """The same figure with type, marks, lines, margins and height that many times as large.

    Parameters
    ----------
    figure : Figure
        It stays as it is.
    factor : float

    Returns
    -------
    Figure

    Examples
    --------
    >>> chart = go.Figure().update_layout(title_font_size=10, margin_t=50, height=100)
    >>> large = enlarged(chart, 1.5)
    >>> large.layout.title.font.size, large.layout.margin.t, large.layout.height
    (15.0, 75.0, 150.0)
    """
    data = []
    for trace in figure.data:
        content = trace.to_plotly_json()
        if trace.type.startswith("scatter"):
            content.setdefault("marker", {}).setdefault("size", _MARKER)
            content.setdefault("line", {}).setdefault("width", _LINE)
        data.append(_enlarged(content, "", factor))
    layout = figure.layout.to_plotly_json()
    template = layout.pop("template", None)
    layout = _enlarged(layout, "", factor)
    if template is not None:
        layout["template"] = template
    return go.Figure(data, layout)


def _enlarged(value: Any, inside: str, factor: float) -> Any:
    """A property of a figure, and what lies in it."""
    if isinstance(value, dict):
        return {
            name: _times(content, factor)
            if _is_length(name, inside) and not isinstance(content, dict)
            else _enlarged(content, name, factor)
            for name, content in value.items()
        }
    if isinstance(value, (list, tuple)) and any(isinstance(each, (dict, str)) for each in value):
        return [_enlarged(each, inside, factor) for each in value]
    if isinstance(value, str) and "font-size:" in value:
        return re.sub(
            r"font-size:([\d.]+)px",
            lambda match: f"font-size:{factor * float(match[1]):g}px",
            value,
        )
    return value


def _is_length(name: str, inside: str) -> bool:
    if name == "size" and inside.endswith("font"):
        return True
    return name in _LENGTHS or name in _LENGTHS_IN.get(inside, ())


def _times(value: Any, factor: float) -> Any:
    """A length, or one for every point."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)):
        return [_times(each, factor) for each in value]
    return value * factor
