"""All utterances of a sweep and every model's words for them: search, sort, choose one, listen."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from analysis.evaluation.utterances import (
    Bound,
    Search,
    UtteranceTable,
    Which,
    column_title,
    errors_of,
    is_numeric,
    new_errors_of,
)
from analysis.figures.marked_words import folded, legend, marked_transcript, reference_text
from analysis.figures.palette import ORIGINAL, variant_color
from analysis.figures.sweeps import lines_of
from analysis.tables import FORMATS
from analysis.wording import number_of
from pages.runs.opened import draw_sound
from pages.session.sweep_state import SweepState
from pages.widgets.basics import data_table, swatch
from pages.widgets.choices import choose_one
from pages.widgets.exports import table_button
from pages.widgets.formatting import escape_markdown, percent, seconds

PAGE_ROWS = 50
"""Utterances in sight at once; the others stay on the server."""

FEW_VALUES = 12
"""So many different numbers or fewer are values to choose from, not a range."""

_MOST_VALUES = 500
_WHICH: dict[Which, str] = {
    "all": "All",
    "wrong": "Wrong",
    "new": "New",
}
_BOUNDS, _ONLY = "explorer-bounds", "explorer-only"
"""Hold what other parts of the page chose: a list of `Bound`, and places with their title."""

MODEL_KEY = "explorer-model"
"""Holds the place of the model that slices, words and utterances are about."""

_ORDER, _SHOWN, _TEXT = "explorer-order", "explorer-which", "explorer-text"
_USUAL = "explorer-usual"
"""Holds the column that sorts where nobody chose one."""

_ROUND = "explorer-round"
"""How often all filters were taken away: those of the next round are other widgets."""


def show_slice(bounds: Sequence[Bound]) -> None:
    """Show the utterances of a slice; from a callback."""
    _forget()
    st.session_state[_BOUNDS] = list(bounds)


def show_only(places: Sequence[int], title: str) -> None:
    """Show certain utterances, and say which they are; from a callback."""
    _forget()
    st.session_state[_ONLY] = (tuple(places), title)


def draw_explorer(state: SweepState, model: int, base: int) -> None:
    """The table of all utterances, what filters it, and the one that was chosen.

    Parameters
    ----------
    state : SweepState
    model, base : int
        Places of the model whose errors are looked for, and of the one it is compared with.
    """
    table = state.table_against(base)
    st.header("All utterances", anchor="utterances")
    search = _search(table, model)
    places = table.find(search)
    _draw_chosen_filters(len(places), len(table.frame))
    chosen = _draw_page(table, search, places)
    _draw_exports(table, places)
    if chosen is not None:
        _draw_utterance(state, table, chosen)


def _forget() -> None:
    """Nothing filters any more."""
    for key in (_BOUNDS, _ONLY, _ORDER):
        st.session_state.pop(key, None)
    st.session_state[_TEXT], st.session_state[_SHOWN] = "", "all"  # told: a browser keeps its own
    st.session_state[_ROUND] = st.session_state.get(_ROUND, 0) + 1


def _search(table: UtteranceTable, model: int) -> Search:
    """The controls above the table, and what they ask for."""
    names = table.outcomes.names
    left, right = st.columns(2, vertical_alignment="bottom")
    text = left.text_input(
        "Words",
        key=_TEXT,
        persist_state="session",
        placeholder="in the reference or any transcript",
        help="A word, or words in a row; all sides are normalised alike, which leaves out signs.",
    )
    with right:
        which: Which = choose_one(
            "Show",
            list(_WHICH),
            key=_SHOWN,
            format_func=_WHICH.__getitem__,
            help_text="All; those that the model gets wrong; those with errors that"
            f" “{names[table.base]}” does not make in that place.",
        )
    first, second, third = st.columns([4, 3, 2], vertical_alignment="bottom")
    order, descending = _order(table, model, first, second)
    with third.popover("Filter", icon=":material/filter_list:", width="stretch"):
        bounds = _draw_filters(table)
    only = st.session_state.get(_ONLY)
    return Search(
        text, which, model, bounds, only[0] if only else None, order, descending=descending
    )


def _order(table: UtteranceTable, model: int, left: Any, right: Any) -> tuple[str, bool]:
    """The column that sorts the whole table, and its direction."""
    name = table.outcomes.names[model]
    usual = errors_of(name) if model == table.base else new_errors_of(name)
    columns = [usual, *(column for column in table.frame.columns if column != usual)]
    held = st.session_state.get(_ORDER)
    if held not in columns or held == st.session_state.get(_USUAL):  # nobody chose another one
        st.session_state[_ORDER] = usual  # set, not forgotten: the browser would keep the old name
    st.session_state[_USUAL] = usual
    order = left.selectbox(
        "Sort by",
        columns,
        index=columns.index(st.session_state.get(_ORDER, usual)),
        format_func=column_title,
        key=_ORDER,
        persist_state="session",
        help="Sorts all utterances; a click on a heading sorts those in sight only.",
    )
    with right:
        falling = choose_one("Order", ["Falling", "Rising"], key="explorer-falling") == "Falling"
    return order, falling


def _draw_filters(table: UtteranceTable) -> tuple[Bound, ...]:
    """A choice for each column; what they ask for."""
    known: dict[str, Bound] = {b.column: b for b in st.session_state.get(_BOUNDS, [])}
    found = []
    for name in table.filters:
        column = table.frame[name]
        values = choices_of(column)
        before = known.get(name)
        # a slice that was clicked is another widget: its bounds are the ones it begins with
        key = f"explorer-filter:{name}:{hash(before)}:{st.session_state.get(_ROUND, 0)}"
        if values is None:
            low, high = ends_of(column)
            limits = (max(low, before.low), min(high, before.high)) if before else (low, high)
            chosen = st.slider(escape_markdown(column_title(name)), low, high, limits, key=key)
            if chosen != (low, high):
                least = chosen[0] if chosen[0] > low else -np.inf
                found.append(Bound(name, low=least, high=chosen[1] if chosen[1] < high else np.inf))
        elif len(values) <= _MOST_VALUES:
            picked = st.multiselect(
                escape_markdown(column_title(name)),
                values,
                default=list(before.values) if before else [],
                format_func=lambda value: value or "(empty)",
                key=key,
            )
            if picked:
                found.append(Bound(name, tuple(picked)))
        elif before:  # too many to choose from, but a slice of them was clicked
            found.append(before)
    if not table.filters:
        st.caption("All utterances are alike in every column.")
    return tuple(found)


def ends_of(column: pd.Series) -> tuple[float, float]:
    """Where a slider over a column begins and ends: whole numbers around all that are finite."""
    finite = column[np.isfinite(column)]
    return float(np.floor(finite.min())), float(np.ceil(finite.max()))


def choices_of(column: pd.Series) -> list[str] | None:
    """The values of a column to choose from; None for numbers that make a range."""
    values = column.dropna().unique()
    if is_numeric(column) and len(values) > FEW_VALUES:
        return None
    return [str(value) for value in sorted(values)]


def _draw_chosen_filters(n_found: int, n_all: int) -> None:
    """How many there are, what was clicked elsewhere, and the way back to all."""
    only, bounds = st.session_state.get(_ONLY), st.session_state.get(_BOUNDS)
    with st.container(horizontal=True, vertical_alignment="center"):
        said = f"{n_found:,} of {number_of(n_all, 'utterance')}"
        if only:
            said += f": {escape_markdown(only[1])}"
        elif bounds:
            said += ": " + ", ".join(escape_markdown(describe_bound(one)) for one in bounds)
        st.markdown(said)
        if only or bounds or n_found < n_all:
            st.button("Show all", key="explorer-all", on_click=_forget, type="tertiary")


def describe_bound(bound: Bound) -> str:
    """What a column has to be, for people."""
    return f"{column_title(bound.column)} {bound.label}"


def _draw_page(table: UtteranceTable, search: Search, places: np.ndarray) -> int | None:
    """One page of the table; the utterance that was clicked."""
    n_pages = max(1, -(-len(places) // PAGE_ROWS))
    page = 1
    if n_pages > 1:
        page = int(
            st.number_input(
                f"Page, of {n_pages:,}",
                min_value=1,
                max_value=n_pages,
                key=f"explorer-page:{n_pages}",
                width=160,
            )
        )
    shown = places[(page - 1) * PAGE_ROWS : page * PAGE_ROWS]
    frame = table.frame.iloc[shown].assign(utterance=table.short_names.iloc[shown])
    event: Any = data_table(
        frame,
        column_order=_errors_first(table),
        column_config={str(name): _column(str(name), frame) for name in frame.columns},
        on_select="rerun",
        selection_mode="single-row",
        key=f"explorer:{hash((search, page, len(table.outcomes.models)))}",
        height=320,
        alt="All utterances with the errors of every model.",
    )
    rows = [row for row in event.selection.rows if row < len(shown)]
    if not rows:
        st.caption("Choose a row to hear it, and to see what every model wrote.")
        return None
    return int(shown[rows[0]])


def _errors_first(table: UtteranceTable) -> list[str]:
    """The columns of the table, what it is about in sight."""
    names = table.outcomes.names
    counts = [new_errors_of(name) for name in names] + [errors_of(name) for name in names]
    counts = [name for name in counts if name in table.frame]
    # the same utterance stands under each condition
    several = "condition" in table.frame and table.frame["condition"].nunique() > 1
    first = ["utterance", *(["condition"] if several else [])]
    others = [name for name in table.frame.columns if name not in (*first, *counts)]
    return [*first, *counts, *others]


def _column(name: str, frame: pd.DataFrame) -> Any:
    title = column_title(name)
    if name == "reference":
        return st.column_config.TextColumn(title, width="large")
    if is_numeric(frame[name]):
        whole = pd.api.types.is_integer_dtype(frame[name])
        return st.column_config.NumberColumn(title, format="%d" if whole else "%.2f")
    return st.column_config.TextColumn(title, width="medium" if name == "utterance" else "small")


def _draw_exports(table: UtteranceTable, places: np.ndarray) -> None:
    """Exactly what is filtered, in its order, as files."""
    with st.container(horizontal=True):
        for kind in FORMATS:
            table_button(
                partial(table.found, places),
                "utterances",
                kind,
                key="explorer",
                label=f"{FORMATS[kind].label} of {number_of(len(places), 'utterance')}",
                help="With the words of every model.",
            )


def _draw_utterance(state: SweepState, table: UtteranceTable, place: int) -> None:
    """The sound, what was said, and what every model wrote."""
    outcomes = table.outcomes
    utterance, base = outcomes.utterances[place], outcomes.models[table.base]
    with st.container(border=True):
        facts = (utterance.speaker, utterance.condition, seconds(utterance.duration))
        said = " · ".join(escape_markdown(fact) for fact in facts if fact)
        st.markdown(f"**{escape_markdown(utterance.id)}** · {said}")
        draw_sound(state, utterance, f"Player for {utterance.id}")
        st.html(reference_text(utterance.text))
    st.html(legend(shared=True))
    colors = colors_of(state, table)
    theirs = base.scores[place].alignment
    with st.grid(max(2, min(4, len(outcomes.models))), min_column_width=232):
        for number, model in enumerate(outcomes.models):
            own = model.scores[place]
            with st.container(border=True, gap="xsmall"):
                st.markdown(f"{swatch(colors[number])} **{escape_markdown(model.name)}**")
                original = None if number == table.base else theirs
                st.html(folded(marked_transcript(own.alignment, original), f"Words: {model.name}"))
                said = number_of(int(model.errors[place]), "error")
                if original is not None:
                    new = table.frame[new_errors_of(model.name)].iloc[place]
                    said += f", {new} new"
                sure = model.results[place].confidence
                if sure is not None:
                    said += f", sure of its words to {percent(sure)}"
                st.caption(said)


def colors_of(state: SweepState, table: UtteranceTable) -> list[str]:
    """A colour for every model: those of the curves, and the first is the original's."""
    rows = [model.row for model in table.outcomes.models]
    lines = {id(row): line.color for line in lines_of(rows, state.colors) for row in line.rows}
    return [
        ORIGINAL if place == table.base else lines.get(id(row), variant_color(place - 1))
        for place, row in enumerate(rows)
    ]
