"""When each model heard which word: a lane per model; a word that is clicked is played."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from analysis.figures.palette import INKS
from analysis.figures.words import Lane, word_lanes
from analysis.speech.audio import SAMPLING_RATE
from analysis.speech.recognition import Word
from pages.listening.player import pcm
from pages.session.session import Clip
from pages.widgets.basics import figure, swatch, theme
from pages.widgets.formatting import escape_markdown, percent

_AROUND = 0.25
"""Seconds of sound before and after a word: models are not sure to the frame where it begins."""

_PLAYER_HEIGHT = 74


def draw_words(clip: Clip, lanes: Sequence[Lane]) -> None:
    """The lanes of a clip, and the player of the word that was clicked last.

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
    key = f"words:{clip.id}:{len(lanes)}"
    names = ", ".join(lane.name for lane in lanes)
    event: Any = figure(
        word_lanes(lanes, clip.audio.duration, INKS[theme()]),
        key=key,
        alt=f"When each word of {clip.audio.name} is said, by {names}.",
        on_select="rerun",
        selection_mode="points",
    )
    with st.container(height=_PLAYER_HEIGHT, border=False, key="word"):
        chosen = _chosen(event, lanes)
        if chosen is None:
            st.caption(
                "Click a word to hear it; fuller bars are surer. Drag to move along a long clip."
            )
        else:
            _play(clip, *chosen)


def _chosen(event: Any, lanes: Sequence[Lane]) -> tuple[Lane, Word] | None:
    """The word that was clicked, if it is still there."""
    points = event.selection.points if event else []
    if not points:
        return None
    row, place = points[0]["customdata"][:2]
    if row >= len(lanes) or place >= len(lanes[row].words):
        return None
    return lanes[row], lanes[row].words[place]


def _play(clip: Clip, lane: Lane, word: Word) -> None:
    start = max(0, int((word.start - _AROUND) * SAMPLING_RATE))
    stop = int((word.stop + _AROUND) * SAMPLING_RATE)
    left, right = st.columns([2, 3], vertical_alignment="center")
    left.markdown(
        f"{swatch(lane.color)} **{escape_markdown(word.text)}** {word.start:.2f} to"
        f" {word.stop:.2f} s, {percent(word.confidence, 0)} sure"
    )
    right.audio(
        pcm(clip.audio.samples[start:stop]),
        sample_rate=SAMPLING_RATE,
        autoplay=True,
        alt=f"Player for the word {word.text}",
    )
