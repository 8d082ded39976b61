"""A picture of which layers of two models, or which heads of one layer, lie alike."""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.figures.layout import HEADINGS, lay_out
from analysis.figures.palette import SEQUENTIAL

CKA_HEIGHT = 360

DEFINITION = (
    "Debiased linear CKA (Kornblith 2019, Nguyen 2021) of the states at the same positions:"
    " 1 where they lie alike up to rotation and scale, about 0 where they have nothing in common."
)
"""For the page."""


def layer_similarity(similarities: Mapping[str, Sequence[Sequence[float]]], name: str) -> go.Figure:
    """Each layer of the original beside each of a variant: a square per stack.

    Parameters
    ----------
    similarities : mapping of str to rows
        See `analysis.evaluation.drift.Drift`.
    name : str
        Of the variant.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    figure = make_subplots(
        rows=1,
        cols=len(similarities),
        subplot_titles=[stack.capitalize() for stack in similarities],
        horizontal_spacing=0.12,
    )
    figure.update_annotations(font_size=13)
    for column, rows in enumerate(similarities.values(), start=1):
        _add_square(figure, np.array(rows), column, "layer", "original", escape(name))
        figure.update_xaxes(title_text="layer of the variant (index)", col=column)
    figure.update_yaxes(title_text="layer of the original (index)", col=1)
    stray = [
        (stack, row, int(np.nanargmax(values)))
        for stack, rows in similarities.items()
        for row, values in enumerate(np.array(rows))
        if np.isfinite(values).any() and int(np.nanargmax(values)) != row
    ]
    finding = f"“{escape(name)}”: every layer is most like its own"
    if stray:
        stack, row, other = stray[0]
        finding = (
            f"“{escape(name)}”: {stack} layer {row} of the original is most like layer {other}"
        )
    _finish(figure, finding)
    return figure


def head_similarity(matrix: np.ndarray, heads: Sequence[int]) -> go.Figure:
    """How alike the outputs of a layer's heads lie.

    Parameters
    ----------
    matrix : ndarray, (n, n)
        See `analysis.clustering.cka.cka_matrix`.
    heads : sequence of int

    Returns
    -------
    plotly.graph_objects.Figure
    """
    figure = make_subplots(rows=1, cols=1)
    _add_square(figure, matrix, 1, "head", "", "", [str(head) for head in heads])
    figure.update_xaxes(title_text="head (index)")
    figure.update_yaxes(title_text="head (index)")
    off = np.where(np.eye(len(matrix), dtype=bool) | ~np.isfinite(matrix), -np.inf, matrix)
    first, second = (int(place) for place in np.unravel_index(off.argmax(), off.shape))
    finding = "One head has no other to be like"
    if len(matrix) > 1:
        pair = sorted((heads[first], heads[second]))
        finding = f"CKA is highest for heads {pair[0]} and {pair[1]}: {off.max():.2f}"
        if not np.isfinite(off).any():
            finding = "The sound is too short, or the heads too still, to compare them"
    _finish(figure, finding)
    return figure


def _add_square(
    figure: go.Figure,
    matrix: np.ndarray,
    column: int,
    unit: str,
    row_name: str,
    column_name: str,
    names: Sequence[str] = (),
) -> None:
    labels = list(names) or [str(index) for index in range(len(matrix))]
    figure.add_heatmap(
        z=matrix.round(4),
        x=labels,
        y=labels,
        coloraxis="coloraxis",
        hovertemplate=f"{row_name} {unit} %{{y}}, {column_name} {unit} %{{x}}"
        "<br>CKA %{z:.3f}<extra></extra>",
        row=1,
        col=column,
    )
    figure.update_xaxes(type="category", nticks=10, tickangle=0, row=1, col=column)
    figure.update_yaxes(type="category", autorange="reversed", nticks=10, row=1, col=column)


def _finish(figure: go.Figure, title: str) -> None:
    figure.update_layout(
        coloraxis={
            "colorscale": SEQUENTIAL,
            "cmin": 0,
            "cmax": 1,
            "colorbar": {
                "title": {"text": "CKA (1)", "side": "right"},
                "thickness": 12,
                "outlinewidth": 0,
            },
        }
    )
    lay_out(figure, CKA_HEIGHT, title, headings=HEADINGS // 2)
