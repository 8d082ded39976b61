"""Pictures of K: what every layer keeps, and what each K of one group costs."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.figures.layout import HEADINGS, MANY_LAYERS, kind_of, lay_out
from analysis.figures.palette import NEUTRAL, ORIGINAL, VARIANTS, with_alpha
from analysis.models.unit_groups import UnitGroup

KEPT_UNITS_HEIGHT = 300

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
    facets: dict[tuple[str, str], list[UnitGroup]] = {}
    for group in groups:
        facets.setdefault((group.stack, group.block), []).append(group)
    figure = make_subplots(
        rows=1,
        cols=len(facets),
        horizontal_spacing=0.4 / max(len(facets), 3) ** 1.1,
        subplot_titles=[f"{stack.capitalize()}<br>{kind_of(block)}" for stack, block in facets],
    )
    for column, members in enumerate(facets.values(), start=1):
        _kept_facet(figure, column, members, n_clusters, selected, color)
    figure.update_annotations(font_size=13)
    lay_out(figure, KEPT_UNITS_HEIGHT, _kept_title(groups, n_clusters, color), headings=HEADINGS)
    figure.update_layout(barmode="overlay", clickmode="event+select")
    # bars of a few pixels leave no room for gaps and outlines
    narrow = max(len(members) for members in facets.values()) > MANY_LAYERS
    figure.update_layout(bargap=0 if narrow else 0.25)
    figure.update_traces(unselected_marker_opacity=1)
    return figure


def _kept_facet(
    figure: go.Figure,
    column: int,
    members: Sequence[UnitGroup],
    n_clusters: Mapping[str, int],
    selected: str | None,
    color: str,
) -> None:
    """Bars of one kind of group over the layers."""
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
        row=1,
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
        row=1,
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
        row=1,
        col=column,
    )
    figure.update_xaxes(
        title_text="layer (index)",
        title_standoff=4,
        dtick=1 if len(layers) <= MANY_LAYERS else 8,
        tickformat="d",
        showgrid=False,
        row=1,
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
