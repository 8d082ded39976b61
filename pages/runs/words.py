"""Words that are lost most, what stands in their place, kinds of letters, how sure models are."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from analysis.evaluation.confidence import Calibration, calibration
from analysis.evaluation.loss_tables import (
    ERROR_TITLES,
    WORD_TITLES,
    as_table,
    calibration_table,
    letters_table,
)
from analysis.evaluation.lost_words import (
    CharacterClass,
    NewError,
    WordLoss,
    character_classes,
    lost_words,
    new_errors,
)
from analysis.evaluation.significance import LEVEL_SHOWN
from analysis.figures.losses import calibration_chart
from pages.runs.explorer import colors_of, show_only
from pages.session.sweep_state import SweepState
from pages.widgets.basics import data_table, figure, swatch
from pages.widgets.exports import draw_exports
from pages.widgets.formatting import escape_markdown, percent

MOST_ROWS = 200
"""Of a table on the page; the file has all."""


def draw_words(state: SweepState, model: int, base: int) -> None:
    """Two tables side by side whose rows list utterances, then letters and confidence."""
    outcomes = state.table_against(base).outcomes
    losses: list[WordLoss] = state.remember(
        ("words", model, base), lambda: lost_words(outcomes, model, base)
    )
    errors: list[NewError] = state.remember(
        ("errors", model, base), lambda: new_errors(outcomes, model, base)
    )
    classes: list[CharacterClass] = state.remember(
        ("letters", model, base), lambda: character_classes(outcomes, model, base)
    )
    words = as_table(losses, WordLoss)
    swaps = as_table(errors, NewError)
    left, right = st.columns(2)
    with left:
        st.markdown("**Words that are lost**")
        lost = [one for one in losses if one.lost]
        _draw_rows(
            words.head(len(lost)),
            [(one.places, f"“{one.word}” is lost") for one in lost],
            key=f"lost-words:{model}:{base}",
            names=WORD_TITLES,
        )
    with right:
        st.markdown("**Errors that appear**")
        _draw_rows(
            swaps,
            [(one.places, _describe(one)) for one in errors],
            key=f"new-errors:{model}:{base}",
            names=ERROR_TITLES,
        )
    st.caption(
        "Lost: this model errs where the other is right; wrong, and other's: all errors of each in"
        " that word. Nothing said: the word was put in;"
        " nothing written: it was left out. Choose a row to see its utterances below."
    )
    letters = letters_table(classes)
    st.markdown("**Characters that go wrong**")
    numbers = st.column_config.NumberColumn
    data_table(
        letters,
        column_config={
            "name": "Kind",
            "n": numbers("In the references"),
            "original_rate": numbers("Wrong, other (%)", format="%.2f"),
            "rate": numbers("Wrong (%)", format="%.2f"),
        },
        column_order=["name", "n", "original_rate", "rate"],
        key=f"letters:{model}:{base}",
        alt="Kinds of characters and how many of them go wrong.",
    )
    charts, sure = _draw_confidence(state, model, base)
    tables = {"lost-words": words, "new-errors": swaps, "characters": letters, **sure}
    draw_exports("words", charts, tables)


def _describe(error: NewError) -> str:
    if not error.said:
        return f"“{error.written}” is put in"
    if not error.written:
        return f"“{error.said}” is left out"
    return f"“{error.written}” instead of “{error.said}”"


def _draw_rows(
    table: pd.DataFrame,
    chosen: Sequence[tuple[tuple[int, ...], str]],
    *,
    key: str,
    names: Mapping[str, str],
) -> None:
    """A table whose rows lead to their utterances."""

    def choose() -> None:
        rows: Any = st.session_state[key].selection.rows
        if rows:
            places, title = chosen[rows[0]]
            show_only(places, title)

    if table.empty:
        st.caption("None.")
        return
    data_table(
        table.head(MOST_ROWS),
        column_order=list(names),
        column_config={name: _column(table, name, title) for name, title in names.items()},
        on_select=choose,
        selection_mode="single-row",
        key=key,
        alt=f"{', '.join(names.values())}.",
    )


def _column(table: pd.DataFrame, name: str, title: str) -> Any:
    if pd.api.types.is_numeric_dtype(table[name]):
        return st.column_config.NumberColumn(title, width="small")
    return st.column_config.TextColumn(title, width="small")


def _draw_confidence(
    state: SweepState, model: int, base: int
) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """How sure both models are, where that was kept; figure and table by their file names."""
    table = state.table_against(base)
    found: dict[str, Calibration] = {}
    for place in dict.fromkeys((base, model)):
        heard = table.outcomes.models[place]
        own = state.remember(("calibration", place), partial(calibration, heard))
        if own is not None:
            found[heard.name] = own
    st.markdown("**How sure of its words**")
    if not found:
        st.caption("Not kept: switch on “Word confidence” in Expert, and evaluate again.")
        return {}, {}
    colors = dict(zip(table.outcomes.names, colors_of(state, table), strict=True))
    chart = calibration_chart(found, colors)
    figure(
        chart,
        key=f"calibration:{model}:{base}",
        alt="How often words are right against how sure the model is.",
        height=chart.layout.height,
    )
    for name, own in found.items():
        left_out = (
            f" Left out: {own.n_left_out:,} that the normaliser made of others, as 21 of"
            " “twenty-one”."
            if own.n_left_out
            else ""
        )
        st.caption(
            f"{swatch(colors[name])} {escape_markdown(name)}: {percent(own.confidence)} sure on"
            f" average, {percent(own.right)} right; calibration error {percent(own.error)};"
            f" {own.n_words - own.n_left_out:,} words.{left_out}"
        )
    st.caption(f"Bars: {LEVEL_SHOWN} intervals (Wilson) of the share that is right.")
    return {"calibration": chart}, {"calibration": calibration_table(found)}
