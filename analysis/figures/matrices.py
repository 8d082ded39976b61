"""Pictures of one matrix from near, and of how the variances of all groups decide their K."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.compression.allocation import achieved_sparsity, variance_thirds
from analysis.figures.layout import HEADINGS, lay_out
from analysis.figures.palette import BLUE, GREEN, NEUTRAL, ORANGE, SKY
from analysis.models.matrix_detail import REACH, MatrixDetail
from analysis.models.statistics import MatrixStatistics, matrix_label
from analysis.models.unit_groups import BLOCK_TITLES, UnitGroup

DISTRIBUTION_HEIGHT = 270
NORMS_HEIGHT = 210
ALLOCATION_HEIGHT = 470

BARS_UP_TO = 40
"""Groups of so few units show each unit's norm as a bar, larger ones a histogram."""

_THIRDS: Mapping[str, tuple[str, str]] = {
    "low": (ORANGE, "triangle-down"),
    "middle": (NEUTRAL, "circle"),
    "high": (GREEN, "triangle-up"),
}
_MARKS = {"triangle-down": "▼", "circle": "●", "triangle-up": "▲"}


def weight_distribution(
    group: UnitGroup, matrix: str, detail: MatrixDetail, statistics: MatrixStatistics
) -> go.Figure:
    """How the numbers of a matrix are distributed, beside a normal distribution.

    Parameters
    ----------
    group : UnitGroup
    matrix : str
    detail : MatrixDetail
    statistics : MatrixStatistics
        Of the same matrix.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    centres = (detail.edges[:-1] + detail.edges[1:]) / 2
    n_numbers = int(detail.counts.sum()) + detail.n_beyond
    share = detail.counts / n_numbers
    figure = go.Figure()
    figure.add_bar(
        x=centres,
        y=share,
        width=np.diff(detail.edges),
        marker={"color": BLUE, "line": {"width": 0}},
        customdata=detail.counts,
        hovertemplate="%{x:.4f}: %{customdata:,} numbers (%{y:.2%})<extra></extra>",
    )
    if detail.deviation:
        width = float(detail.edges[1] - detail.edges[0])
        score = (centres - detail.mean) / detail.deviation
        density = np.exp(-0.5 * np.square(score)) / (detail.deviation * np.sqrt(2 * np.pi))
        figure.add_scatter(
            x=centres,
            y=density * width,
            mode="lines",
            line={"color": ORANGE, "width": 2, "dash": "dot"},
            hovertemplate="normal distribution: %{y:.2%}<extra></extra>",
        )
    floor = np.log10(max(0.5 / n_numbers, 1e-8))
    figure.update_xaxes(title_text="weight", nticks=6, title_standoff=4)
    figure.update_yaxes(
        title_text="share of numbers (log)",
        type="log",
        range=[floor, float(np.log10(max(share.max(), 1e-7))) + 0.2],
        tickformat=".0e",
        nticks=5,
    )
    beyond = (
        f"<br>{detail.n_beyond:,} of {n_numbers:,} beyond ±{REACH:g}σ" if detail.n_beyond else ""
    )
    lay_out(
        figure,
        DISTRIBUTION_HEIGHT,
        f"{matrix_label(group, matrix)}: {_tails(statistics.kurtosis)}{beyond}",
    )
    return figure


def _tails(kurtosis: float) -> str:
    if not np.isfinite(kurtosis):
        return "all numbers are equal"
    if abs(kurtosis) < 0.1:
        return "close to normal (dotted)"
    return f"{'heavier' if kurtosis > 0 else 'lighter'} tails than normal"


def unit_norms(group: UnitGroup, matrix: str, detail: MatrixDetail) -> go.Figure:
    """The norms of a matrix's units: a bar each, or a histogram where there are many.

    Parameters
    ----------
    group : UnitGroup
    matrix : str
    detail : MatrixDetail

    Returns
    -------
    plotly.graph_objects.Figure
    """
    norms = detail.norms
    unit = group.noun
    figure = go.Figure()
    if len(norms) <= BARS_UP_TO:
        figure.add_bar(
            x=np.arange(len(norms)),
            y=norms,
            marker={"color": BLUE},
            hovertemplate=f"{unit} %{{x}}: norm %{{y:.4g}}<extra></extra>",
        )
        figure.update_xaxes(title_text=f"{unit} (index)", dtick=1 if len(norms) <= 12 else 4)
        figure.update_yaxes(title_text="norm (weight)", nticks=5)
    else:
        counts, edges = np.histogram(norms, bins=40)
        figure.add_bar(
            x=(edges[:-1] + edges[1:]) / 2,
            y=counts,
            width=np.diff(edges),
            marker={"color": BLUE, "line": {"width": 0}},
            hovertemplate=f"norm %{{x:.4g}}: %{{y:,}} {unit}s<extra></extra>",
        )
        figure.update_xaxes(title_text="norm (weight)", nticks=6)
        figure.update_yaxes(title_text=f"{unit}s (count)", nticks=5)
    figure.update_xaxes(title_standoff=10, automargin=True)
    ratio = f"{norms.max() / norms.min():.2f} x" if norms.min() else "without bound"
    lay_out(figure, NORMS_HEIGHT, f"Largest {unit} over smallest: {ratio}")
    return figure


def variance_allocation(
    groups: Sequence[UnitGroup],
    variances: Mapping[str, float],
    n_clusters: Mapping[str, int],
    sparsity: float,
) -> go.Figure:
    """Groups in the order of their variance, and the K that the `variance` allocation gives them.

    Parameters
    ----------
    groups : sequence of UnitGroup
    variances : mapping of str to float
        By group id.
    n_clusters : mapping of str to int
        K under the allocation.
    sparsity : float
        Nominal, as a fraction.

    Returns
    -------
    plotly.graph_objects.Figure
        A column per kind: variance above, units kept below.
    """
    thirds = variance_thirds(groups, variances)
    kinds: dict[str, list[UnitGroup]] = {}
    for group in sorted(groups, key=lambda g: (variances[g.id], g.id)):
        kinds.setdefault(group.block, []).append(group)
    kinds = {block: kinds[block] for block in BLOCK_TITLES if block in kinds}
    figure = make_subplots(
        rows=2,
        cols=len(kinds),
        shared_xaxes=True,
        vertical_spacing=0.06,
        horizontal_spacing=0.07,
        row_heights=[0.5, 0.5],
        subplot_titles=[
            BLOCK_TITLES[block][0].upper() + BLOCK_TITLES[block][1:] for block in kinds
        ],
    )
    figure.update_annotations(font_size=13)
    several = len({group.stack for group in groups}) > 1
    for column, members in enumerate(kinds.values(), start=1):
        names = [f"{group.stack[0].upper() if several else ''}{group.layer}" for group in members]
        places = list(range(len(members)))
        styles = [_THIRDS[thirds[group.id]] for group in members]
        data = [
            [g.title, thirds[g.id], n_clusters[g.id], g.n_units, variances[g.id]] for g in members
        ]
        hover = (
            "<b>%{customdata[0]}</b><br>variance %{customdata[4]:.4g}: %{customdata[1]} third"
            "<br>K = %{customdata[2]:,} of %{customdata[3]:,}<extra></extra>"
        )
        figure.add_scatter(
            x=places,
            y=[variances[group.id] for group in members],
            mode="lines+markers",
            line={"color": NEUTRAL, "width": 1},
            marker={"color": [c for c, _ in styles], "symbol": [s for _, s in styles], "size": 10},
            customdata=data,
            hovertemplate=hover,
            row=1,
            col=column,
        )
        figure.add_bar(
            x=places,
            y=[n_clusters[group.id] / group.n_units for group in members],
            marker={"color": [c for c, _ in styles]},
            customdata=data,
            hovertemplate=hover,
            row=2,
            col=column,
        )
        figure.add_scatter(
            x=[-0.6, len(members) - 0.4],
            y=[1 - sparsity] * 2,
            mode="lines",
            line={"color": SKY, "width": 2, "dash": "dash"},
            hovertemplate="uniform: %{y:.1%} kept<extra></extra>",
            row=2,
            col=column,
        )
        step = 1 + (len(places) - 1) // 10  # names as long as "D31" side by side
        figure.update_xaxes(
            range=[-0.7, len(members) - 0.3],
            tickvals=places[::step],
            ticktext=names[::step],
            tickangle=0,
            showgrid=False,
            col=column,
        )
        figure.update_xaxes(
            title_text="layer, by variance",
            row=2,
            col=column,
        )
    figure.update_yaxes(tickformat=".3~g", nticks=5, row=1)
    figure.update_yaxes(tickformat=".0%", range=[0, 1.05], nticks=5, row=2)
    figure.update_yaxes(title_text="variance (weight²)", row=1, col=1)
    figure.update_yaxes(title_text="units kept (%)", row=2, col=1)
    key = "".join(
        f"   <span style='color:{color}'>{_MARKS[symbol]}</span> {third}"
        for third, (color, symbol) in _THIRDS.items()
    )
    lay_out(
        figure,
        ALLOCATION_HEIGHT,
        f"{_allocation_title(groups, thirds, n_clusters)}{key}"
        f"   <span style='color:{SKY}'>┅</span> uniform"
        f"{'   E encoder, D decoder' if several else ''}",
        headings=HEADINGS // 2,
    )
    figure.update_layout(bargap=0.25)
    return figure


def _allocation_title(
    groups: Sequence[UnitGroup], thirds: Mapping[str, str], n_clusters: Mapping[str, int]
) -> str:
    high, low = ([g for g in groups if thirds[g.id] == third] for third in ("high", "low"))
    if not (high and low):
        return "Too few layers for thirds"
    kept = [1 - achieved_sparsity(members, n_clusters) for members in (high, low)]
    return f"High variance keeps {kept[0]:.0%}, low variance {kept[1]:.0%}"
