"""What a sweep found, on the page: curves, Pareto charts, the table, the worst utterances."""

from collections.abc import Mapping, Sequence
from functools import partial

import plotly.graph_objects as go
import streamlit as st

from analysis.evaluation.corpus_evaluation import worst_utterances
from analysis.evaluation.significance import LEVEL_SHOWN
from analysis.evaluation.sweep import Row
from analysis.evaluation.sweep_tables import (
    notes,
    to_latex,
    to_markdown,
)
from analysis.evaluation.sweep_tables import table as wer_table
from analysis.figures.marked_words import folded, legend, marked_transcript
from analysis.figures.palette import ORIGINAL
from analysis.figures.sweeps import (
    AXES,
    PARETO_HEIGHT,
    Line,
    lines_of,
    pareto,
    wer_curves,
)
from analysis.models.speech_model import SpeechModel
from analysis.speech.disturbing import describe_condition
from analysis.wording import number_of
from pages.runs.closer_look import BLIND, VIEW_KEY, draw_closer_look
from pages.runs.opened import draw_save_results, say_origin
from pages.session.session import Session
from pages.session.sweep_state import SweepState
from pages.widgets.basics import data_table, figure, swatch
from pages.widgets.choices import choose_one
from pages.widgets.exports import draw_exports, table_button
from pages.widgets.formatting import escape_markdown, percent

N_WORST = 6
_PARETO_WIDTH = 400  # pixels, in which the buttons and the title of the axis are whole
_LOGARITHMIC, _LINEAR = "Logarithmic", "Linear"
_COST_NAMES = {
    "parameters": "Parameters",
    "bytes": "Bytes",
    "macs": "MACs",
    "real_time_factor": "Real-time factor",
}


def draw_results(session: Session, model: SpeechModel, state: SweepState) -> None:
    """Everything about the rows that are there; at least the original."""
    say_origin(state, model)
    state.colors = {variant.name: variant.color for variant in session.variants_of(model)}
    rows = _choose_rows(state)
    charts = _draw_charts(state, rows) if len(rows) > 1 else {}
    _draw_table(state)
    if st.session_state.get(VIEW_KEY) == BLIND:
        st.caption("The utterances that lose most are not shown while you listen blind.")
    else:
        _draw_worst(rows, state.colors)
    draw_closer_look(session, model, state)
    table = wer_table(state.rows)
    with st.container(horizontal=True):
        draw_exports("sweep", charts, {"wer-table": table})
        draw_save_results(state)


def _draw_charts(state: SweepState, rows: Sequence[Row]) -> dict[str, go.Figure]:
    """WER against what was removed and what it costs, of an original and what was made of it."""
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    left.header("WER against what was removed")
    with right:
        log = choose_one("WER axis", [_LOGARITHMIC, _LINEAR], key="wer-axis") == _LOGARITHMIC
    curves = wer_curves(rows, log=log, colors=state.colors)
    figure(
        curves,
        key="wer-curves",
        alt="Word error rate over the removed share of the parameters, a line per method.",
        height=curves.layout.height,
    )
    st.caption(
        f"Bars: {LEVEL_SHOWN} interval of each WER, by bootstrap over"
        f" {state.original.corpus.drawn}; bands join those of one line. Differences between"
        " two lines are tested in pairs, on the same utterances; the table says which hold."
    )
    st.header("WER against cost")
    grid = st.grid(2, min_column_width=_PARETO_WIDTH, gap="medium")
    charts = {"wer-over-removed": curves}
    for default in ("parameters", "macs"):
        with grid.cell():
            axis = choose_one(
                "Cost",
                list(AXES),
                key=f"pareto-axis:{default}",
                default=default,
                format_func=_COST_NAMES.__getitem__,
            )
            chart = charts[f"wer-over-{axis}"] = pareto(rows, axis, log=log, colors=state.colors)
            figure(
                chart,
                key=f"pareto:{default}",
                alt=f"Word error rate against {AXES[axis][0]}, a point per model.",
                height=PARETO_HEIGHT,
            )
    return charts


def _choose_rows(state: SweepState) -> list[Row]:
    """Those of one original under one condition, which the figures are about."""
    conditions = state.conditions
    condition = conditions[0]
    compressed = dict.fromkeys(row.model for row in state.evaluated if row.cell is not None)
    models = list(compressed) or [state.evaluated[0].model]
    model = models[0]
    if len(conditions) > 1 or len(models) > 1:
        with st.container(horizontal=True):
            if len(models) > 1:
                model = choose_one("Model", models, key="sweep-original")
            if len(conditions) > 1:
                condition = choose_one(
                    "Condition",
                    conditions,
                    key="sweep-condition",
                    format_func=describe_condition,
                )
    return [row for row in state.under(condition) if row.model == model]


def _draw_table(state: SweepState) -> None:
    """The rows with their tests, and the same for a paper."""
    st.header("Table")
    table = wer_table(state.rows)
    several_models = table["model"].nunique() > 1
    numbers = st.column_config.NumberColumn
    data_table(
        table.assign(
            parameters=table["parameters"] / 1e6,
            macs_per_second=table["macs_per_second"] / 1e6,
            allocation=table["allocation"].fillna("–"),
            condition=table["condition"].fillna("").map(describe_condition),
        ),
        column_order=[
            *(("model",) if several_models else ()),
            *("method", "allocation"),
            *(("condition",) if len(state.conditions) > 1 else ()),
            *("removed", "wer", "wer_low", "wer_high", "original_difference"),
            *("original_p_permutation", "original_p_mapsswe"),
            *("substitutions", "insertions", "deletions", "cer", "insertion_rate", "looping"),
            *("parameters", "real_time_factor"),
            *("magnitude_difference", "magnitude_p_permutation", "magnitude_p_mapsswe"),
        ],
        column_config={
            "model": "Model",
            "condition": "Condition",
            # wide enough for the longest of a few names
            "method": st.column_config.TextColumn(
                "Method", width=min(360, 40 + 8 * int(table["method"].str.len().max()))
            ),
            "allocation": "Allocation",
            "removed": numbers("Removed (%)", format="%.1f"),
            "parameters": numbers("Parameters (M)", format="%.2f"),
            "real_time_factor": numbers("RTF", format="%.3f"),
            "wer": numbers("WER (%)", format="%.2f"),
            "wer_low": numbers("from", format="%.2f", help=f"{LEVEL_SHOWN} interval"),
            "wer_high": numbers("to", format="%.2f", help=f"{LEVEL_SHOWN} interval"),
            "cer": numbers("CER (%)", format="%.2f"),
            "substitutions": numbers("S", width="small"),
            "insertions": numbers("I", width="small"),
            "deletions": numbers("D", width="small"),
            "insertion_rate": numbers(
                "Inserted (%)", format="%.2f", help="words that nobody said, over words said"
            ),
            "looping": numbers(
                "Looping (%)", format="%.1f", help="utterances whose words go round in circles"
            ),
            "original_difference": numbers("Δ original", format="%+.2f", help="points of WER"),
            "original_p_permutation": numbers("p, permutation", format="%.4f"),
            "original_p_mapsswe": numbers("p, MAPSSWE", format="%.4f"),
            "magnitude_difference": numbers("Δ magnitude", format="%+.2f", help="points of WER"),
            "magnitude_p_permutation": numbers("p, permutation ", format="%.4f"),
            "magnitude_p_mapsswe": numbers("p, MAPSSWE ", format="%.4f"),
        },
        key="sweep-table",
        alt="Word error rates of all models with intervals and tests.",
    )
    st.caption("  \n".join(map(escape_markdown, notes(state.rows))))
    with st.container(horizontal=True):
        for ending in ("csv", "parquet"):
            table_button(partial(wer_table, state.rows), "wer", ending, key="table")
        for label, text, name, kind in (
            ("Markdown", to_markdown(state.rows), "wer.md", "text/markdown"),
            ("LaTeX", to_latex(state.rows), "wer.tex", "application/x-tex"),
        ):
            st.download_button(
                label,
                text,
                file_name=name,
                mime=kind,
                icon=":material/download:",
                on_click="ignore",
                key=f"table:{name}",
            )


def _draw_worst(shown: list[Row], colors: Mapping[str, str]) -> None:
    """Where a model loses most against the original, word by word."""
    original = shown[0].evaluation
    rows = [row for row in shown if row.cell is not None]
    if not rows:
        return
    st.header("Utterances that lose most")
    lines = {id(row): line for line in lines_of(rows, colors) for row in line.rows}
    rows.sort(key=lambda row: row.cell is not None and row.cell.way.is_magnitude)  # the baseline
    # by name, for while a sweep goes on the rows change their places
    named = {_name(lines[id(row)], row): row for row in rows}
    row = named[st.selectbox("Model", list(named), key="worst-model")]
    evaluation, corpus = row.evaluation, row.evaluation.corpus
    worst = worst_utterances(evaluation, original)[:N_WORST]
    if not worst:
        st.caption("This model gets every word right.")
        return
    st.html(legend())
    left, right = st.columns(2)
    line = lines[id(row)]
    left.markdown(f"{swatch(line.color)} **{escape_markdown(_name(line, row))}**")
    right.markdown(f"{swatch(ORIGINAL)} **original**")
    for index in worst:
        utterance, own = corpus.utterances[index], evaluation.scores[index]
        theirs = original.scores[index]
        with st.container(border=True):
            st.caption(
                f"{escape_markdown(utterance.id)} · errors: {evaluation.errors[index]},"
                f" original: {original.errors[index]}, of {number_of(own.words, 'word')}"
            )
            left, right = st.columns(2)
            left.html(folded(marked_transcript(own.alignment), f"Words: {_name(line, row)}"))
            right.html(folded(marked_transcript(theirs.alignment), "Words: original"))


def _name(line: Line, row: Row) -> str:
    assert row.cell is not None
    return f"{line.name}, {percent(row.cell.sparsity, 0)}"
