"""A closer look at what a sweep found: slices, words, blind listening, all utterances."""

import streamlit as st

from pages.runs.blind import draw_blind
from pages.runs.explorer import MODEL_KEY, draw_explorer
from pages.runs.slices import draw_slices
from pages.runs.words import draw_words
from pages.session.sweep_state import SweepState
from pages.widgets.choices import choose_one

_BASE = "explorer-base"
SLICES, WORDS, BLIND = "Slices", "Words", "Blind listening"


def draw_closer_look(state: SweepState) -> None:
    """Which model against which, then one of the views, then the utterances themselves."""
    names = state.table_against(0).outcomes.names
    if len(names) > 1:
        st.header("Where words are lost")
        model, base = _choose_models(names)
        view = choose_one("Look at", [SLICES, WORDS, BLIND], key="closer-look")
        if view == SLICES:
            draw_slices(state, model, base)
        elif view == WORDS:
            draw_words(state, model, base)
        else:
            draw_blind(state, model, base)
    else:
        model = base = 0
    draw_explorer(state, model, base)


def _choose_models(names: list[str]) -> tuple[int, int]:
    """Places of the model that is looked at, and of the one that it is compared with."""
    left, right = st.columns(2)
    chosen = []
    for column, label, key, usual in (
        (left, "Model", MODEL_KEY, 1),
        (right, "Compared with", _BASE, 0),
    ):
        if st.session_state.get(key, 0) >= len(names):
            st.session_state.pop(key)
        chosen.append(
            column.selectbox(
                label,
                range(len(names)),
                index=st.session_state.get(key, usual),
                format_func=names.__getitem__,
                key=key,
                persist_state="session",
            )
        )
    return chosen[0], chosen[1]
