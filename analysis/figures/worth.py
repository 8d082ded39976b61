"""Pictures of what each layer is worth: how far the model's words move when its units go."""

import math
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from analysis.compression.worth import Loss, Worth
from analysis.figures.layer_grid import (
    CELL,
    GRID_HEADINGS,
    frame_grid,
    outline_cells,
    place_columns,
)
from analysis.figures.layout import MANY_LAYERS, lay_out
from analysis.figures.palette import BLUE, NEUTRAL, SEQUENTIAL, VARIANTS, with_alpha
from analysis.figures.titles import SMALL
from analysis.models.unit_groups import UnitGroup

CURVE_HEIGHT = 330

LEAST = 1e-5
"""Nats: what moves the words less is drawn as this, for a logarithm has no 0."""

_FRAME_HEIGHT, _ROW_HEIGHTS = 196, (42, 17)  # of few layers and of many
_BRIGHT = 0.45  # of the colour scale: from here on black can be read on it, below white


def worth_height(groups: Sequence[UnitGroup]) -> int:
    """Pixels that `worth_heatmap` needs for a model."""
    layers = 1 + max(group.layer for group in groups)
    return _FRAME_HEIGHT + _ROW_HEIGHTS[layers > MANY_LAYERS] * max(layers, 3)


def worth_heatmap(
    groups: Sequence[UnitGroup],
    losses: Sequence[Loss],
    *,
    position: str,
    selected: str | None = None,
) -> go.Figure:
    """What every group costs when a tenth to two fifths of it go: a row per layer.

    Parameters
    ----------
    groups : sequence of UnitGroup
        All groups of the model.
    losses : sequence of Loss
        See `analysis.compression.worth.losses`.
    position : str
        What the nats are per: "word" or "frame".
    selected : str, optional
        Id of a group to outline.

    Returns
    -------
    plotly.graph_objects.Figure
        The last trace but one holds the cells, each with its group's id as `customdata[0]`; the
        last one marks those that were measured.
    """
    places = place_columns((x.group.stack, x.group.block, f"{x.share:.0%}") for x in losses)
    x = [places[loss.group.stack, loss.group.block, f"{loss.share:.0%}"] for loss in losses]
    y = [loss.group.layer for loss in losses]
    logs = [math.log10(max(loss.divergence, LEAST)) for loss in losses]
    low, high = math.floor(min(logs)), max(math.ceil(max(logs)), math.floor(min(logs)) + 1)
    few = max(y) < MANY_LAYERS
    figure = go.Figure()
    figure.add_bar(
        x=x,
        y=[CELL] * len(losses),
        base=[layer - CELL / 2 for layer in y],
        width=CELL,
        marker={"color": logs, "coloraxis": "coloraxis", "line": {"width": 0}},
        text=[_short(loss.divergence) for loss in losses] if few else None,
        textposition="inside",
        insidetextanchor="middle",
        constraintext="none",
        textangle=0,
        textfont={
            "size": 11,
            "color": [
                "#000000" if (log - low) / (high - low) >= _BRIGHT else "#FFFFFF" for log in logs
            ],
        },
        customdata=[
            [
                loss.group.id,
                loss.group.title,
                loss.n_removed,
                loss.group.n_units,
                f"{loss.divergence:.3g}",
                "measured" if loss.measured else "in between, as the gradient has it",
            ]
            for loss in losses
        ],
        hovertemplate="<b>%{customdata[1]}</b><br>%{customdata[2]:,} of %{customdata[3]:,} gone:"
        f" %{{customdata[4]}} nat per {position}<br>%{{customdata[5]}}<extra></extra>",
    )
    measured = [i for i, loss in enumerate(losses) if loss.measured]
    figure.add_scatter(
        x=[x[i] + 0.36 for i in measured],
        y=[y[i] - 0.32 for i in measured],
        mode="markers",
        marker={
            "color": "#FFFFFF",
            "size": 6 if few else 4,
            "line": {"color": "#000000", "width": 1},
        },
        hoverinfo="skip",
    )
    frame_grid(figure, groups, places, lambda column: column[2].removesuffix("%"))
    for group in groups:
        own = [place for (stack, block, _), place in places.items()
               if (stack, block) == (group.stack, group.block)]  # fmt: skip
        if group.id == selected and own:
            outline_cells(figure, min(own), max(own), group.layer)
    powers = list(range(low, high + 1))
    figure.update_layout(
        coloraxis={
            "colorscale": SEQUENTIAL,
            "cmin": low,
            "cmax": high,
            "colorbar": {
                "title": {"text": f"KL divergence (nat per {position})", "side": "right"},
                "tickvals": powers,
                "ticktext": [f"{10.0**p:g}" if p > -4 else f"1e{p}" for p in powers],
                "tickangle": 0,
                "thickness": 12,
                "outlinewidth": 0,
                "orientation": "h",
                "yanchor": "top",
                "y": -0.02,
            },
        }
    )
    key = (
        f"Columns: % of the units that go; {'numbers: thousandths of a nat; ' if few else ''}"
        "○ measured, the others in between"
    )
    title = _two_lines(_finding(losses, position), key)
    lay_out(figure, worth_height(groups), title, headings=GRID_HEADINGS)
    figure.update_layout(margin_b=62, bargap=0, clickmode="event+select")
    figure.update_traces(unselected_marker_opacity=1)
    return figure


def _finding(losses: Sequence[Loss], position: str) -> str:
    """Which group the words need most when the largest share goes."""
    share = max(loss.share for loss in losses)
    most = max((x for x in losses if x.share == share), key=lambda loss: loss.divergence)
    return (
        f"{most.group.title} matter most: {most.divergence:.2g} nat per {position} at {share:.0%}"
    )


def worth_curve(
    group: UnitGroup,
    worths: Mapping[str, Worth],
    *,
    position: str,
    others: Sequence[UnitGroup] = (),
    current: int | None = None,
    color: str = VARIANTS[0],
) -> go.Figure:
    """How far the words move against the units that one group keeps.

    Parameters
    ----------
    group : UnitGroup
    worths : mapping of str to Worth
        By group id.
    position : str
        What the nats are per: "word" or "frame".
    others : sequence of UnitGroup
        Groups to draw behind it, thin: the same block in other layers.
    current : int, optional
        The K that is set, to be marked.
    color : str
        Of that mark.

    Returns
    -------
    plotly.graph_objects.Figure
        The traces: the others, the group's line, what was measured of it, and the mark.
    """
    figure = go.Figure()
    for other in others:
        if other.id != group.id and other.n_units > 1:
            _add_line(figure, other, worths[other.id], position, thin=True)
    own = worths[group.id]
    if own.n_units > 1:
        _add_line(figure, group, own, position, thin=False)
        figure.add_scatter(
            x=[own.n_units - count for count in own.measured],
            y=[max(float(own.divergence[count]), LEAST) for count in own.measured],
            mode="markers",
            marker={"color": BLUE, "size": 9, "symbol": "circle-open", "line": {"width": 2}},
            hovertemplate=f"%{{x:,}} kept: %{{y:.3g}} nat per {position}, measured<extra></extra>",
        )
    title = group.title
    if current is not None:
        lost = float(own.divergence[own.n_units - current])
        title = f"K = {current:,} of {own.n_units:,}: {lost:.2g} nat per {position}"
        if lost > 0:
            figure.add_scatter(
                x=[current],
                y=[max(lost, LEAST)],
                mode="markers",
                marker={"color": color, "size": 11},
                cliponaxis=False,
                hovertemplate=f"K = %{{x:,}}: %{{y:.3g}} nat per {position}<extra></extra>",
            )
    figure.update_xaxes(
        title_text=f"units kept ({group.unit_name})", range=[0, own.n_units * 1.02], nticks=6
    )
    figure.update_yaxes(
        title_text=f"KL divergence (nat per {position})",
        type="log",
        exponentformat="e",
        dtick=1,
    )
    key = "○ measured, the rest in between" + ("; thin: other layers" if others else "")
    lay_out(figure, CURVE_HEIGHT, _two_lines(title, key))
    return figure


def _add_line(
    figure: go.Figure, group: UnitGroup, worth: Worth, position: str, *, thin: bool
) -> None:
    counts = worth.curve()
    figure.add_scatter(
        x=[worth.n_units - count for count in counts],
        y=[max(float(worth.divergence[count]), LEAST) for count in counts],
        mode="lines",
        line={"color": with_alpha(NEUTRAL, 0.45) if thin else BLUE, "width": 1 if thin else 2.5},
        hovertemplate=f"<b>{group.title}</b><br>%{{x:,}} kept: %{{y:.3g}} nat per {position}"
        "<extra></extra>",
    )


def _short(divergence: float) -> str:
    """Thousandths of a nat, in as few characters as say it.

    >>> [_short(value) for value in (0.0000321, 0.00042, 0.0123, 1.234, 25.0)]
    ['0', '.4', '12', '1234', '25k']
    """
    value = 1000 * divergence
    if value >= 9999.5:
        return f"{value / 1000:.0f}k"
    if value >= 1:
        return f"{value:.0f}"
    return f"{value:.1f}".removeprefix("0").removesuffix(".0") or "0"


def _two_lines(finding: str, key: str) -> str:
    return f"{finding}<br><span style='{SMALL}'>{key}</span>"
