"""Pictures of choosing K: every group's error curve at once, the strategies side by side."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.figures.layout import HEADINGS, MANY_LAYERS, kind_of, lay_out
from analysis.figures.palette import NEUTRAL, ORANGE, PURPLE, SKY, VARIANTS, with_alpha
from analysis.figures.titles import SMALL
from analysis.models.unit_groups import UnitGroup, kept_parameters

STRATEGIES_HEIGHT = 380

LAYERS_PER_LINE = 16
"""Layers side by side among the error curves; more continue on the next line."""

_CELL_WIDTH, _CELL_HEIGHT = 0.86, 0.74
_LINE_PIXELS, _FRAME_PIXELS = (112, 84), 100
"""Height of a line of cells, of few layers and of many; room for the title."""

STRATEGY_STYLES: Mapping[str, tuple[str, str]] = {
    "uniform": (SKY, "circle"),
    "variance": (ORANGE, "square"),
    "distortion": (PURPLE, "diamond"),
}
"""Colour and symbol of the strategies that are compared."""

_MARKS = {"circle": "●", "square": "■", "diamond": "◆"}

Curve = tuple[Sequence[int], Sequence[float]]
"""K and the relative squared merge error there."""


def curves_height(groups: Sequence[UnitGroup]) -> int:
    """Pixels that `error_multiples` needs for a model."""
    lines = _lines(groups)
    many = max(len(members) for members in lines) > 8
    return _FRAME_PIXELS + _LINE_PIXELS[many] * len(lines)


def error_multiples(
    groups: Sequence[UnitGroup],
    curves: Mapping[str, Curve],
    n_clusters: Mapping[str, int],
    errors: Mapping[str, float],
    *,
    selected: str | None = None,
    color: str = VARIANTS[0],
) -> go.Figure:
    """The error-versus-K curve of every group: a cell per layer, a line per kind.

    All cells lie in one pair of axes, for 160 pairs would take the browser seconds.

    Parameters
    ----------
    groups : sequence of UnitGroup
        All groups of the model.
    curves : mapping of str to (sequence of int, sequence of float)
        By group id; see `analysis.compression.forecast.error_curve`.
    n_clusters : mapping of str to int
        The K that are set.
    errors : mapping of str to float
        The error there, as a fraction.
    selected : str, optional
        Id of a group to frame.
    color : str
        Of the marks at the K that are set.

    Returns
    -------
    plotly.graph_objects.Figure
        Each mark and each point of a curve carries its group's place in `groups` as
        `customdata[0]`.
    """
    lines = _lines(groups)
    place = {group.id: index for index, group in enumerate(groups)}
    top = max(max(curves[group.id][1]) for group in groups) or 1.0
    figure = go.Figure()
    for row, members in enumerate(lines):
        # rounded to a tenth of a pixel: what is sent is a third of what it would be
        x: list[float | None] = []
        y: list[float | None] = []
        data: list[list[float]] = []
        for column, group in enumerate(members):
            for k, error in zip(*curves[group.id], strict=True):
                x.append(round(column + _CELL_WIDTH * _across(k, group), 4))
                y.append(round(_CELL_HEIGHT * error / top - row, 4))
                data.append([place[group.id], group.layer, k, round(error, 5)])
            x.append(None)
            y.append(None)
            data.append([place[group.id], group.layer, 0, 0])
        figure.add_scatter(
            x=x,
            y=y,
            customdata=data,
            mode="lines+text",  # there is no text: Plotly lets no point of a bare line be clicked
            line={"color": NEUTRAL, "width": 1.5},
            hovertemplate=f"<b>{_line_title(members)} %{{customdata[1]}}</b><br>"
            "K = %{customdata[2]:,}: error %{customdata[3]:.2%}<extra></extra>",
        )
    _add_frames(figure, lines)
    cells = [(row, column, g) for row, line in enumerate(lines) for column, g in enumerate(line)]
    figure.add_scatter(
        x=[c + _CELL_WIDTH * _across(n_clusters[g.id], g) for _, c, g in cells],
        y=[_CELL_HEIGHT * errors[g.id] / top - row for row, _, g in cells],
        customdata=[
            [place[g.id], g.title, n_clusters[g.id], g.n_units, errors[g.id]] for _, _, g in cells
        ],
        mode="markers",
        marker={"color": color, "size": 8},
        cliponaxis=False,
        hovertemplate="<b>%{customdata[1]}</b><br>K = %{customdata[2]:,} of %{customdata[3]:,}:"
        " error %{customdata[4]:.2%}<extra></extra>",
    )
    for row, column, group in cells:
        if group.id == selected:
            figure.add_shape(
                type="rect",
                x0=column - 0.05,
                x1=column + _CELL_WIDTH + 0.05,
                y0=-row - 0.08,
                y1=-row + _CELL_HEIGHT + 0.12,
                line={"color": color, "width": 2},
            )
    figure.update_xaxes(visible=False, range=[-0.08, max(map(len, lines))], fixedrange=True)
    figure.update_yaxes(
        tickvals=[_CELL_HEIGHT / 2 - row for row in range(len(lines))],
        ticktext=[_line_label(members) for members in lines],
        range=[0.85 - len(lines), 1],
        showgrid=False,
        zeroline=False,
        fixedrange=True,
    )
    worst = max(groups, key=lambda group: errors[group.id])
    finding = f"{worst.title} pay most for their K: {errors[worst.id]:.1%} of their squared norm"
    key = (
        f"Each cell: K from 1 (left) to n (right), merge error from 0 to {top:.0%} (up)   "
        f"<span style='color:{color}'>●</span> K now"
    )
    if max(errors.values()) == 0:
        finding = "Every group keeps all its units, so nothing is lost"
    lay_out(figure, curves_height(groups), _two_lines(finding, key))
    figure.update_layout(hovermode="closest", clickmode="event+select")
    figure.update_traces(unselected_marker_opacity=1, selector={"mode": "markers"})
    return figure


def strategy_lines(
    groups: Sequence[UnitGroup],
    choices: Mapping[str, Mapping[str, int]],
    errors: Mapping[str, float],
    present: Mapping[str, int],
    *,
    color: str = VARIANTS[0],
) -> go.Figure:
    """The share of its units that each group keeps, under each strategy and as it is set now.

    Parameters
    ----------
    groups : sequence of UnitGroup
        All groups of the model.
    choices : mapping of str to mapping of str to int
        Strategy (see `STRATEGY_STYLES`) → K by group id, all at one sparsity.
    errors : mapping of str to float
        Strategy → predicted merge error of the whole model, as a fraction.
    present : mapping of str to int
        The K that are set.
    color : str
        Of the K that are set.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    facets: dict[tuple[str, str], list[UnitGroup]] = {}
    for group in groups:
        facets.setdefault((group.stack, group.block), []).append(group)
    figure = make_subplots(
        rows=1,
        cols=len(facets),
        shared_yaxes=True,
        horizontal_spacing=0.02,
        subplot_titles=[f"{stack.capitalize()}<br>{kind_of(block)}" for stack, block in facets],
    )
    figure.update_annotations(font_size=13)
    many = max(len(members) for members in facets.values()) > MANY_LAYERS
    rows = [("now", color, "circle-open", 7 if many else 13, present)]
    rows += [(name, *STRATEGY_STYLES[name], 4 if many else 7, k) for name, k in choices.items()]
    for column, members in enumerate(facets.values(), start=1):
        layers = [group.layer for group in members]
        for name, ink, symbol, size, k in rows:
            figure.add_scatter(
                x=layers,
                y=[k[group.id] / group.n_units for group in members],
                customdata=[[k[group.id], group.n_units] for group in members],
                name=name,
                mode="markers" if name == "now" else "lines+markers",
                line={"color": ink, "width": 1 if many else 1.5},
                marker={
                    "color": ink,
                    "symbol": symbol,
                    "size": size,
                    "line": {"width": (1 if many else 2) if name == "now" else 0},
                },
                hovertemplate=f"<b>{name}</b>, layer %{{x}}<br>K = %{{customdata[0]:,}} of"
                " %{customdata[1]:,} (%{y:.1%} kept)<extra></extra>",
                row=1,
                col=column,
            )
        figure.update_xaxes(
            title_text="layer (index)",
            dtick=1 if len(layers) <= MANY_LAYERS else 8,
            range=[-0.6, max(layers) + 0.6],
            showgrid=False,
            row=1,
            col=column,
        )
    least = min(k[group.id] / group.n_units for *_, k in rows for group in groups)
    figure.update_yaxes(tickformat=".0%", range=[max(-0.04, least - 0.08), 1.04])
    figure.update_yaxes(title_text="units kept (%)", col=1)
    key = "   ".join(
        f"<span style='color:{STRATEGY_STYLES[name][0]}'>{_MARKS[STRATEGY_STYLES[name][1]]}</span>"
        f" {name}"
        for name in choices
    )
    key += f"   <span style='color:{color}'>○</span> now"
    title = _two_lines(_strategy_title(groups, choices, errors), key)
    lay_out(figure, STRATEGIES_HEIGHT, title, headings=HEADINGS)
    figure.update_layout(hovermode="closest")
    return figure


def _strategy_title(
    groups: Sequence[UnitGroup],
    choices: Mapping[str, Mapping[str, int]],
    errors: Mapping[str, float],
) -> str:
    """Which strategy is predicted to lose least, among those that remove the same amount."""
    kept = {name: kept_parameters(groups, k) for name, k in choices.items()}
    total = kept_parameters(groups)
    one_unit = max(group.parameters_per_unit for group in groups)
    equal = max(
        ([n for n in choices if abs(kept[n] - kept[name]) <= one_unit] for name in choices),
        key=len,
    )
    equal.sort(key=lambda name: errors[name])
    rest = [
        f"{name} removes {1 - kept[name] / total:.1%} and loses {errors[name]:.2%}"
        for name in choices
        if name not in equal
    ]
    best, removed = equal[0], 1 - kept[equal[0]] / total
    if len(equal) == 1:
        return f"No two allocations remove the same: {best} {removed:.1%}, " + "; ".join(rest)
    if errors[best] == errors[equal[-1]]:
        finding = f"At {removed:.1%} removed all lose the same: {errors[best]:.2%}"
    else:
        others = ", ".join(f"{name} {errors[name]:.2%}" for name in equal[1:])
        finding = f"At {removed:.1%} removed, {best} loses least: {errors[best]:.2%} ({others})"
    return "; ".join([finding, *rest])


def _lines(groups: Sequence[UnitGroup]) -> list[list[UnitGroup]]:
    """Groups of one kind in the order of their layers, at most `LAYERS_PER_LINE` to a line."""
    kinds: dict[tuple[str, str], list[UnitGroup]] = {}
    for group in groups:
        kinds.setdefault((group.stack, group.block), []).append(group)
    lines = []
    for members in kinds.values():
        edges = [*range(0, len(members), LAYERS_PER_LINE), len(members)]
        lines += [members[start:stop] for start, stop in pairwise(edges)]
    return lines


def _add_frames(figure: go.Figure, lines: Sequence[Sequence[UnitGroup]]) -> None:
    """Two axes to every cell, and its layer in the corner that no falling curve reaches."""
    x: list[float | None] = []
    y: list[float | None] = []
    for row, members in enumerate(lines):
        for column in range(len(members)):
            x += [column, column, column + _CELL_WIDTH, None]
            y += [_CELL_HEIGHT - row, -row, -row, None]
    figure.add_scatter(
        x=x,
        y=y,
        mode="lines",
        line={"color": with_alpha(NEUTRAL, 0.5), "width": 1},
        hoverinfo="skip",
    )
    cells = [(row, column, g) for row, line in enumerate(lines) for column, g in enumerate(line)]
    figure.add_scatter(
        x=[column + _CELL_WIDTH for _, column, _ in cells],
        y=[_CELL_HEIGHT - row for row, _, _ in cells],
        text=[str(group.layer) for _, _, group in cells],
        mode="text",
        textposition="middle left",
        hoverinfo="skip",
    )


def _across(k: int, group: UnitGroup) -> float:
    """Where K lies between 1 and n, from 0 to 1."""
    return (k - 1) / (group.n_units - 1) if group.n_units > 1 else 1.0


def _line_title(members: Sequence[UnitGroup]) -> str:
    return f"{members[0].stack.capitalize()} {kind_of(members[0].block)}, layer"


def _line_label(members: Sequence[UnitGroup]) -> str:
    """What stands before a line of cells."""
    name = f"{members[0].stack.capitalize()}<br>{kind_of(members[0].block)}"
    return name if members[0].layer == 0 else f"layers {members[0].layer} to {members[-1].layer}"


def _two_lines(finding: str, key: str) -> str:
    return f"{finding}<br><span style='{SMALL}'>{key}</span>"
