"""Pictures of one group's units and of the clusters that they fall into."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.clustering.cluster_views import TreeDrawing
from analysis.clustering.merge_tree import MergeTree
from analysis.figures.layout import lay_out
from analysis.figures.palette import DIVERGING, NEUTRAL, PURPLE, VERMILLION
from analysis.models.unit_groups import UnitGroup

CURVE_HEIGHT = 316
SIZES_HEIGHT = 250
MATRIX_HEIGHT = 360

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
    figure.update_layout(margin_t=60)  # two lines: on one, large K leave a narrow column
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
        marker={"color": [NEUTRAL if size == 1 else VERMILLION for size in sizes]},
        hovertemplate=f"clusters of %{{x:,}} {unit}: %{{y:,}}<extra></extra>",
    )
    dtick = 1 if sizes.max() <= 12 else None
    figure.update_xaxes(title_text=f"size of the cluster ({unit})", nticks=8, dtick=dtick)
    most = int(counts.max())
    if most > FEW_CLUSTERS:
        figure.update_yaxes(title_text="clusters (count, log)", type="log", dtick=1)
        figure.update_yaxes(range=[-0.3, float(np.log10(most)) + 0.2])
    else:
        figure.update_yaxes(title_text="clusters (count)", tickformat="d", nticks=6)
        figure.update_yaxes(range=[0, 1.1 * most], dtick=1 if most <= 5 else None)
    largest = f"{int(sizes.max()):,} {unit}" if sizes.max() > 1 else "one unit"
    lay_out(figure, SIZES_HEIGHT, f"The largest cluster has {largest}")
    return figure


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
    lay_out(figure, MATRIX_HEIGHT, f"Highest cosine: {best}")
    figure.update_layout(margin_t=78)
    return figure


def _strongest(matrix: np.ndarray) -> float:
    return float(matrix[~np.eye(len(matrix), dtype=bool)].max()) if len(matrix) > 1 else 1.0


def merge_dendrogram(group: UnitGroup, drawing: TreeDrawing, n_clusters: int) -> go.Figure:
    """The merge tree of few units, with the cut at K.

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
    unit = "channel" if group.component == "ffn" else "head"
    figure = go.Figure()
    for x, y in zip(drawing.x, drawing.y, strict=True):
        figure.add_scatter(
            x=x,
            y=y,
            mode="lines",
            line={"color": VERMILLION if y[1] <= drawing.cut else NEUTRAL, "width": 2},
            hovertemplate=f"merging here adds {y[1]:.2%}<extra></extra>",
        )
    last = len(drawing.order) - 1
    figure.add_scatter(
        x=[-0.5, last + 0.5],
        y=[drawing.cut] * 2,
        mode="lines",
        line={"color": PURPLE, "width": 2, "dash": "dash"},
        hovertemplate=f"cut at K = {n_clusters}<extra></extra>",
    )
    figure.update_xaxes(
        title_text=f"{unit} (index)",
        tickvals=list(range(last + 1)),
        ticktext=[str(leaf) for leaf in drawing.order],
        tickangle=0 if last < 12 else 90,
        range=[-0.6, last + 0.6],
        showgrid=False,
    )
    figure.update_yaxes(
        title_text="error added (% of squared norm)", tickformat=".3~p", rangemode="tozero"
    )
    merged = last + 1 - n_clusters
    merges = "1 merge" if merged == 1 else f"{merged} merges"
    lay_out(
        figure,
        MATRIX_HEIGHT,
        f"<span style='color:{VERMILLION}'>━</span> {merges} below"
        f" the <span style='color:{PURPLE}'>┅</span> cut at K = {n_clusters}",
    )
    return figure
