"""The slices of a corpus that lose most; a click shows their utterances."""

from typing import Any

import pandas as pd
import streamlit as st

from analysis.evaluation.loss_tables import SLICE_TITLES
from analysis.evaluation.significance import LEVEL_SHOWN
from analysis.evaluation.slices import MIN_BLOCKS, Slice, slice_values, slices_of
from analysis.evaluation.utterances import column_title
from analysis.figures.losses import MOST_SLICES, slice_chart
from pages.runs.explorer import show_slice
from pages.session.sweep_state import SweepState
from pages.widgets.basics import data_table, figure
from pages.widgets.exports import draw_exports

_FORMATS = {
    "utterances": "%d",
    "words": "%d",
    "original_wer": "%.1f",
    "wer": "%.1f",
    "difference": "%+.1f",
    "low": "%+.1f",
    "high": "%+.1f",
}


def draw_slices(state: SweepState, model: int, base: int) -> None:
    """A picture of those that lose most, and the table of all."""
    with st.spinner("Testing every slice"):
        slices = state.remember(
            ("slices", model, base), lambda: slices_of(state.table_against(base), model)
        )
    if not slices:
        st.caption(
            f"A slice has {MIN_BLOCKS} utterances or more, and no column of the corpus divides it"
            " into such parts."
        )
        return
    chart = slice_chart(slices)
    figure(
        chart,
        key=f"slices-chart:{model}:{base}",
        alt="What the slices that lose most lose, in points of WER.",
        height=chart.layout.height,
    )
    table = pd.DataFrame([slice_values(one) for one in slices])
    _draw_table(table, slices, model, base)
    drawn = f" The picture shows the first {MOST_SLICES}." if len(slices) > MOST_SLICES else ""
    st.caption(
        f"{len(slices)} slices of {MIN_BLOCKS} utterances or more;"
        f" {LEVEL_SHOWN} intervals by paired bootstrap; p by paired permutation, corrected for the"
        f" number of slices (Holm).{drawn} Choose a row to see its utterances below."
    )
    draw_exports("slices", {"slices": chart}, {"slices": table})


def _draw_table(table: pd.DataFrame, slices: list[Slice], model: int, base: int) -> None:
    key = f"slices:{model}:{base}"

    def choose() -> None:
        rows: Any = st.session_state[key].selection.rows
        show_slice([slices[row].bound for row in rows])

    numbers, texts = st.column_config.NumberColumn, st.column_config.TextColumn
    data_table(
        table.assign(
            column=table["column"].map(column_title), p=[one.p_written() for one in slices]
        ),
        column_config={
            "column": SLICE_TITLES["column"],
            "value": texts(SLICE_TITLES["value"], width="medium"),
            "drawn": texts(
                SLICE_TITLES["drawn"],
                help="What the bootstrap draws, and the permutation exchanges, whole: speakers"
                " where there are ten, else utterances, whose interval is too narrow where one"
                " speaker's err alike.",
            ),
            "from_one": numbers(
                SLICE_TITLES["from_one"],
                format="%.0f",
                help="The share of the lost errors that a single utterance has. Near 100 the slice"
                " is one clip, of a model that goes in circles, perhaps.",
            ),
            "p": texts(
                SLICE_TITLES["p"],
                help="Of no difference, corrected for the number of slices: the share of all ways"
                " to exchange both models' errors, block by block, that differ by as much.",
            ),
            **{
                name: numbers(SLICE_TITLES[name], format=written)
                for name, written in _FORMATS.items()
            },
        },
        column_order=list(SLICE_TITLES),
        on_select=choose,
        selection_mode="single-row",
        key=key,
        height=280,
        alt="Slices of the corpus, those that lose most first.",
    )
