"""Pictures of a sweep: WER against what was removed, against size and against speed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import plotly.graph_objects as go

from analysis.evaluation.significance import LEVEL
from analysis.evaluation.sweep import Row
from analysis.figures.layout import lay_out
from analysis.figures.palette import NEUTRAL, ORIGINAL, variant_color, with_alpha

CURVES_HEIGHT = 460
PARETO_HEIGHT = 360

AXES: Mapping[str, tuple[str, Callable[[Row], float]]] = {
    "parameters": ("parameters (millions)", lambda row: row.cost.parameters / 1e6),
    "bytes": ("size of the weights (MB)", lambda row: row.cost.bytes / 1e6),
    "macs": ("million MAC per second of sound", lambda row: row.cost.macs / 1e6),
    "real_time_factor": (
        "real-time factor (computing time / sound)",
        lambda row: row.evaluation.real_time_factor,
    ),
}
"""What WER can be drawn against: title of the axis with its unit, and the value of a row."""

_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
_BASELINES = {"magnitude": "circle", "random": "diamond"}
_LABEL_GAP = 17  # pixels between the middles of two labels
_LABEL_MARGIN = 250
_LABEL_LENGTH = 36  # characters that fit the margin
_LOG_TICKS = tuple(digit * 10.0**power for power in range(-3, 2) for digit in (1, 2, 3, 5))


@dataclass(frozen=True, slots=True)
class Line:
    """One way to compress in one figure.

    Parameters
    ----------
    name : str
        Method, and allocation where the sweep has several.
    color, dash, symbol : str
    rows : tuple of Row
        By what was removed, the least first.
    """

    name: str
    color: str
    dash: str
    symbol: str
    rows: tuple[Row, ...]


def lines_of(rows: Sequence[Row]) -> list[Line]:
    """The lines of a model's sweep: a colour per method, a dash per allocation, baselines grey.

    Parameters
    ----------
    rows : sequence of Row
        Of one model; the original is no line.
    """
    cells = [(row, row.cell) for row in rows if row.cell is not None]
    allocations = list(dict.fromkeys(cell.allocation for _, cell in cells))
    names = list(dict.fromkeys(cell.way.name for _, cell in cells))
    colored = [name for name in names if name.split(" ")[0] not in _BASELINES]
    found: dict[tuple[str, str, int], list[Row]] = {}
    for row, cell in cells:
        seed = cell.seed if cell.way.uses_seed else 0
        found.setdefault((cell.way.name, cell.allocation, seed), []).append(row)
    n_seeds = len({seed for _, _, seed in found})
    lines = []
    for (name, allocation, seed), own in found.items():
        label = name if len(allocations) == 1 else f"{name}, {allocation}"
        if n_seeds > 1 and any(row.cell and row.cell.way.uses_seed for row in own):
            label += f", seed {seed}"
        lines.append(
            Line(
                label,
                variant_color(colored.index(name)) if name in colored else NEUTRAL,
                _DASHES[allocations.index(allocation) % len(_DASHES)],
                _BASELINES.get(name.split(" ")[0], "square"),
                tuple(sorted(own, key=lambda row: row.achieved)),
            )
        )
    return lines


def wer_curves(rows: Sequence[Row], *, log: bool) -> go.Figure:
    """WER over the removed share: a line per method, each with its confidence band.

    Parameters
    ----------
    rows : sequence of Row
        Of one model, the original among them.
    log : bool
        Whether equal steps upwards are equal ratios.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    original = next(row for row in rows if row.cell is None)
    lines = lines_of(rows)
    low, high = _wer_range(rows, log)
    figure = go.Figure()
    for line in lines:
        own = (original, *line.rows)
        removed = [row.achieved for row in own]
        lower = [max(row.evaluation.interval.low, low) for row in own]
        upper = [row.evaluation.interval.high for row in own]
        figure.add_scatter(
            x=[*removed, *reversed(removed)],
            y=[*upper, *reversed(lower)],
            fill="toself",
            fillcolor=with_alpha(line.color, 0.1),
            line={"width": 0},
            mode="lines",
            hoverinfo="skip",
        )
    for line in lines:
        figure.add_scatter(
            x=[row.achieved for row in (original, *line.rows)],
            y=[row.evaluation.total.wer for row in (original, *line.rows)],
            mode="lines+markers",
            line={"color": line.color, "width": 2, "dash": line.dash},
            marker={"size": 8, "symbol": line.symbol},
            customdata=[_hover(row, line.name) for row in (original, *line.rows)],
            hovertemplate="%{customdata}<extra></extra>",
        )
    figure.add_scatter(
        x=[0],
        y=[original.evaluation.total.wer],
        mode="markers",
        marker={"size": 11, "color": ORIGINAL},
        customdata=[_hover(original, "original")],
        hovertemplate="%{customdata}<extra></extra>",
    )
    figure.add_hline(y=original.evaluation.total.wer, line={"color": ORIGINAL, "width": 1})
    _label_ends(figure, lines, low, high, log)
    widest = max((row.achieved for row in rows), default=0.1)
    figure.update_xaxes(
        title_text="removed (% of the mergeable parameters)",
        tickformat=".0%",
        range=[-0.01, 1.03 * widest + 0.005],
    )
    _scale_wer(figure, low, high, log)
    lay_out(figure, CURVES_HEIGHT, _finding(original, lines))
    figure.update_layout(margin={"r": _LABEL_MARGIN})
    return figure


def pareto(rows: Sequence[Row], axis: str, *, log: bool) -> go.Figure:
    """WER against a cost; a step line joins the models that none beats in both.

    Parameters
    ----------
    rows : sequence of Row
        Of one model, the original among them.
    axis : str
        Key of `AXES`.
    log : bool
        Of the WER.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    title, cost = AXES[axis]
    low, high = _wer_range(rows, log)
    figure = go.Figure()
    front = pareto_front([(cost(row), row.evaluation.total.wer) for row in rows])
    figure.add_scatter(
        x=[cost(rows[index]) for index in front],
        y=[rows[index].evaluation.total.wer for index in front],
        mode="lines",
        line={"color": NEUTRAL, "width": 1, "shape": "hv"},
        hoverinfo="skip",
    )
    original = next(row for row in rows if row.cell is None)
    shown = [Line("original", ORIGINAL, "solid", "circle", (original,)), *lines_of(rows)]
    for line in shown:
        figure.add_scatter(
            x=[cost(row) for row in line.rows],
            y=[row.evaluation.total.wer for row in line.rows],
            mode="markers",
            marker={"size": 9, "color": line.color, "symbol": line.symbol},
            customdata=[_hover(row, line.name) for row in line.rows],
            hovertemplate="%{customdata}<extra></extra>",
        )
    figure.update_xaxes(title_text=title)
    _scale_wer(figure, low, high, log)
    lay_out(figure, PARETO_HEIGHT, f"{len(front)} of {len(rows)} models lie on the Pareto front")
    return figure


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the points that no other is as good as in both numbers and better in one.

    Parameters
    ----------
    points : sequence of (float, float)
        Less is better.

    Returns
    -------
    list of int
        By the first number, ascending.

    Examples
    --------
    >>> pareto_front([(3, 1), (1, 5), (2, 5), (2, 2)])
    [1, 3, 0]
    """
    front: list[int] = []
    for index in sorted(range(len(points)), key=lambda i: points[i]):
        if not front or points[index][1] < points[front[-1]][1]:
            front.append(index)
    return front


def spread_labels(positions: Sequence[float], gap: float) -> list[float]:
    """Move labels apart, as little as it takes, until neighbours are `gap` from each other.

    Parameters
    ----------
    positions : sequence of float
    gap : float

    Returns
    -------
    list of float
        In the order of `positions`.

    Examples
    --------
    >>> spread_labels([0.0, 0.5, 5.0], 1.0)
    [-0.25, 0.75, 5.0]
    """
    order = np.argsort(positions, kind="stable")
    blocks: list[tuple[float, int]] = []  # middle, members
    for index in order:
        middle, size = float(positions[index]), 1
        while blocks and middle - blocks[-1][0] < gap * (size + blocks[-1][1]) / 2:
            before, n_before = blocks.pop()
            middle = (middle * size + before * n_before) / (size + n_before)
            size += n_before
        blocks.append((middle, size))
    placed = [m + gap * (i - (n - 1) / 2) for m, n in blocks for i in range(n)]
    found = [0.0] * len(positions)
    for index, position in zip(order, placed, strict=True):
        found[index] = position
    return found


def _label_ends(
    figure: go.Figure, lines: Sequence[Line], low: float, high: float, log: bool
) -> None:
    """Write each line's name at its right end, moved so that none covers another."""
    scale = np.log10 if log else np.asarray
    bottom, top = float(scale(low)), float(scale(high))
    per_unit = (CURVES_HEIGHT - 110) / (top - bottom)
    ends = [line.rows[-1] for line in lines]
    heights = [float(scale(max(row.evaluation.total.wer, low))) for row in ends]
    moved = spread_labels([height * per_unit for height in heights], _LABEL_GAP)
    for line, height, place in zip(lines, heights, moved, strict=True):
        figure.add_annotation(
            x=1,
            xref="paper",
            y=height,
            yshift=place - height * per_unit,
            xshift=8,
            text=escape(_fitting(line.name)),
            hovertext=escape(line.name),
            font={"color": line.color, "size": 13},
            xanchor="left",
            showarrow=False,
        )


def _fitting(name: str) -> str:
    """A name without its middle, where it is too long: beginning and end tell lines apart."""
    if len(name) <= _LABEL_LENGTH:
        return name
    half = _LABEL_LENGTH // 2
    return f"{name[: half - 1].rstrip(' ,')}…{name[-half:].lstrip(' ,')}"


def _wer_range(rows: Sequence[Row], log: bool) -> tuple[float, float]:
    """Limits of the WER axis."""
    high = max(max(row.evaluation.interval.high, row.evaluation.total.wer) for row in rows)
    positive = [row.evaluation.total.wer for row in rows if row.evaluation.total.wer > 0]
    low = 0.6 * min(positive, default=0.01) if log else 0.0
    return low, max(1.1 * high, low * 2, 0.01)


def _scale_wer(figure: go.Figure, low: float, high: float, log: bool) -> None:
    figure.update_yaxes(title_text="WER (%)", tickformat="~%")
    if log:
        ticks = [tick for tick in _LOG_TICKS if low <= tick <= high]
        figure.update_yaxes(
            type="log",
            range=[float(np.log10(low)), float(np.log10(high))],
            tickvals=ticks,
            ticktext=[f"{100 * tick:g}%" for tick in ticks],
        )
    else:
        figure.update_yaxes(range=[low, high])


def _hover(row: Row, name: str) -> str:
    total, interval, cost = row.evaluation.total, row.evaluation.interval, row.cost
    return (
        f"<b>{escape(name)}</b><br>removed {row.achieved:.1%}<br>"
        f"WER {total.wer:.2%} ({LEVEL:.0%} interval {interval.low:.2%} to {interval.high:.2%})<br>"
        f"S {total.substitutions} · I {total.insertions} · D {total.deletions} of {total.words}"
        f"<br>{cost.parameters / 1e6:.2f} M parameters, "
        f"real-time factor {row.evaluation.real_time_factor:.3f}"
    )


def _finding(original: Row, lines: Sequence[Line]) -> str:
    """What the picture shows, in a sentence."""
    base = original.evaluation.total.wer
    if not lines:
        return f"The original's WER is {base:.2%}"
    harmless = [
        (row.achieved, line.name)
        for line in lines
        for row in line.rows
        if row.against_original and row.against_original.difference.low <= 0
    ]
    if not harmless:
        return f"Every model here is worse than the original's {base:.2%}"
    most, name = max(harmless)
    return f"No significant rise of the WER found up to {most:.0%} removed ({escape(name)})"
