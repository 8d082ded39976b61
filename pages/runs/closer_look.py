"""A closer look at what a sweep found: slices, words, blind listening, all utterances."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from analysis.models.speech_model import SpeechModel
from pages.runs.blind import draw_blind
from pages.runs.explorer import MODEL_KEY, draw_explorer
from pages.runs.other_models import draw_unheard, unheard
from pages.runs.slices import draw_slices
from pages.runs.words import draw_words
from pages.session.at_hand import AtHand
from pages.session.parts import run_part
from pages.session.session import Session
from pages.session.sweep_state import SweepState
from pages.widgets.choices import choose_one

T = TypeVar("T", int, int | str)

_BASE = "explorer-base"
_N_HEARD, _RESULTS = "explorer-heard", "explorer-results"
VIEW_KEY = "closer-look"
"""Holds which of the views is on show."""

SLICES, WORDS, BLIND = "Slices", "Words", "Blind listening"


def draw_closer_look(session: Session, used: SpeechModel, state: SweepState) -> None:
    """Which model against which, then one of the views, then the utterances themselves.

    Parameters
    ----------
    session : Session
    used : SpeechModel
        The one in use.
    state : SweepState
    """
    names = state.table_against(0).outcomes.names
    others = {one.id: one for one in unheard(session, state)}
    model = base = 0
    if len(names) > 1 or others:
        st.header("Where words are lost")
        if len(state.conditions) > 1:
            st.caption("Under all conditions together; the table below filters by condition.")
        if st.session_state.get(_RESULTS) is not state:
            # places in other results are other models
            st.session_state[_RESULTS] = state
            st.session_state[MODEL_KEY], st.session_state[_BASE] = min(1, len(names) - 1), 0
        model, chosen = _choose_models(names, others, state.heard_later)
        if isinstance(chosen, str):
            draw_unheard(session, used, state, others[chosen])
        elif len(names) > 1:
            base = chosen
            _draw_views(state, model, base)
    if st.session_state.get(VIEW_KEY) == BLIND and len(names) > 1:
        st.caption("All utterances, with who wrote what, come back with another view.")
    else:
        run_part(partial(draw_explorer, state, model, base))


def _draw_views(state: SweepState, model: int, base: int) -> None:
    view = choose_one("Look at", [SLICES, WORDS, BLIND], key=VIEW_KEY)
    if view == SLICES:
        draw_slices(state, model, base)
    elif view == WORDS:
        draw_words(state, model, base)
    else:
        draw_blind(state, model, base)


def _choose_models(
    names: Sequence[str], others: Mapping[str, AtHand], heard_later: Mapping[str, str]
) -> tuple[int, int | str]:
    """Places of the model that is looked at, and of the one that it is compared with.

    The second may be a model that has not heard the corpus: then it is that one's id.
    """
    wanted = st.session_state.get(_BASE)
    if wanted not in others and heard_later.get(str(wanted)) in names:
        st.session_state[_BASE] = names.index(heard_later[str(wanted)])  # it has heard it by now
    elif st.session_state.get(_N_HEARD) == 1 and len(names) > 1:
        # nobody chose the original: it was the only one that had been heard
        st.session_state[MODEL_KEY], st.session_state[_BASE] = 1, 0
    st.session_state[_N_HEARD] = len(names)
    sides: dict[int | str, str] = dict(enumerate(names))
    sides |= {id_: f"{one.name} (has not heard this corpus)" for id_, one in others.items()}
    left, right = st.columns(2)
    model = _choose(left, "Model", MODEL_KEY, dict(enumerate(names)), 1)
    del sides[model]  # none is compared with itself
    return model, _choose(right, "Compared with", _BASE, sides, 0)


def _choose(
    column: DeltaGenerator, label: str, key: str, options: Mapping[T, str], usual: int
) -> T:
    choices = list(options)
    if st.session_state.get(key, choices[0]) not in options:
        st.session_state.pop(key)
    first = choices[min(usual, len(choices) - 1)]
    return column.selectbox(
        label,
        choices,
        index=choices.index(st.session_state.get(key, first)),
        format_func=lambda choice: options.get(choice, ""),
        key=key,
        persist_state="session",
    )
