"""Pictures of K: what every layer keeps, and what each K of one group costs."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.figures.layout import MANY_LAYERS, heading_of, lay_out
from analysis.figures.palette import NEUTRAL, ORIGINAL, VARIANTS, with_alpha
from analysis.models.unit_groups import UnitGroup

_Kind = tuple[str, str]  # stack and block

_MOST_IN_A_ROW = 5  # facets that fit on a projector and a telephone
_HEADINGS = 74  # pixels of a heading of four lines
_ONE_LINE, _ONE_LINE_UP_TO = 24, 2  # pixels of a heading where no more facets share a row
_FRAME_HEIGHT, _ROW_HEIGHT, _BETWEEN_ROWS = 172, 160, 118  # pixels; between: ticks and headings
_OVER_A_ROW = 14  # pixels from the ticks to the title of an axis that is not the lowest

ERROR_CURVE_HEIGHT = 300

EVEN_WITHIN = 0.03
"""Shares kept that differ by less than this are called the same in a title."""


def kept_units_chart(
    groups: Sequence[UnitGroup],
    n_clusters: Mapping[str, int],
    *,
    selected: str | None = None,
    color: str = VARIANTS[0],
) -> go.Figure:
    """Units kept in every group, in front of those that there were; one facet per kind.

    Parameters
    ----------
    groups : sequence of UnitGroup
        All groups of the model.
    n_clusters : mapping of str to int
        K by group id.
    selected : str, optional
        Id of a group to outline.
    color : str
        Of the kept units.

    Returns
    -------
    plotly.graph_objects.Figure
        Each bar carries its group's id as `customdata[0]`.
    """
    facets: dict[_Kind, list[UnitGroup]] = {}
    for group in groups:
        facets.setdefault((group.stack, group.block), []).append(group)
    rows = _rows(list(facets))
    figure = make_subplots(
        rows=len(rows),
        cols=max(map(len, rows)),
        vertical_spacing=_BETWEEN_ROWS / _plot_height(rows),
    )
    for row, kinds in enumerate(rows, start=1):
        for column, kind in enumerate(kinds, start=1):
            _kept_facet(figure, (row, column), facets[kind], n_clusters, selected, color, len(rows))
            heading = heading_of(*kind, broken=not _are_wide(rows))
            _place(figure, (row, column), heading, len(kinds))
    height = kept_units_height(groups)
    headings = _ONE_LINE if _are_wide(rows) else _HEADINGS
    lay_out(figure, height, _kept_title(groups, n_clusters, color), headings=headings)
    figure.update_layout(barmode="overlay", clickmode="event+select")
    # bars of a few pixels leave no room for gaps and outlines
    narrow = max(len(members) for members in facets.values()) > MANY_LAYERS
    figure.update_layout(bargap=0 if narrow else 0.25)
    figure.update_traces(unselected_marker_opacity=1)
    return figure


def kept_units_height(groups: Sequence[UnitGroup]) -> int:
    """Pixels that `kept_units_chart` needs for some groups."""
    rows = _rows(list(dict.fromkeys((group.stack, group.block) for group in groups)))
    saved = _HEADINGS - _ONE_LINE if _are_wide(rows) else 0
    return _FRAME_HEIGHT - saved + _plot_height(rows)


def _are_wide(rows: Sequence[Sequence[_Kind]]) -> bool:
    """Whether headings have room for their words on one line, on a telephone too."""
    return max(map(len, rows)) <= _ONE_LINE_UP_TO


def _rows(kinds: Sequence[_Kind]) -> list[Sequence[_Kind]]:
    """A row of facets; one for each stack where they would not fit beside each other."""
    if len(kinds) <= _MOST_IN_A_ROW:
        return [kinds]
    stacks = dict.fromkeys(stack for stack, _ in kinds)
    return [[kind for kind in kinds if kind[0] == stack] for stack in stacks]


def _plot_height(rows: Sequence[Sequence[_Kind]]) -> int:
    return len(rows) * _ROW_HEIGHT + (len(rows) - 1) * _BETWEEN_ROWS


def _place(figure: go.Figure, place: tuple[int, int], heading: str, n_columns: int) -> None:
    """Give a facet its share of its row, and its heading."""
    gap = 0.4 / max(n_columns, 3) ** 1.1
    width = (1 - gap * (n_columns - 1)) / n_columns
    left = (place[1] - 1) * (width + gap)
    axes = figure.get_subplot(*place)
    axes.xaxis.domain = (left, min(left + width, 1.0))
    figure.add_annotation(
        text=heading,
        x=left + width / 2,
        y=axes.yaxis.domain[1],
        xref="paper",
        yref="paper",
        xanchor="center",
        yanchor="bottom",
        showarrow=False,
        font_size=12,
    )


def _kept_facet(
    figure: go.Figure,
    place: tuple[int, int],
    members: Sequence[UnitGroup],
    n_clusters: Mapping[str, int],
    selected: str | None,
    color: str,
    n_rows: int,
) -> None:
    """Bars of one kind of group over the layers."""
    row, column = place
    layers = [group.layer for group in members]
    kept = [n_clusters[group.id] for group in members]
    data = [
        [g.id, g.title, k, g.n_units, k / g.n_units] for g, k in zip(members, kept, strict=True)
    ]
    hover = (
        "<b>%{customdata[1]}</b><br>K = %{customdata[2]:,} of %{customdata[3]:,}"
        " (%{customdata[4]:.1%} kept)<extra></extra>"
    )
    figure.add_bar(
        x=layers,
        y=[group.n_units for group in members],
        customdata=data,
        hovertemplate=hover,
        marker={
            "color": with_alpha(ORIGINAL, 0.22),
            "line": {"color": ORIGINAL, "width": 1 if len(layers) <= MANY_LAYERS else 0},
        },
        row=row,
        col=column,
    )
    # narrow bars touch: a line in their own colour closes the seams between them
    narrow = len(layers) > MANY_LAYERS
    chosen = [group.id == selected for group in members]
    outlines = {
        "color": [NEUTRAL if own or not narrow else color for own in chosen],
        "width": [2.5 if own else float(narrow) for own in chosen],
    }
    figure.add_bar(
        x=layers,
        y=kept,
        customdata=data,
        hovertemplate=hover,
        marker={"color": color, "line": outlines},
        row=row,
        col=column,
    )
    # said once for every kind: on a projector there is no room between the facets
    titles = {1: "units (count)"}
    figure.update_yaxes(
        title_text=titles.get(column),
        title_standoff=4,
        range=[0, 1.05 * max(group.n_units for group in members)],
        nticks=5,
        tickformat=",d",
        row=row,
        col=column,
    )
    figure.update_xaxes(
        title_text="layer",
        # over another row Plotly pays no heed to the ticks
        title_standoff=_OVER_A_ROW if row < n_rows else 8,
        dtick=1 if len(layers) <= MANY_LAYERS else 8,
        tickformat="d",
        showgrid=False,
        row=row,
        col=column,
    )


def error_curve_chart(
    group: UnitGroup,
    n_clusters: Sequence[int],
    errors: Sequence[float],
    *,
    current: int,
    current_error: float,
    color: str = VARIANTS[0],
) -> go.Figure:
    """Relative squared merge error of one group against K, with the current K marked.

    Parameters
    ----------
    group : UnitGroup
    n_clusters : sequence of int
        K of each point, ascending.
    errors : sequence of float
        Relative squared merge error at each K, as fractions.
    current : int
        The K that is set.
    current_error : float
        The error there, as a fraction.
    color : str
        Of the mark.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    figure = go.Figure()
    figure.add_scatter(
        x=list(n_clusters),
        y=list(errors),
        mode="lines",
        line={"color": NEUTRAL, "width": 2},
        hovertemplate="K = %{x:,}<br>error %{y:.2%}<extra></extra>",
    )
    figure.add_scatter(
        x=[current, current],
        y=[0, current_error],
        mode="lines+markers",
        marker={"color": color, "size": [0, 11]},
        line={"color": color, "width": 2, "dash": "dot"},
        cliponaxis=False,
        hovertemplate="K = %{x:,}<br>error %{y:.2%}<extra></extra>",
    )
    figure.update_xaxes(
        title_text=f"clusters K ({group.unit_name})", range=[0, group.n_units * 1.02]
    )
    figure.update_yaxes(title_text="merge error (% of squared norm)", tickformat=".0%")
    figure.update_yaxes(range=[0, 1.05 * max(max(errors), 1e-6)])
    lay_out(
        figure,
        ERROR_CURVE_HEIGHT,
        f"K = {current:,} of {group.n_units:,}: error {current_error:.2%}",
    )
    return figure


def _kept_title(groups: Sequence[UnitGroup], n_clusters: Mapping[str, int], color: str) -> str:
    """State what stands out, then the key to the colours."""
    key = (
        f"   <span style='color:{color}'>■</span> kept"
        f"   <span style='color:{ORIGINAL}'>□</span> original"
    )
    shares = {group.id: n_clusters[group.id] / group.n_units for group in groups}
    if min(shares.values()) == 1:
        return f"Every group keeps all its units{key}"
    even = []
    for name in ("heads", "ranks", "channels"):
        own = [shares[group.id] for group in groups if group.unit_name == name]
        if own and max(own) - min(own) < EVEN_WITHIN:
            even.append(name)
    if len(even) == len({group.component for group in groups}):
        return f"Every layer keeps the same share of its {' and '.join(even)}{key}"
    least = min(groups, key=lambda group: shares[group.id])
    kept = f"{n_clusters[least.id]:,} of {least.n_units:,}"
    return f"{least.title} lose most: {kept} kept{key}"
