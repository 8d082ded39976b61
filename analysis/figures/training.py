"""Pictures of a training run: loss, validation WER, and what the gates pinch, step by step."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from analysis.figures.layout import lay_out
from analysis.figures.palette import NEUTRAL, ORIGINAL, SEQUENTIAL, VARIANTS, with_alpha
from analysis.plan.training_record import DISTILLATION, OWN_WORDS
from analysis.training.log import TrainingCurves

CURVE_HEIGHT = 330
GATES_HEIGHT = 420

_SMOOTHING = 0.9  # of the exponential mean in front of the single losses


def loss_curve(curves: TrainingCurves) -> go.Figure:
    """Loss of the task per token over the steps, and its running mean.

    Where the original alone teaches, it is the distance to the original instead.

    Parameters
    ----------
    curves : TrainingCurves
        With one step or more.
    """
    data_free = curves.start.get("method") == DISTILLATION
    steps = [row["step"] for row in curves.steps]
    losses = [row["objective" if data_free else "loss"] for row in curves.steps]
    means = running_mean(losses)
    rates = [row["learning_rate"] for row in curves.steps]
    figure = go.Figure()
    figure.add_scatter(
        x=steps,
        y=losses,
        mode="lines",
        line={"color": with_alpha(VARIANTS[0], 0.35), "width": 1},
        customdata=rates,
        hovertemplate="step %{x}<br>loss %{y:.4f}<br>learning rate %{customdata:.2e}"
        "<extra></extra>",
    )
    figure.add_scatter(
        x=steps,
        y=means,
        mode="lines",
        line={"color": VARIANTS[0], "width": 2.5},
        hovertemplate="step %{x}<br>running mean %{y:.4f}<extra></extra>",
    )
    figure.update_xaxes(title_text="step", range=[0, _last_step(curves)])
    axis = "divergence (nats) + distance of states" if data_free else "loss (nats per token)"
    title = f"Loss: {means[-1]:.3f} nats per token, running mean"
    if data_free:
        title = f"Distance to the original: {means[-1]:.3f}, running mean"
    figure.update_yaxes(title_text=axis, rangemode="tozero")
    lay_out(figure, CURVE_HEIGHT, title)
    return figure


def running_mean(values: Sequence[float]) -> list[float]:
    """Exponential mean without a bias towards the first value."""
    means, total, weight = [], 0.0, 0.0
    for value in values:
        total = _SMOOTHING * total + (1 - _SMOOTHING) * value
        weight = _SMOOTHING * weight + (1 - _SMOOTHING)
        means.append(total / weight)
    return means


def wer_curve(curves: TrainingCurves) -> go.Figure:
    """Validation WER after each epoch, beside what it was before training.

    Parameters
    ----------
    curves : TrainingCurves
        With one validation or more.
    """
    last = _last_step(curves)
    steps = [row["step"] for row in curves.validations]
    wers = [row["wer"] for row in curves.validations]
    own_words = curves.start.get("validation_against") == OWN_WORDS
    what = "divergence" if own_words else "WER"
    figure = go.Figure()
    figure.add_hline(y=wers[0], line={"color": NEUTRAL, "width": 1, "dash": "dash"})
    figure.add_scatter(
        x=steps,
        y=wers,
        mode="lines+markers",
        line={"color": ORIGINAL, "width": 2},
        marker={"size": 9},
        customdata=[row["epoch"] for row in curves.validations],
        hovertemplate=f"epoch %{{customdata:.0f}}<br>{what} %{{y:.2%}}<extra></extra>",
    )
    figure.update_xaxes(title_text="step", range=[-0.02 * last, 1.02 * last])
    axis = f"divergence from {OWN_WORDS}" if own_words else "validation WER"
    figure.update_yaxes(title_text=axis, tickformat=".1%", rangemode="tozero")
    title = f"Validation WER: {wers[0]:.1%} before training"
    if own_words:
        title = f"Divergence from the original: {wers[0]:.1%} before"
    if len(wers) > 1:
        title += f", {wers[-1]:.1%} after epoch {curves.validations[-1]['epoch']:.0f}"
    lay_out(figure, CURVE_HEIGHT, title)
    return figure


def sparsity_map(curves: TrainingCurves) -> go.Figure:
    """Pinched share of every matrix or unit group over the steps.

    Parameters
    ----------
    curves : TrainingCurves
        Of a run with gates.
    """
    last = curves.steps[-1]
    title = f"{last['sparsity']:.1%} pinched"
    if "wanted" in last:
        title += f", {last['wanted']:.1%} wanted at this step"
    return _map(curves, "sparsities", title, "pinched", ".0%", upper=1.0)


def threshold_map(curves: TrainingCurves) -> go.Figure:
    """Threshold of every matrix or unit group over the steps; see `sparsity_map`."""
    thresholds = curves.steps[-1]["thresholds"]
    most = max(thresholds, key=thresholds.__getitem__)
    title = f"Thresholds: the highest is {thresholds[most]:.2g}, in {layer_of(most)}"
    return _map(curves, "thresholds", title, "threshold", ".2g", upper=None)


def _map(
    curves: TrainingCurves, field: str, title: str, what: str, digits: str, upper: float | None
) -> go.Figure:
    names = list(curves.steps[-1][field])
    values = np.array([[row[field][name] for row in curves.steps] for name in names])
    steps = [row["step"] for row in curves.steps]
    shown = [short_name(name) for name in names]
    figure = go.Figure(
        go.Heatmap(
            x=steps,
            y=list(range(len(names))),
            z=values,
            text=[[name] * len(steps) for name in shown],
            zmin=0.0,
            zmax=upper,
            colorscale=SEQUENTIAL,
            colorbar={"thickness": 12, "tickformat": digits},
            hovertemplate=f"%{{text}}<br>step %{{x}}<br>{what} %{{z:{digits}}}<extra></extra>",
        )
    )
    layers = [layer_of(name) for name in names]
    firsts = [i for i, layer in enumerate(layers) if i == 0 or layer != layers[i - 1]]
    figure.update_xaxes(title_text="step", range=[0, _last_step(curves)])
    figure.update_yaxes(
        autorange="reversed",
        tickvals=firsts,
        ticktext=[layers[first] for first in firsts],
        automargin=True,
    )
    lay_out(figure, GATES_HEIGHT, title)
    return figure


def short_name(name: str) -> str:
    """A matrix's path or a group's id, without what all have in common.

    Examples
    --------
    >>> short_name("hubert.encoder.layers.3.attention.q_proj")
    'encoder 3 attention q_proj'
    >>> short_name("decoder.0.cross_attention")
    'decoder 0 cross_attention'
    """
    parts = [part for part in name.split(".") if part != "layers"]
    start = next((i for i, part in enumerate(parts) if part in ("encoder", "decoder")), 0)
    return " ".join(parts[start:])


def layer_of(name: str) -> str:
    """The layer of a matrix or group, e.g. ``"encoder 3"``."""
    return " ".join(short_name(name).split()[:2])


def _last_step(curves: TrainingCurves) -> int:
    """The end of the step axis: that of the run, so that nothing moves while it grows."""
    return int(curves.start.get("n_steps") or curves.steps[-1]["step"])
