"""The switch between few controls and all of them, one for all pages; the address keeps it."""

import streamlit as st

from analysis.models.speech_model import SpeechModel
from pages.session.link import follow, one_of, write_address
from pages.widgets.choices import choose_one

SIMPLE, EXPERT = "Simple", "Expert"

MODE_KEY = "compress:mode"
"""Holds which of the two is on show."""

_MODES = (SIMPLE, EXPERT)


def follow_link(model: SpeechModel) -> None:
    """Show as much as an opened link says."""
    follow(model, {"mode": (MODE_KEY, one_of(_MODES))})


def draw(model: SpeechModel) -> str:
    """The switch and the link.

    Returns
    -------
    str
        `SIMPLE` or `EXPERT`.
    """
    with st.container(horizontal=True, vertical_alignment="bottom", width="content"):
        mode = choose_one(
            "Controls",
            _MODES,
            key=MODE_KEY,
            help_text="Simple: the few choices that most people need. Expert: all of them. The"
            " settings are the same.",
        )
        write_address(model, {"mode": mode})
    return mode
