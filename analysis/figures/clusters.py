"""Pictures of one group's units and of the clusters that they fall into."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.clustering.cluster_views import TreeDrawing
from analysis.clustering.merge_tree import MergeTree
from analysis.figures.layout import HEADINGS, lay_out, ticks_from_one
from analysis.figures.palette import DIVERGING, NEUTRAL, PURPLE, VERMILLION
from analysis.models.unit_groups import UnitGroup

CURVE_HEIGHT = 316
SIZES_HEIGHT = 250
MATRIX_HEIGHT = 360

FEW_BRANCHES = 12
"""Up to as many branches of a tree, their numbers are written level."""

FEW_CLUSTERS = 30
"""Up to as many of one size, cluster sizes are counted on a linear axis."""


def cut_curve(group: UnitGroup, tree: MergeTree, n_clusters: int, knee: int) -> go.Figure:
    """The error at every K, exact, with the K that is set and the knee marked.

    Parameters
    ----------
    group : UnitGroup
    tree : MergeTree
    n_clusters : int
        The K that is set.
    knee : int
        See `analysis.clustering.curves.knee`.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    errors = tree.inertia_curve[1:] / (tree.total or 1.0)
    ks = np.arange(1, tree.n_units + 1)
    figure = go.Figure()
    figure.add_scatter(
        x=ks,
        y=errors.astype(np.float32),
        mode="lines",
        line={"color": NEUTRAL, "width": 2},
        hovertemplate="K = %{x:,}<br>error %{y:.2%}<extra></extra>",
    )
    for k, color, symbol, name in (
        (knee, PURPLE, "diamond", "knee"),
        (n_clusters, VERMILLION, "circle", "K"),
    ):
        figure.add_scatter(
            x=[k, k],
            y=[0, errors[k - 1]],
            mode="lines+markers",
            line={"color": color, "width": 2, "dash": "dot"},
            marker={"color": color, "symbol": symbol, "size": [0, 11]},
            hovertemplate=f"{name}: %{{x:,}}<br>error %{{y:.2%}}<extra></extra>",
        )
    unit = "channels" if group.component == "ffn" else "heads"
    figure.update_xaxes(title_text=f"clusters K ({unit})", range=[0, tree.n_units * 1.02])
    figure.update_yaxes(title_text="merge error (% of squared norm)", tickformat=".0%")
    lay_out(
        figure,
        CURVE_HEIGHT,
        f"<span style='color:{VERMILLION}'>●</span> K = {n_clusters:,} costs"
        f" {errors[n_clusters - 1]:.2%}<br><span style='color:{PURPLE}'>◆</span> knee at {knee:,}:"
        f" {errors[knee - 1]:.2%}",
    )
    return figure


def cluster_sizes(group: UnitGroup, labels: np.ndarray) -> go.Figure:
    """How many clusters there are of each size.

    Parameters
    ----------
    group : UnitGroup
    labels : ndarray of int64, (n,)

    Returns
    -------
    plotly.graph_objects.Figure
    """
    counts = np.bincount(np.bincount(labels))
    sizes = np.flatnonzero(counts)
    unit = "channels" if group.component == "ffn" else "heads"
    figure = go.Figure()
    figure.add_bar(
        x=sizes,
        y=counts[sizes],
        width=max(0.8, float(sizes.max()) / 150),  # seen beside a cluster of hundreds, too
        marker={"color": [NEUTRAL if size == 1 else VERMILLION for size in sizes]},
        customdata=[
            f"{number:,} {'cluster' if number == 1 else 'clusters'} of {_of(size, unit)}"
            f"<br>together {_of(size * number, unit)}"
            for size, number in zip(sizes.tolist(), counts[sizes].tolist(), strict=True)
        ],
        hovertemplate="%{customdata}<extra></extra>",
    )
    largest = int(sizes.max())
    figure.update_xaxes(
        title_text=f"members ({unit})",
        range=[0.4, max(largest + 0.6, 5.6)],
        tickvals=ticks_from_one(max(largest, 5)),
    )
    most = int(counts.max())
    if most > FEW_CLUSTERS:
        figure.update_yaxes(title_text="clusters (count, log)", type="log", dtick=1)
        figure.update_yaxes(range=[-0.3, float(np.log10(most)) + 0.2])
    else:
        figure.update_yaxes(title_text="clusters (count)", tickformat="d", nticks=6)
        figure.update_yaxes(range=[0, 1.1 * most], dtick=1 if most <= 5 else None)
    lay_out(figure, SIZES_HEIGHT, f"Largest cluster: {_of(largest, unit)}")
    return figure


def _of(number: int, units: str) -> str:
    """So many channels or heads."""
    return f"{number:,} {units if number > 1 else units.removesuffix('s')}"


def similarity_matrices(
    matrices: Mapping[str, np.ndarray], names: Sequence[int], unit: str
) -> go.Figure:
    """Cosines between units, one square per matrix, on one scale from -1 to 1.

    Parameters
    ----------
    matrices : mapping of str to ndarray, (n, n)
        By title.
    names : sequence of int
        Index of each row's unit.
    unit : str
        "head" or "channel".

    Returns
    -------
    plotly.graph_objects.Figure
    """
    figure = make_subplots(
        rows=1, cols=len(matrices), subplot_titles=list(matrices), horizontal_spacing=0.12
    )
    figure.update_annotations(font_size=13)
    labels = [str(name) for name in names]
    for column, matrix in enumerate(matrices.values(), start=1):
        figure.add_heatmap(
            z=np.round(matrix.astype(np.float32), 4),
            x=labels,
            y=labels,
            coloraxis="coloraxis",
            hovertemplate=f"{unit}s %{{x}} and %{{y}}<br>cosine %{{z:.3f}}<extra></extra>",
            row=1,
            col=column,
        )
        figure.update_xaxes(
            title_text=f"{unit} (index)", type="category", nticks=10, tickangle=0, row=1, col=column
        )
        figure.update_yaxes(type="category", autorange="reversed", nticks=10, row=1, col=column)
    figure.update_yaxes(title_text=f"{unit} (index)", col=1)
    off = {title: _strongest(matrix) for title, matrix in matrices.items()}
    figure.update_layout(
        coloraxis={
            "colorscale": DIVERGING,
            "cmin": -1,
            "cmax": 1,
            "colorbar": {
                "title": {"text": "cosine (1)", "side": "right"},
                "thickness": 12,
                "outlinewidth": 0,
            },
        }
    )
    best = "; ".join(
        f"{value:.2f}{f' {title[0].lower()}{title[1:]}' if len(off) > 1 else ''}"
        for title, value in off.items()
    )
    lay_out(figure, MATRIX_HEIGHT, f"Highest cosine: {best}", headings=HEADINGS // 2)
    return figure


def _strongest(matrix: np.ndarray) -> float:
    return float(matrix[~np.eye(len(matrix), dtype=bool)].max()) if len(matrix) > 1 else 1.0


def merge_dendrogram(group: UnitGroup, drawing: TreeDrawing, n_clusters: int) -> go.Figure:
    """The merge tree of few units, or the last merges of many, with the cut at K.

    Parameters
    ----------
    group : UnitGroup
    drawing : TreeDrawing
    n_clusters : int
        The K that is set.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    unit = group.noun
    n_branches = len(drawing.order)
    whole = n_branches == group.n_units
    is_cut = n_clusters <= n_branches
    figure = go.Figure()
    for x, y in zip(drawing.x, drawing.y, strict=True):
        figure.add_scatter(
            x=x,
            y=y,
            mode="lines",
            line={"color": VERMILLION if y[1] <= drawing.cut else NEUTRAL, "width": 2},
            hovertemplate=f"merging here adds {y[1]:.2%}<extra></extra>",
        )
    places = list(range(n_branches))
    figure.add_scatter(
        x=places,
        y=[0] * n_branches,
        mode="markers",
        marker={"color": NEUTRAL, "size": 5},
        cliponaxis=False,
        customdata=[
            f"{unit} {first}" if size == 1 else f"branch of {size:,} {unit}s, one of them {first}"
            for first, size in zip(drawing.order, drawing.sizes, strict=True)
        ],
        hovertemplate="%{customdata}<extra></extra>",
    )
    if is_cut:
        figure.add_scatter(
            x=[-0.5, n_branches - 0.5],
            y=[drawing.cut] * 2,
            mode="lines",
            line={"color": PURPLE, "width": 2, "dash": "dash"},
            hovertemplate=f"cut at K = {n_clusters}<extra></extra>",
        )
    figure.update_xaxes(
        title_text=f"{unit} (index)" if whole else f"members of a branch ({unit}s)",
        tickvals=places,
        ticktext=[f"{name:,}" for name in (drawing.order if whole else drawing.sizes)],
        tickangle=0 if n_branches <= FEW_BRANCHES else 90,
        range=[-0.6, n_branches - 0.4],
        showgrid=False,
    )
    figure.update_yaxes(
        title_text="error added (% of squared norm)", tickformat=".3~p", rangemode="tozero"
    )
    cut = f"the <span style='color:{PURPLE}'>┅</span> cut at K = {n_clusters:,}"
    if not is_cut:
        title = (
            f"The last {n_branches - 1} of {group.n_units - 1:,} merges"
            f"<br>K = {n_clusters:,} is below them: none of them is made"
        )
    elif whole:
        merged = group.n_units - n_clusters
        merges = "1 merge" if merged == 1 else f"{merged} merges"
        title = f"<span style='color:{VERMILLION}'>━</span> {merges} below<br>{cut}"
    else:
        title = (
            f"The last {n_branches - 1} of {group.n_units - 1:,} merges"
            f"<br><span style='color:{VERMILLION}'>━</span> below {cut}"
        )
    lay_out(figure, MATRIX_HEIGHT, title)
    return figure
