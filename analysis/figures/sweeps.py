"""Pictures of a sweep: WER against what was removed, against size and against speed."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from types import MappingProxyType

import numpy as np
import plotly.graph_objects as go

from analysis.evaluation.corpora import MIN_SPEAKERS
from analysis.evaluation.corpus_evaluation import Comparison
from analysis.evaluation.significance import LEVEL_SHOWN
from analysis.evaluation.sweep import Row
from analysis.evaluation.sweep_tables import ALPHA
from analysis.figures.layout import lay_out
from analysis.figures.palette import NEUTRAL, ORIGINAL, VARIANTS, with_alpha
from analysis.figures.wer_axis import WerAxis

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
_FEWEST_UTTERANCES = 30  # that the headline speaks about, where speakers are not known
_BASELINES = {"magnitude": "circle", "random": "diamond"}
_LABEL_LINE = 17  # pixels from one line of a label to the next
_LABEL_MARGIN = 165
_LABEL_LENGTH = 22  # characters that fit the margin
_AROUND = 140  # most pixels of the height that are not the axis: a title of three lines, and ticks


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


def lines_of(rows: Sequence[Row], colors: Mapping[str, str] = MappingProxyType({})) -> list[Line]:
    """The lines of a model's sweep: a colour per method, a dash per allocation, baselines grey.

    Where each method has one allocation, the baselines differ by their dashes.

    Parameters
    ----------
    rows : sequence of Row
        Of one model; the original is no line.
    colors : mapping of str to str
        Of models that were made already, by name; the methods take other ones while there are any.
    """
    cells = [(row, row.cell) for row in rows if row.cell is not None]
    allocations = list(dict.fromkeys(cell.allocation for _, cell in cells))
    pairs = {(cell.way.name, cell.allocation) for _, cell in cells}
    several = len(pairs) > len({name for name, _ in pairs})  # allocations of one method
    names = list(dict.fromkeys(cell.way.name for _, cell in cells))
    made = {cell.way.name for _, cell in cells if cell.way.made}
    own = {name: color for name, color in colors.items() if name in made}
    grey = [name for name in names if name.split(" ")[0] in _BASELINES and name not in own]
    colored = [name for name in names if name not in grey and name not in own]
    free = [color for color in VARIANTS if color not in own.values()] or VARIANTS
    own |= {name: free[place % len(free)] for place, name in enumerate(colored)}
    found: dict[tuple[str, str, int], list[Row]] = {}
    for row, cell in cells:
        seed = cell.seed if cell.way.uses_seed else 0
        found.setdefault((cell.way.name, cell.allocation, seed), []).append(row)
    n_seeds = len({seed for _, _, seed in found})
    lines = []
    for (name, allocation, seed), its_rows in found.items():
        label = f"{name}, {allocation}" if several and name not in made else name
        if n_seeds > 1 and any(row.cell and row.cell.way.uses_seed for row in its_rows):
            label += f", seed {seed}"
        place = grey.index(name) if name in grey else 0
        if several:
            place = allocations.index(allocation)
        lines.append(
            Line(
                label,
                own.get(name, NEUTRAL),
                _DASHES[place % len(_DASHES)],
                _BASELINES.get(name.split(" ")[0], "square"),
                tuple(sorted(its_rows, key=lambda row: row.achieved)),
            )
        )
    return lines


def wer_curves(
    rows: Sequence[Row], *, log: bool, colors: Mapping[str, str] = MappingProxyType({})
) -> go.Figure:
    """WER over the removed share: a line per method, points with error bars.

    A band joins the intervals of a method's points where it has several: between the original and
    the first of them nothing was measured.

    Parameters
    ----------
    rows : sequence of Row
        Of one model, the original among them.
    log : bool
        Whether equal steps upwards are equal ratios.
    colors : mapping of str to str
        As of `lines_of`.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    original = next(row for row in rows if row.cell is None)
    lines = lines_of(rows, colors)
    axis = WerAxis.of(rows, log)
    labels = [textwrap.wrap(line.name, _LABEL_LENGTH) for line in lines]
    height = max(CURVES_HEIGHT, _AROUND + _LABEL_LINE * sum(map(len, labels)))
    figure = go.Figure()
    for line in lines:
        if len(line.rows) < 2:
            continue
        removed = [row.achieved for row in line.rows]
        lower = [axis.place(row.evaluation.interval.low) for row in line.rows]
        upper = [axis.place(row.evaluation.interval.high) for row in line.rows]
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
            y=[axis.place(row.evaluation.total.wer) for row in (original, *line.rows)],
            error_y=_error_bars((original, *line.rows), axis, line.color),
            mode="lines+markers",
            line={"color": line.color, "width": 2, "dash": line.dash},
            marker={"size": 8, "symbol": line.symbol},
            customdata=[_hover(row, line.name) for row in (original, *line.rows)],
            hovertemplate="%{customdata}<extra></extra>",
        )
    figure.add_scatter(
        x=[0],
        y=[axis.place(original.evaluation.total.wer)],
        error_y=_error_bars((original,), axis, ORIGINAL),
        mode="markers",
        marker={"size": 11, "color": ORIGINAL},
        customdata=[_hover(original, "original")],
        hovertemplate="%{customdata}<extra></extra>",
    )
    base = axis.place(original.evaluation.total.wer)
    figure.add_hline(y=base, line={"color": ORIGINAL, "width": 1})
    _label_ends(figure, lines, labels, axis, height - _AROUND)
    widest = max((row.achieved for row in rows), default=0.1)
    figure.update_xaxes(
        title_text="removed (% of the mergeable parameters)",
        tickformat=".0%",
        range=[-0.01, 1.03 * widest + 0.005],
    )
    axis.apply(figure)
    lay_out(figure, height, _finding(original, lines))
    figure.update_layout(margin={"r": _LABEL_MARGIN})
    return figure


def pareto(
    rows: Sequence[Row],
    axis: str,
    *,
    log: bool,
    colors: Mapping[str, str] = MappingProxyType({}),
) -> go.Figure:
    """WER against a cost; a step line joins the models that none beats in both.

    Parameters
    ----------
    rows : sequence of Row
        Of one model, the original among them.
    axis : str
        Key of `AXES`.
    log : bool
        Of the WER.
    colors : mapping of str to str
        As of `lines_of`.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    title, cost = AXES[axis]
    wer_axis = WerAxis.of(rows, log)
    figure = go.Figure()
    front = pareto_front([(cost(row), row.evaluation.total.wer) for row in rows])
    figure.add_scatter(
        x=[cost(rows[index]) for index in front],
        y=[wer_axis.place(rows[index].evaluation.total.wer) for index in front],
        mode="lines",
        line={"color": NEUTRAL, "width": 1, "shape": "hv"},
        hoverinfo="skip",
    )
    original = next(row for row in rows if row.cell is None)
    shown = [Line("original", ORIGINAL, "solid", "circle", (original,)), *lines_of(rows, colors)]
    for line in shown:
        figure.add_scatter(
            x=[cost(row) for row in line.rows],
            y=[wer_axis.place(row.evaluation.total.wer) for row in line.rows],
            mode="markers",
            marker={"size": 9, "color": line.color, "symbol": line.symbol},
            customdata=[_hover(row, line.name) for row in line.rows],
            hovertemplate="%{customdata}<extra></extra>",
        )
    figure.update_xaxes(title_text=title)
    wer_axis.apply(figure)
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


def spread_labels(positions: Sequence[float], heights: Sequence[float]) -> list[float]:
    """Move labels apart, as little as it takes, until none covers another.

    Parameters
    ----------
    positions : sequence of float
        Of their middles.
    heights : sequence of float

    Returns
    -------
    list of float
        In the order of `positions`.

    Examples
    --------
    >>> spread_labels([0.0, 0.5, 5.0], [1.0, 1.0, 2.0])
    [-0.25, 0.75, 5.0]
    """
    order = np.argsort(positions, kind="stable").tolist()
    blocks: list[tuple[float, float, list[int]]] = []  # middle, height, members
    for index in order:
        middle, height, members = float(positions[index]), float(heights[index]), [index]
        while blocks and middle - blocks[-1][0] < (height + blocks[-1][1]) / 2:
            before, above, earlier = blocks.pop()
            middle = (middle * height + before * above) / (height + above)
            height, members = height + above, earlier + members
        blocks.append((middle, height, members))
    found = [0.0] * len(positions)
    for middle, height, members in blocks:
        edge = middle - height / 2
        for index in members:
            found[index] = edge + heights[index] / 2
            edge += heights[index]
    return found


def _label_ends(
    figure: go.Figure,
    lines: Sequence[Line],
    labels: Sequence[Sequence[str]],
    axis: WerAxis,
    pixels: int,
) -> None:
    """Write each line's name at its right end, whole, moved so that none covers another."""
    heights = [axis.share(line.rows[-1].evaluation.total.wer) * pixels for line in lines]
    moved = spread_labels(heights, [_LABEL_LINE * len(label) for label in labels])
    for line, label, height, place in zip(lines, labels, heights, moved, strict=True):
        figure.add_annotation(
            x=1,
            xref="paper",
            y=height / pixels,
            yref="paper",
            yshift=place - height,
            xshift=8,
            text="<br>".join(map(escape, label)),
            align="left",
            font={"color": line.color, "size": 13},
            xanchor="left",
            yanchor="middle",
            showarrow=False,
        )


def _error_bars(rows: Sequence[Row], axis: WerAxis, color: str) -> dict[str, object]:
    """From each point to the ends of its interval."""
    drawn = [axis.place(row.evaluation.total.wer) for row in rows]
    ends = [row.evaluation.interval for row in rows]
    return {
        "type": "data",
        "symmetric": False,
        "array": [axis.place(end.high) - y for end, y in zip(ends, drawn, strict=True)],
        "arrayminus": [y - axis.place(end.low) for end, y in zip(ends, drawn, strict=True)],
        "color": color,
        "thickness": 1.2,
        "width": 4,
    }


def _hover(row: Row, name: str) -> str:
    total, interval, cost = row.evaluation.total, row.evaluation.interval, row.cost
    return (
        f"<b>{escape(name)}</b><br>removed {row.achieved:.1%}<br>"
        f"WER {total.wer:.2%}"
        f" ({LEVEL_SHOWN} interval {interval.low:.2%} to {interval.high:.2%})<br>"
        f"S {total.substitutions} · I {total.insertions} · D {total.deletions} of {total.words}"
        f"<br>{cost.parameters / 1e6:.2f} M parameters, "
        f"real-time factor {row.evaluation.real_time_factor:.3f}"
    )


def _is_worse(comparison: Comparison) -> bool:
    """Whether either of the two tests finds a rise."""
    return comparison.difference.low > 0 or _is_worse_by_segments(comparison)


def _is_worse_by_segments(comparison: Comparison) -> bool:
    return comparison.difference.delta > 0 and comparison.matched_pairs.p_value < ALPHA


def _finding(original: Row, lines: Sequence[Line]) -> str:
    """What the picture shows, in a sentence."""
    base = original.evaluation.total.wer
    if not lines:
        return f"The original's WER is {base:.2%}"
    n_blocks, n_all = original.evaluation.interval.n_blocks, len(original.evaluation.scores)
    if 0 < n_blocks < (MIN_SPEAKERS if n_blocks < n_all else _FEWEST_UTTERANCES):
        worse = [
            (row.achieved, line.name)
            for line in lines
            for row in line.rows
            # of few blocks the bootstrap is sure too soon; segments may be more
            if row.against_original and _is_worse_by_segments(row.against_original)
        ]
        if not worse:
            return f"{n_blocks} utterances are too few to tell these models apart"
        least, name = min(worse)
        return f"Worse, as even {n_blocks} utterances tell: {escape(name)} at {least:.0%} removed"
    harmless = [
        # of those that remove as much, the baseline is named last
        (row.achieved, row.cell is not None and not row.cell.way.is_magnitude, line.name)
        for line in lines
        for row in line.rows
        if row.against_original and not _is_worse(row.against_original)
    ]
    if not harmless:
        return f"Every model here is worse than the original's {base:.2%}"
    most, _, name = max(harmless)
    return f"No significant rise of the WER found up to {most:.0%} removed ({escape(name)})"
