"""Pictures that set variants beside their original: drift per layer, cost and damage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.evaluation.drift import Drift
from analysis.figures.layout import HEADINGS, lay_out
from analysis.figures.palette import NEUTRAL

DRIFT_HEIGHT = 540
COMPARISON_HEIGHT = 330

_LEAST_CHANGE = 0.05

_DASHES = ("solid", "dash", "dot", "dashdot")


@dataclass(frozen=True, slots=True)
class VariantMeasures:
    """What is known of a variant, each as a fraction; None where it was not measured.

    Parameters
    ----------
    name, color : str
    parameters, macs, encoder_time : float or None
        Of the original's.
    merge_error : float or None
        Relative squared merge error.
    drift : float or None
        Relative error of the encoder's output on the chosen clip.
    size : float or None
        Bytes over the original's; None where they say no more than the parameters.
    """

    name: str
    color: str
    parameters: float
    macs: float
    encoder_time: float | None
    merge_error: float | None
    drift: float | None
    size: float | None = None


def drift_lines(drifts: Mapping[str, Drift], colors: Mapping[str, str]) -> go.Figure:
    """Relative error and linear CKA of every layer's output, and what a layer makes of the error.

    A column per stack. What a layer makes of it is the error behind it over that before it: from
    the dashed line upwards it amplifies, below it absorbs.

    Parameters
    ----------
    drifts : mapping of str to Drift
        By the variant's name, at least one.
    colors : mapping of str to str
        By the variant's name.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    stacks = list(dict.fromkeys(d.stack for drift in drifts.values() for d in drift.layers))
    figure = make_subplots(
        rows=3,
        cols=len(stacks),
        shared_xaxes=True,
        shared_yaxes=True,
        vertical_spacing=0.08,
        horizontal_spacing=0.04,
        subplot_titles=[stack.capitalize() for stack in stacks],
    )
    figure.update_annotations(font_size=13)
    for place, (name, drift) in enumerate(drifts.items()):
        # later lines are drawn with gaps, through which one under them can be seen
        dash = _DASHES[place % len(_DASHES)]
        gains = dict(drift.gains())
        for column, stack in enumerate(stacks, start=1):
            own = [layer for layer in drift.layers if layer.stack == stack]
            measures = (
                ("relative error", ".1%", [layer.relative_error for layer in own]),
                ("CKA", ".4f", [layer.cka for layer in own]),
                ("of the error before it: x", ".2f", [gains.get(layer) for layer in own]),
            )
            for row, (label, fine, values) in enumerate(measures, start=1):
                figure.add_scatter(
                    x=[layer.layer for layer in own],
                    y=values,
                    mode="lines+markers",
                    name=escape(name),
                    line={"color": colors[name], "width": 2, "dash": dash},
                    marker={"color": colors[name], "size": 6},
                    hovertemplate=f"<b>{escape(name)}</b>, layer %{{x}}<br>"
                    f"{label} %{{y:{fine}}}<extra></extra>",
                    row=row,
                    col=column,
                )
            figure.update_xaxes(
                dtick=1 if len(own) <= 12 else 4,
                range=[-0.3, max(layer.layer for layer in own) + 0.3],
                showgrid=False,
                col=column,
            )
    figure.add_hline(y=1, line={"color": NEUTRAL, "width": 1, "dash": "dash"}, row=3)
    figure.update_xaxes(title_text="layer (index)", row=3)
    layers = [layer for drift in drifts.values() for layer in drift.layers]
    highest = np.nanmax([0.01, *(layer.relative_error for layer in layers)])
    lowest = np.nanmin([0.9, *(layer.cka for layer in layers)])
    figure.update_yaxes(nticks=5, zeroline=False)
    fine = ".0%" if highest >= 0.05 else ".1%"
    figure.update_yaxes(tickformat=fine, range=[0, 1.08 * highest], row=1)
    figure.update_yaxes(range=[lowest - 0.06 * (1 - lowest), 1 + 0.06 * (1 - lowest)], row=2)
    figure.update_yaxes(title_text="relative error (%)", row=1, col=1)
    figure.update_yaxes(title_text="CKA, debiased (1)", row=2, col=1)
    grown = [gain for drift in drifts.values() for _, gain in drift.gains()]
    figure.update_yaxes(range=[0, 1.15 * np.nanmax([1.0, *grown])], row=3)
    figure.update_yaxes(title_text="lets it grow (x)", row=3, col=1)
    name, worst = max(
        ((name, layer) for name, drift in drifts.items() for layer in drift.layers),
        key=lambda pair: pair[1].relative_error,
    )
    finding = (
        f"“{escape(name)}” moves {worst.stack} layer {worst.layer} most: by"
        f" {100 * worst.relative_error:.2g} % of its norm"
    )
    lay_out(figure, DRIFT_HEIGHT, _with_key(finding, colors), headings=HEADINGS)
    figure.update_layout(hovermode="closest")
    return figure


def comparison_bars(measures: Sequence[VariantMeasures]) -> go.Figure:
    """What each variant still costs, and what it changed; what was not measured is left out.

    Parameters
    ----------
    measures : sequence of VariantMeasures
        At least one.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    facets: tuple[tuple[str, Mapping[str, str]], ...] = (
        (
            "Cost (% of the original)",
            {
                "parameters": "parameters",
                "size": "size",
                "macs": "MACs/s",
                "encoder_time": "encoder time",
            },
        ),
        (
            "Change (%, 0 is the original)",
            {"merge_error": "merge error", "drift": "drift of encoder output"},
        ),
    )
    figure = make_subplots(
        rows=1,
        cols=2,
        column_widths=[0.58, 0.42],
        horizontal_spacing=0.08,
        subplot_titles=[title for title, _ in facets],
    )
    figure.update_annotations(font_size=13)
    for column, (_, fields) in enumerate(facets, start=1):
        known = [f for f in fields if any(getattr(m, f) is not None for m in measures)]
        for own in measures:
            figure.add_bar(
                x=[fields[field] for field in known],
                y=[getattr(own, field) for field in known],
                name=escape(own.name),
                marker={"color": own.color},
                hovertemplate=f"<b>{escape(own.name)}</b><br>%{{x}} %{{y:.1%}}<extra></extra>",
                row=1,
                col=column,
            )
    figure.update_yaxes(tickformat=".3~p", rangemode="tozero", nticks=6)
    changes = [own for m in measures for own in (m.merge_error, m.drift) if own is not None]
    if changes and max(changes) < _LEAST_CHANGE:  # next to nothing must not fill the picture
        figure.update_yaxes(range=[0, _LEAST_CHANGE], col=2)
    figure.add_hline(y=1, line={"dash": "dot", "width": 1}, row=1, col=1)
    smallest = min(measures, key=lambda own: own.parameters)
    finding = (
        f"“{escape(smallest.name)}” is the smallest: {smallest.parameters:.0%} of the parameters,"
        f" {smallest.macs:.0%} of the MACs"
    )
    if smallest.encoder_time is not None:
        finding += f", {smallest.encoder_time:.0%} of the encoder's time"
    title = _with_key(finding, {m.name: m.color for m in measures})
    lay_out(figure, COMPARISON_HEIGHT, title, headings=HEADINGS)
    figure.update_layout(barmode="group", bargap=0.3)
    return figure


def _with_key(finding: str, colors: Mapping[str, str]) -> str:
    """A title, and under it which colour is which variant."""
    key = "   ".join(
        f"<span style='color:{color}'>■</span> {escape(name)}" for name, color in colors.items()
    )
    return f"{finding}<br><span style='font-size:12px'>{key}</span>"
