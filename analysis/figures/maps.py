"""Maps of units: one group's, or all heads of a model."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from analysis.clustering.projection import Projection
from analysis.clustering.rim import RimmedMap, Stretch, cut_at_rim
from analysis.figures.layout import kind_of, lay_out
from analysis.figures.palette import (
    BLUE,
    GREEN,
    NEUTRAL,
    ORANGE,
    PURPLE,
    SEQUENTIAL,
    SKY,
    VERMILLION,
    with_alpha,
)
from analysis.models.unit_groups import UnitGroup

MAP_HEIGHT = 560

CLUSTER_COLORS = (VERMILLION, GREEN, SKY, PURPLE, ORANGE, BLUE)
"""Used in turn; clusters far apart may share one."""

_KIND_SYMBOLS: Mapping[tuple[str, str], tuple[str, str]] = {
    ("encoder", "self_attention"): (SKY, "circle"),
    ("decoder", "self_attention"): (ORANGE, "square"),
    ("decoder", "cross_attention"): (PURPLE, "diamond"),
}
_FEW_HEADS = 80
"""Up to as many heads, each has its number beside it."""

_NAME_ROOM = (0.055, 0.035)  # of the extent of a map: a name of three characters on a projector

_TICK_ROOM = 0.09  # of the extent of an axis, between two of its numbers

_RIM_SYMBOLS: Mapping[tuple[int, int], str] = {
    (-1, 0): "triangle-left",
    (1, 0): "triangle-right",
    (0, -1): "triangle-down",
    (0, 1): "triangle-up",
    (-1, -1): "triangle-sw",
    (1, -1): "triangle-se",
    (-1, 1): "triangle-nw",
    (1, 1): "triangle-ne",
}
_MARKS = {"circle": "●", "square": "■", "diamond": "◆"}


def cluster_colors(labels: np.ndarray) -> np.ndarray:
    """Colour of each unit, by number: 0 (grey) alone, then one of `CLUSTER_COLORS` per cluster.

    Parameters
    ----------
    labels : ndarray of int64, (n,)

    Returns
    -------
    ndarray of int64, (n,)
        0..len(CLUSTER_COLORS).
    """
    several = np.bincount(labels) > 1
    turn = (np.cumsum(several) - 1) % len(CLUSTER_COLORS) + 1
    colors: np.ndarray = np.where(several, turn, 0)[labels]
    return colors


def _color_steps() -> list[list[object]]:
    """A colour scale of flat steps: numbers are checked and sent far faster than colour names."""
    names = (with_alpha(NEUTRAL, 0.55), *CLUSTER_COLORS)
    edges = np.linspace(0, 1, len(names) + 1)
    steps = zip(names, edges[:-1], edges[1:], strict=True)
    return [[float(edge), name] for name, low, high in steps for edge in (low, high)]


def unit_map(
    group: UnitGroup,
    projection: Projection,
    labels: np.ndarray,
    norms: np.ndarray,
    *,
    values: np.ndarray | None = None,
    value_title: str = "",
    chosen: Sequence[int] = (),
) -> go.Figure:
    """All units of a group as points, none left out: those far off wait at the rim.

    Parameters
    ----------
    group : UnitGroup
    projection : Projection
        In two or three dimensions.
    labels : ndarray of int64, (n,)
        Cluster of each unit.
    norms : ndarray of float64, (n,)
        Of the unit vectors.
    values : ndarray, (n,), optional
        Colours the points; without it they are coloured by cluster.
    value_title : str
        Name and unit of the values.
    chosen : sequence of int
        Units to outline.

    Returns
    -------
    plotly.graph_objects.Figure
        Each point carries its unit as `customdata[0]`.
    """
    unit = group.noun
    sizes = np.bincount(labels)[labels]
    # distances on a UMAP mean little as they are
    rimmed = cut_at_rim(projection.coordinates, stretches=projection.explained is not None)
    marker: dict[str, object] = {"size": _point_size(projection), "opacity": 0.85}
    if rimmed.at_rim.any():
        marker["symbol"] = _rim_symbols(rimmed)
    if values is None:
        last = len(CLUSTER_COLORS)
        marker |= {"color": cluster_colors(labels), "colorscale": _color_steps()}
        marker |= {"cmin": -0.5, "cmax": last + 0.5, "showscale": False}
    else:
        marker |= {"color": values, "colorscale": SEQUENTIAL, "showscale": True}
        marker["colorbar"] = {
            "title": {"text": value_title, "side": "right"},
            "thickness": 12,
            "outlinewidth": 0,
            "exponentformat": "e",
        }
    figure = go.Figure()
    # lists, for the browser reports a point's part of a packed array as a table, not a list
    shown = zip(labels.tolist(), sizes.tolist(), rimmed.at_rim.tolist(), strict=True)
    data = [
        [index, _membership(label, size) + (_AT_RIM if far else ""), norm]
        for index, ((label, size, far), norm) in enumerate(
            zip(shown, np.round(norms, 5).tolist(), strict=True)
        )
    ]
    hover = (
        f"<b>{unit} %{{customdata[0]:d}}</b><br>%{{customdata[1]}}"
        "<br>norm %{customdata[2]:.4g}<extra></extra>"
    )
    numbers = [str(head) for head in range(len(labels))]
    names = _with_room(numbers, rimmed.coordinates) if _is_named([group]) else None
    _add_points(figure, rimmed.coordinates, marker, data, hover, names)
    _add_rings(figure, rimmed.coordinates[list(chosen)], projection)
    n_clusters = int(labels.max()) + 1
    alone = int((sizes == 1).sum())
    key = "" if values is not None else f"   <span style='color:{NEUTRAL}'>●</span> alone"
    if rimmed.at_rim.any():
        mark = "◆" if rimmed.beyond.shape[1] == 3 else "▲"
        key += f"   {mark} {int(rimmed.at_rim.sum()):,} at the rim lie beyond it"
    are = "is" if alone == 1 else "are"
    title = f"{n_clusters:,} clusters of {len(labels):,} {unit}s; {alone:,} {are} alone"
    _frame_map(figure, projection, rimmed, f"{title}<br>{key.strip()}" if key else title)
    return figure


def _add_rings(figure: go.Figure, coordinates: np.ndarray, projection: Projection) -> None:
    """Outline what was chosen; in space, where nothing can be outlined, lay a veil over it."""
    if not len(coordinates):
        return
    ring: dict[str, object] = {
        "size": _point_size(projection) + 5,
        "color": "rgba(0, 0, 0, 0)",
        "line": {"color": NEUTRAL, "width": 2},
    }
    if projection.coordinates.shape[1] == 3:
        ring = {"size": _point_size(projection) + 4, "color": NEUTRAL, "opacity": 0.6}
    _add_points(figure, coordinates, ring, None, None)


_AT_RIM = "<br>it lies beyond the rim"


def _membership(label: int, size: int) -> str:
    """Of which cluster a unit is a member, and of how many."""
    return f"in cluster {label}, which has {size:,} members" if size > 1 else "merged with no other"


def _rim_symbols(rimmed: RimmedMap) -> list[str]:
    """A circle where a unit is at its true place, a triangle that points where it would be.

    In space there are no triangles: a diamond stands for all directions.
    """
    if rimmed.beyond.shape[1] == 3:
        return np.where(rimmed.at_rim, "diamond", "circle").tolist()
    return [_RIM_SYMBOLS.get((x, y), "circle") for x, y in rimmed.beyond.tolist()]


def _is_named(groups: Sequence[UnitGroup]) -> bool:
    """Whether each unit's number is written beside it: few heads only."""
    n_units = sum(group.n_units for group in groups)
    return all(group.component == "heads" for group in groups) and n_units <= _FEW_HEADS


def _with_room(names: Sequence[str], coordinates: np.ndarray) -> list[str]:
    """The names that cover no other, point by point; empty where one stands there already."""
    extent = np.ptp(coordinates, axis=0)
    places = coordinates / np.where(extent > 0, extent, 1)
    room = np.array([*_NAME_ROOM, *_NAME_ROOM])[: places.shape[1]]
    written: list[np.ndarray] = []
    found = []
    for name, place in zip(names, places, strict=True):
        is_free = all((np.abs(place - other) > room).any() for other in written)
        found.append(name if is_free else "")
        if is_free:
            written.append(place)
    return found


def head_map(
    groups: Sequence[UnitGroup],
    projection: Projection,
    *,
    by_layer: bool,
    values: np.ndarray | None = None,
    value_title: str = "",
    chosen: tuple[str, int] | None = None,
) -> go.Figure:
    """All heads of a model as points, by layer, by kind or by a number.

    Parameters
    ----------
    groups : sequence of UnitGroup
        Of heads, in the order of the projection.
    projection : Projection
    by_layer : bool
        Colour by layer; shapes tell the kinds apart either way.
    values : ndarray, (heads,), optional
        Colours the heads instead; NaN leaves a kind grey.
    value_title : str
        Name and unit of the values.
    chosen : tuple of (str, int), optional
        Group id and head of the one that gets a ring.

    Returns
    -------
    plotly.graph_objects.Figure
        Each point carries its group's id and its head as `customdata[0]` and `[1]`.
    """
    figure = go.Figure()
    # distances on a UMAP mean little as they are
    rimmed = cut_at_rim(projection.coordinates, stretches=projection.explained is not None)
    start = 0
    spans: dict[tuple[str, str], list[tuple[UnitGroup, int]]] = {}
    for group in groups:
        spans.setdefault((group.stack, group.block), []).append((group, start))
        start += group.n_units
    deepest = max(group.layer for group in groups)
    names: list[str] = []
    scaled = False
    if _is_named(groups):
        every = [f"{group.layer}.{head}" for group in groups for head in range(group.n_units)]
        names = _with_room(every, rimmed.coordinates)
    for kind, members in spans.items():
        color, symbol = _KIND_SYMBOLS[kind]
        index = np.concatenate([np.arange(at, at + group.n_units) for group, at in members])
        layers = np.concatenate([np.full(group.n_units, group.layer) for group, _ in members])
        far = [_AT_RIM if moved else "" for moved in rimmed.at_rim[index].tolist()]
        heads = [[g.id, head, g.title] for g, _ in members for head in range(g.n_units)]
        data = [[*head, where] for head, where in zip(heads, far, strict=True)]
        # one end of the scale is as dark as a dark page: a rim keeps it in sight
        rim = {"width": 1, "color": NEUTRAL}
        marker: dict[str, object] = {"symbol": symbol, "size": 9, "opacity": 0.9, "line": rim}
        if values is not None and np.isnan(values[index]).all():
            marker["color"] = NEUTRAL
        elif by_layer or values is not None:
            ends = (0, deepest) if values is None else (np.nanmin(values), np.nanmax(values))
            shown = layers if values is None else values[index].round(4)
            marker |= {"color": shown, "colorscale": SEQUENTIAL, "cmin": ends[0], "cmax": ends[1]}
            marker["showscale"] = not scaled
            scaled = True
            step = (1 if deepest < 12 else 4) if values is None else None
            marker["colorbar"] = {
                "title": {"text": value_title or "layer (index)", "side": "right"},
                "thickness": 12,
                "outlinewidth": 0,
                "dtick": step,
            }
        else:
            marker["color"] = color
        hover = "<b>%{customdata[2]}</b><br>head %{customdata[1]}%{customdata[3]}<extra></extra>"
        own = [names[place] for place in index] if names else None
        _add_points(figure, rimmed.coordinates[index], marker, data, hover, own)
    if chosen is not None:
        places = [(group.id, head) for group in groups for head in range(group.n_units)]
        place = places.index(chosen)
        _add_rings(figure, rimmed.coordinates[place : place + 1], projection)
    key = ""
    for stack, block in spans:
        color, symbol = _KIND_SYMBOLS[stack, block]
        kind_name = kind_of(block)
        shown = color if not by_layer and values is None else NEUTRAL
        key += f"   <span style='color:{shown}'>{_MARKS[symbol]}</span> {stack} {kind_name}"
    named = ", named layer.head" if names else ""
    named += " where there is room" if "" in names else ""
    _frame_map(figure, projection, rimmed, f"All {start:,} heads{named}<br>{key.strip()}")
    return figure


def _point_size(projection: Projection) -> int:
    n, dimensions = projection.coordinates.shape
    size = 12 if n <= 50 else 8 if n <= 1000 else 6
    return size if dimensions == 2 else max(3, size // 2)


def _add_points(
    figure: go.Figure,
    coordinates: np.ndarray,
    marker: object,
    data: object,
    hover: str | None,
    names: Sequence[str] | None = None,
) -> None:
    shared = {"mode": "markers", "marker": marker, "customdata": data, "hovertemplate": hover}
    if names is not None:
        shared |= {"mode": "markers+text", "text": names, "textposition": "top center"}
        shared["textfont"] = {"size": 11}
    if hover is None:
        shared["hoverinfo"] = "skip"
    x, y, *rest = coordinates.astype(np.float32).T
    if rest:
        figure.add_scatter3d(x=x, y=y, z=rest[0], **shared)
    else:
        figure.add_scatter(x=x, y=y, **shared)


def _frame_map(figure: go.Figure, projection: Projection, rimmed: RimmedMap, title: str) -> None:
    if projection.explained is None:
        names = [f"UMAP {i + 1} (no unit)" for i in range(projection.coordinates.shape[1])]
    else:
        names = [
            f"component {i + 1} ({share:.1%} of the variance{', arsinh scale' if stretch else ''})"
            for i, (share, stretch) in enumerate(
                zip(projection.explained, rimmed.stretches, strict=True)
            )
        ]
    axes = [
        {"title": {"text": name}, **_ticks(values, stretch)}
        for name, values, stretch in zip(names, rimmed.coordinates.T, rimmed.stretches, strict=True)
    ]
    if len(axes) == 3:
        figure.update_scenes(dict(zip(("xaxis", "yaxis", "zaxis"), axes, strict=True)))
    else:
        figure.update_xaxes(axes[0], zeroline=False)
        figure.update_yaxes(axes[1], zeroline=False)
    lay_out(figure, MAP_HEIGHT, title)
    if projection.coordinates.shape[1] == 2:
        figure.update_layout(clickmode="event+select", dragmode="pan")
        figure.update_traces(unselected_marker_opacity=0.85)


def _ticks(places: np.ndarray, stretch: Stretch | None) -> dict[str, object]:
    """Of a stretched axis: 0 and powers of ten to both sides, where they are drawn."""
    if stretch is None:
        return {}
    least, most = (stretch.scale * factor for factor in (1, np.sinh(np.abs(places).max())))
    powers = 10.0 ** np.arange(np.ceil(np.log10(least)), np.floor(np.log10(most)) + 1)
    far_first = [0.0, *(sign * power for power in powers[::-1] for sign in (-1, 1))]
    shown: dict[float, str] = {}
    for number, at in zip(far_first, stretch.place(np.array(far_first)).tolist(), strict=True):
        has_room = all(abs(at - other) > _TICK_ROOM * np.ptp(places) for other in shown)
        if places.min() <= at <= places.max() and has_room:
            shown[at] = f"{number:g}".replace("-", "−")
    return {"tickvals": list(shown), "ticktext": list(shown.values())}
