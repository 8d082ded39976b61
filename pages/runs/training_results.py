"""A training run on the page: loss, validation WER, and what is pinched, while it goes on."""

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from analysis.figures.training import (
    CURVE_HEIGHT,
    GATES_HEIGHT,
    loss_curve,
    sparsity_map,
    threshold_map,
    wer_curve,
)
from analysis.plan.training_record import DISTILLATION
from analysis.training.log import TrainingCurves
from pages.widgets.basics import figure
from pages.widgets.exports import draw_exports
from pages.widgets.formatting import escape_markdown, seconds
from pages.widgets.presented import scaled


def draw_run(curves: TrainingCurves, names: Mapping[str, str]) -> None:
    """The curves of a run that has begun.

    Parameters
    ----------
    curves : TrainingCurves
        With its start; further parts come as they are there.
    names : mapping of str to str
        What the visitor calls the models that the run may have started from.
    """
    st.caption(_sentence(curves, names))
    charts: dict[str, go.Figure] = {}
    left, right = st.columns(2)
    with left:
        if curves.steps:
            charts["training-loss"] = chart = loss_curve(curves)
            figure(
                chart,
                key="training-loss",
                alt="Loss per token over the training steps.",
                height=CURVE_HEIGHT,
            )
        else:
            _waiting("The loss comes with the first steps.", CURVE_HEIGHT)
    with right:
        if curves.validations:
            charts["training-wer"] = chart = wer_curve(curves)
            figure(
                chart,
                key="training-wer",
                alt="Word error rate against"
                f" {curves.start.get('validation_against', 'transcripts')}, before training and"
                " after each epoch.",
                height=CURVE_HEIGHT,
            )
        else:
            _waiting("The WER before training is being measured.", CURVE_HEIGHT)
    if curves.steps and "sparsities" in curves.steps[-1]:
        _draw_gates(curves, charts)
    if curves.ended == "finished":
        st.page_link(
            "pages/transcribe.py",
            label="Hear what it learned: Transcribe",
            icon=":material/graphic_eq:",
        )
    rows = [{k: v for k, v in row.items() if not isinstance(v, dict)} for row in curves.steps]
    if rows:
        tables = {"steps": pd.DataFrame(rows), "validation": pd.DataFrame(curves.validations)}
        draw_exports("training", charts, tables)


def _draw_gates(curves: TrainingCurves, charts: dict[str, go.Figure]) -> None:
    left, right = st.columns(2)
    with left:
        charts["sparsity"] = chart = sparsity_map(curves)
        figure(
            chart,
            key="training-sparsity",
            alt="Pinched share of every matrix or unit group over the steps.",
            height=GATES_HEIGHT,
        )
    with right:
        charts["thresholds"] = chart = threshold_map(curves)
        figure(
            chart,
            key="training-thresholds",
            alt="Threshold of every matrix or unit group over the steps.",
            height=GATES_HEIGHT,
        )


def _waiting(sentence: str, height: int) -> None:
    """A sentence in the room of a figure, so that nothing moves when the figure comes."""
    with st.container(height=scaled(height), border=True):
        st.caption(sentence)


def _sentence(curves: TrainingCurves, names: Mapping[str, str]) -> str:
    start = curves.start
    model = str(start["model"])
    done = curves.steps[-1]["step"] if curves.steps else 0
    state = {"finished": "finished", "stopped": "stopped; it can go on"}.get(curves.ended or "", "")
    parts = [
        f"{str(start['method']).capitalize()} of {escape_markdown(names.get(model, model))} on"
        f" {escape_markdown(str(start['data']))}",
        *(["trained, data-free"] if start["method"] == DISTILLATION else []),
        f"step {done:,} of {start['n_steps']:,}",
        f"{seconds(curves.seconds)} of training",
    ]
    return ", ".join([*parts, *filter(None, [state])]) + "."
