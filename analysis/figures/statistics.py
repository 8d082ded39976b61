"""Pictures of the statistics of all matrices: by layer and matrix, and over the layers."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.figures.layer_grid import (
    CELL,
    GRID_HEADINGS,
    frame_grid,
    outline_cells,
    place_columns,
)
from analysis.figures.layout import HEADINGS, kind_of, lay_out
from analysis.figures.palette import (
    GREEN,
    NEUTRAL,
    ORANGE,
    PURPLE,
    SEQUENTIAL,
    SKY,
    with_alpha,
)
from analysis.models.statistics import (
    STATISTIC_TITLES,
    UNITS,
    MatrixKey,
    MatrixStatistics,
    matrix_label,
    matrix_names,
)
from analysis.models.unit_groups import UnitGroup

LINES_HEIGHT = 350

UNIT_NAMES: Mapping[str, str] = {
    "variance": "weight²",
    "unit_norm": "weight",
    "norm_spread": "1",
    "kurtosis": "1",
    "stable_rank": "1",
    "nearest_cosine": "1",
}
"""Unit of each statistic; "weight" stands for the unit of the weights themselves."""

_ROW_HEIGHT, _LEAST_ROWS, _FRAME_HEIGHT = 17, 34, 214

_SHORT_LABELS = {"input": "in", UNITS: "all"}
_MATRIX_STYLES: Mapping[str, tuple[str, str]] = {
    "query": (SKY, "circle"),
    "key": (ORANGE, "square"),
    "value": (GREEN, "diamond"),
    "input": (SKY, "circle"),
    "output": (PURPLE, "triangle-up"),
    UNITS: (NEUTRAL, "x"),
}


def heatmap_height(groups: Sequence[UnitGroup]) -> int:
    """Pixels that the heatmap of a model needs: one row per layer."""
    n_layers = 1 + max(group.layer for group in groups)
    return _FRAME_HEIGHT + _ROW_HEIGHT * max(n_layers, _LEAST_ROWS)


def statistic_heatmap(
    groups: Sequence[UnitGroup],
    statistics: Mapping[MatrixKey, MatrixStatistics],
    name: str,
    *,
    per_matrix: bool = False,
    selected: MatrixKey | None = None,
) -> go.Figure:
    """One statistic of every matrix: a row per layer, the input at the top.

    Parameters
    ----------
    groups : sequence of UnitGroup
    statistics : mapping of (str, str) to MatrixStatistics
    name : str
        See `analysis.models.statistics.STATISTICS`.
    per_matrix : bool
        Whether colours span each column by itself, from its lowest to its highest layer.
    selected : (str, str), optional
        Cell to outline.

    Returns
    -------
    plotly.graph_objects.Figure
        Each cell carries its group's id and matrix as `customdata[0]` and `[1]`.
    """
    cells = [(group, matrix) for group in groups for matrix in matrix_names(group)]
    columns = place_columns((group.stack, group.block, matrix) for group, matrix in cells)
    values = [float(getattr(statistics[g.id, m], name)) for g, m in cells]
    shown = _within_columns(cells, values) if per_matrix else values
    defined = [bool(np.isfinite(value)) for value in shown]
    figure = go.Figure()
    for finite in (True, False):
        chosen = [i for i, known in enumerate(defined) if known is finite]
        if not chosen:
            continue
        marker: dict[str, object] = {"line": {"width": 0}}
        if finite:
            marker |= {"color": [shown[i] for i in chosen], "coloraxis": "coloraxis"}
        else:
            marker["color"] = with_alpha(NEUTRAL, 0.25)
        figure.add_bar(
            x=[columns[cells[i][0].stack, cells[i][0].block, cells[i][1]] for i in chosen],
            y=[CELL] * len(chosen),
            base=[cells[i][0].layer - CELL / 2 for i in chosen],
            width=CELL,
            marker=marker,
            customdata=[
                [
                    cells[i][0].id,
                    cells[i][1],
                    f"{cells[i][0].stack.capitalize()} {cells[i][0].layer}"
                    f" · {kind_of(cells[i][0].block)}",
                    _long_label(*cells[i]),
                    f"{values[i]:.4g}" if np.isfinite(values[i]) else "not defined",
                ]
                for i in chosen
            ],
            hovertemplate="<b>%{customdata[2]} · %{customdata[3]}</b><br>"
            f"{STATISTIC_TITLES[name]} %{{customdata[4]}}<extra></extra>",
        )
    frame_grid(figure, groups, columns, lambda column: _short_label(*column[1:]))
    if selected is not None and selected in statistics:
        group = next(g for g in groups if g.id == selected[0])
        x = columns[group.stack, group.block, selected[1]]
        outline_cells(figure, x, x, group.layer)
    ticks = {"tickvals": [0, 1], "ticktext": ["lowest layer", "highest layer"]}
    figure.update_layout(
        coloraxis={
            "colorscale": SEQUENTIAL,
            "colorbar": {
                "title": {
                    "text": f"{STATISTIC_TITLES[name]} ({UNIT_NAMES[name]})",
                    "side": "top",
                },
                "tickformat": _tick_format(values),
                "thickness": 12,
                "outlinewidth": 0,
                "orientation": "h",
                "yanchor": "top",
                "y": -0.02,
                "nticks": 5,
                "tickangle": 0,
                **(ticks if per_matrix else {}),
            },
        }
    )
    title = _heatmap_title(cells, values, name)
    lay_out(figure, heatmap_height(groups), title, headings=GRID_HEADINGS)
    figure.update_layout(margin_b=86)
    figure.update_layout(clickmode="event+select", bargap=0)
    figure.update_traces(unselected_marker_opacity=1)
    return figure


def _tick_format(values: Sequence[float]) -> str:
    """Short numbers on axes: 5.5e-4 rather than 0.00055."""
    return ".2~e" if max((abs(v) for v in values if np.isfinite(v)), default=1) < 0.01 else ".3~g"


def _within_columns(cells: Sequence[tuple[UnitGroup, str]], values: Sequence[float]) -> list[float]:
    """Values moved and stretched to 0..1 within each column."""
    columns: dict[tuple[str, str, str], list[float]] = {}
    for (group, matrix), value in zip(cells, values, strict=True):
        columns.setdefault((group.stack, group.block, matrix), []).append(value)
    placed = []
    for (group, matrix), value in zip(cells, values, strict=True):
        column = [v for v in columns[group.stack, group.block, matrix] if np.isfinite(v)]
        spread = max(column) - min(column) if column else 0.0
        placed.append((value - min(column)) / spread if spread else 0.5 + 0 * value)
    return placed


def _heatmap_title(
    cells: Sequence[tuple[UnitGroup, str]], values: Sequence[float], name: str
) -> str:
    finite = [i for i, value in enumerate(values) if np.isfinite(value) and cells[i][1] != UNITS]
    title = STATISTIC_TITLES[name]
    if not finite:
        return f"{title} is not defined for any matrix"
    highest = max(finite, key=lambda i: values[i])
    group, matrix = cells[highest]
    return (
        f"{title} of a single matrix is highest in {group.stack} {group.layer}"
        f" {kind_of(group.block)} {_short_label(group.block, matrix)}: {values[highest]:.3g}"
    )


def statistic_lines(
    groups: Sequence[UnitGroup], statistics: Mapping[MatrixKey, MatrixStatistics], name: str
) -> go.Figure:
    """One statistic over the layers: a facet per block, a line per matrix, named at its end.

    Parameters
    ----------
    groups, statistics, name
        As for `statistic_heatmap`.

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
        horizontal_spacing=0.33 / max(len(facets), 3),
        subplot_titles=[
            f"{stack.capitalize()}<br>{kind_of(m[0].block)}" for (stack, _), m in facets.items()
        ],
    )
    figure.update_annotations(font_size=13)
    for column, members in enumerate(facets.values(), start=1):
        layers = [group.layer for group in members]
        for matrix in matrix_names(members[0]):
            color, symbol = _MATRIX_STYLES[matrix]
            label = _long_label(members[0], matrix)
            values = [asdict(statistics[group.id, matrix])[name] for group in members]
            figure.add_scatter(
                x=layers,
                y=values,
                mode="lines+markers",
                name=label,
                line={"color": color, "width": 2, "dash": "dot" if matrix == UNITS else "solid"},
                marker={"color": color, "symbol": symbol, "size": 6},
                hovertemplate=f"<b>{label}</b>, layer %{{x}}<br>%{{y:.4g}}<extra></extra>",
                row=1,
                col=column,
            )
        figure.update_xaxes(
            title_text="layer (index)",
            dtick=1 if len(layers) <= 12 else 8,
            range=[-0.4, max(layers) + 0.4 + 0.02 * len(layers)],
            showgrid=False,
            row=1,
            col=column,
        )
    figure.update_yaxes(nticks=5, rangemode="normal", tickfont={"size": 11})
    figure.update_yaxes(
        tickformat=_tick_format([asdict(statistics[cell])[name] for cell in statistics])
    )
    figure.update_yaxes(title_text=f"{STATISTIC_TITLES[name]} ({UNIT_NAMES[name]})", col=1)
    lay_out(figure, LINES_HEIGHT, _key_to_lines(groups), headings=HEADINGS)
    figure.update_layout(hovermode="closest")
    return figure


def _key_to_lines(groups: Sequence[UnitGroup]) -> str:
    marks = {"circle": "●", "square": "■", "diamond": "◆", "triangle-up": "▲", "x": "✕"}
    names: dict[tuple[str, str], list[str]] = {}
    for group in groups:
        for matrix in matrix_names(group):
            labels = names.setdefault(_MATRIX_STYLES[matrix], [])
            label = "whole units" if matrix == UNITS else matrix_label(group, matrix)
            if label not in labels:
                labels.append(label)
    return "By layer:   " + "   ".join(
        f"<span style='color:{color}'>{marks[symbol]}</span> {' / '.join(labels)}"
        for (color, symbol), labels in names.items()
    )


def _long_label(group: UnitGroup, matrix: str) -> str:
    label = matrix_label(group, matrix)
    return f"{label} (whole units)" if matrix == UNITS else label


def _short_label(block: str, matrix: str) -> str:
    """Under a heading that names the block: "Q", "in", "out", "all"."""
    if matrix == "output":
        return "out" if block == "ffn" else "O"
    return _SHORT_LABELS.get(matrix, matrix[0].upper())
