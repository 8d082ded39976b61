"""When each model heard which word: a lane per model; a word that is chosen is played."""

from collections.abc import Sequence

import streamlit as st

from analysis.figures.palette import INKS
from analysis.figures.words import Lane, word_lanes
from analysis.speech.audio import SAMPLING_RATE
from analysis.speech.recognition import Word
from pages.listening.player import wav
from pages.session.session import Clip
from pages.widgets.basics import figure, theme
from pages.widgets.formatting import percent

_AROUND = 0.25
"""Seconds of sound before and after a word: models are not sure to the frame where it begins."""

_PLAYER_HEIGHT = 74


def draw_words(clip: Clip, lanes: Sequence[Lane]) -> None:
    """The lanes of a clip, and the player of the word that was chosen last.

    A word is chosen by a click on its bar, or from a list, which a keyboard and a screen reader
    reach, too.

    Parameters
    ----------
    clip : Clip
    lanes : sequence of Lane
        The original first; those without words are left out.
    """
    lanes = [lane for lane in lanes if lane.words]
    if not lanes:
        return
    st.header("Word by word")
    places = [(row, place) for row, lane in enumerate(lanes) for place in range(len(lane.words))]
    shape = "-".join(str(len(lane.words)) for lane in lanes)  # other words are other choices
    chart_key, word_key = f"words:{clip.id}:{shape}", f"word:{clip.id}:{shape}"
    names = ", ".join(lane.name for lane in lanes)

    def clicked() -> None:
        points = st.session_state[chart_key]["selection"]["points"]
        if points:
            row, place = points[0]["customdata"][:2]
            st.session_state[word_key] = (row, place)

    figure(
        word_lanes(lanes, clip.audio.duration, INKS[theme()]),
        key=chart_key,
        alt=f"When each word of {clip.audio.name} is said, by {names}.",
        on_select=clicked,
        selection_mode="points",
    )
    with st.container(height=_PLAYER_HEIGHT, border=False, key="word"):
        left, right = st.columns([2, 3], vertical_alignment="center")
        chosen = left.selectbox(
            "Word to hear",
            places,
            index=None,
            format_func=lambda at: _facts(lanes[at[0]], lanes[at[0]].words[at[1]]),
            key=word_key,
            placeholder="Click or choose a word",
            label_visibility="collapsed",
        )
        with right:
            if chosen is None:
                st.caption("Fuller bars are surer. Drag to move along a long clip.")
            else:
                _play(clip, lanes[chosen[0]].words[chosen[1]])


def _facts(lane: Lane, word: Word) -> str:
    return (
        f"{word.text} · {lane.name} · {word.start:.2f} to {word.stop:.2f} s,"
        f" {percent(word.confidence, 0)} sure"
    )


def _play(clip: Clip, word: Word) -> None:
    start = max(0, int((word.start - _AROUND) * SAMPLING_RATE))
    stop = int((word.stop + _AROUND) * SAMPLING_RATE)
    st.audio(
        wav(clip.audio.samples[start:stop]),
        autoplay=True,
        alt=f"Player for the word {word.text}",
    )
