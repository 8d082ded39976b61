"""The guided tour: six steps from sound to the point where the words break, above the pages.

A step asks for one thing to be done, and the next one opens when it was.
"""

from typing import Any

import streamlit as st

from analysis.models.speech_model import SpeechModel
from pages.frame.tour_steps import STEPS
from pages.session.session import Session
from pages.widgets.basics import (
    keep_in_sight,
    leave_introductions_out,
    primary_button,
    scroll_to_top,
)
from pages.widgets.presented import scaled

TOUR_KEY = "tour:step"
_LABEL = "Take the tour: six steps, five minutes"
BOX_HEIGHT = 152
"""Pixels that hold the longest step on a projector; all have as many, so that the page stays."""

_MET, _DONE, _SAID, _NEW = "tour:met", "tour:done", "tour:said", "tour:new"


def draw(session: Session, model: SpeechModel, page: str) -> None:
    """The present step, where a tour is under way.

    Parameters
    ----------
    session : Session
    model : SpeechModel
        The one in use.
    page : str
        Title of the page that is shown.
    """
    number = _under_way()
    if number is None:
        return
    step = STEPS[number]
    if st.session_state.pop(_NEW, False):
        scroll_to_top()  # who pressed a button further down would not see the step
    there = step.page == f"pages/{page.lower()}.py"
    done = _look(session, model, number) if there else False
    text = step.text(session, model) if there else "The tour waits where you left it."
    st.session_state[_SAID] = text if there else None
    keep_in_sight("tour")
    leave_introductions_out()
    with st.container(border=True, height=scaled(BOX_HEIGHT), key="tour"):
        words, buttons = st.columns([4, 1.2], vertical_alignment="center")
        with words:
            st.markdown(f":small[Tour, step {number + 1} of {len(STEPS)}] · **{step.title}**")
            st.markdown(text)
        with buttons:
            _buttons(model, number, there, done)


def look_again(session: Session, model: SpeechModel) -> None:
    """When the page, or a part of it that runs alone, is drawn: draw all anew if the tour is late.

    It is late once its step has been done, or would say something else by now.
    """
    number, said = _under_way(), st.session_state.get(_SAID)
    if number is None or said is None:
        return
    is_new = number not in st.session_state.get(_DONE, []) and _look(session, model, number)
    if is_new or STEPS[number].text(session, model) != said:
        st.rerun()


def _look(session: Session, model: SpeechModel, number: int) -> bool:
    """Whether a step has been done; it stays done when its visitor comes back to it."""
    done: list[int] = st.session_state.setdefault(_DONE, [])
    met: dict[int, Any] = st.session_state.setdefault(_MET, {})
    now = STEPS[number].sees(session, model)
    is_done = now is not None and STEPS[number].is_done(met.setdefault(number, now), now)
    if is_done and number not in done:
        done.append(number)
    return number in done


def _buttons(model: SpeechModel, number: int, there: bool, done: bool) -> None:
    last = number + 1 == len(STEPS)
    if not there:
        if primary_button("Back to the tour", "undo", key="tour:return", width="stretch"):
            st.switch_page(STEPS[number].page)
    elif not last and primary_button(
        "Next step",
        "arrow_forward",
        key="tour:next",
        width="stretch",
        disabled=not done,
        help=None if done else "It opens when this step has been done.",
    ):
        _prepare(model, number + 1)
        st.switch_page(STEPS[number + 1].page)
    finished = last and there and done
    with st.container(horizontal=True, gap="small"):
        if there and number and st.button("Back", key="tour:back", type="tertiary"):
            _prepare(model, number - 1)
            st.switch_page(STEPS[number - 1].page)
        st.button(
            "Finish" if finished else "End tour",
            key="tour:end",
            on_click=_finish if finished else _end,
            type="primary" if finished else "tertiary",
            width="stretch" if finished else "content",
        )


def _under_way() -> int | None:
    """The step at which the tour is; a session that comes back may be of another version."""
    number = st.session_state.get(TOUR_KEY)
    return number if number in range(len(STEPS)) else None


def _end() -> None:
    for key in (_MET, _SAID):
        st.session_state.pop(key, None)
    st.session_state[TOUR_KEY], st.session_state[_DONE] = None, []  # kept as that, too


def _finish() -> None:
    """Callback: the end, and what one can do now."""
    _end()
    st.toast(
        "That was the tour. Now your own: **Change model** loads another Whisper or HuBERT,"
        " **Transcribe** takes your voice, **Evaluate** a whole corpus.",
        icon=":material/flag:",
        duration="long",
    )


def draw_start(model: SpeechModel, **options: Any) -> None:
    """The button that begins the tour."""
    # in a callback: on Listen, the slider that the first step sets stands above the button
    if st.button(
        _LABEL, icon=":material/tour:", key="tour:begin", on_click=_begin, args=(model,), **options
    ):
        st.switch_page(STEPS[0].page)


def _begin(model: SpeechModel) -> None:
    """Callback: start at the first step."""
    _end()
    _prepare(model, 0)


def _prepare(model: SpeechModel, number: int) -> None:
    """Go to a step; one that was done before stays as its visitor left it."""
    st.session_state[TOUR_KEY], st.session_state[_NEW] = number, True
    if number not in st.session_state.get(_DONE, []):
        STEPS[number].prepare(model)
