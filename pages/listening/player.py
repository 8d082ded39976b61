"""The clip on show: its waveform and spectrogram, a player, and what is said in it."""

import numpy as np
import streamlit as st

from analysis.figures.clips import SPECTROGRAM_COLUMNS, spectrogram, waveform
from analysis.speech.audio import SAMPLING_RATE
from analysis.speech.spectrogram import log_mel, mel_frequencies
from pages.session.session import Clip
from pages.widgets.basics import figure
from pages.widgets.formatting import seconds

PLAYER_SECONDS = 600.0
"""What the player holds of a long clip; an hour would be 115 MB on its way to the browser."""


def draw_player(clip: Clip) -> None:
    """Pictures and player beside the reference text."""
    audio = clip.audio
    left, right = st.columns([2, 1], gap="large")
    with left:
        _pictures(clip)
        played = audio.samples[: int(PLAYER_SECONDS * SAMPLING_RATE)]
        st.audio(
            (np.clip(played, -1, 1) * 32767).astype(np.int16),
            sample_rate=SAMPLING_RATE,
            alt=f"Player for {audio.name}",
        )
        if len(played) < len(audio.samples):
            st.caption(f"The player holds the first {seconds(PLAYER_SECONDS)}.")
    with right:
        _reference(clip)


def _pictures(clip: Clip) -> None:
    audio = clip.audio
    figure(
        waveform(audio.samples, SAMPLING_RATE),
        key="waveform",
        alt=f"Waveform of {audio.name}, {seconds(audio.duration)}.",
    )
    decibels = _log_mel(clip.id, clip)
    figure(
        spectrogram(decibels, mel_frequencies(), audio.duration),
        key="spectrogram",
        alt=f"Log-mel spectrogram of {audio.name}, {decibels.shape[0]} bands up to 8 kHz.",
    )


@st.cache_data(show_spinner="Computing the spectrogram", max_entries=64)
def _log_mel(identity: str, _clip: Clip) -> np.ndarray:
    """Spectrogram of a clip, computed once; `identity` is the hash of its samples."""
    return log_mel(_clip.audio.samples, SPECTROGRAM_COLUMNS)


def _reference(clip: Clip) -> None:
    key = f"reference:{clip.id}"

    def changed() -> None:
        clip.reference = st.session_state[key]

    st.text_area(
        "Reference text",
        value=clip.reference,
        key=key,
        on_change=changed,
        height=132,
        placeholder="What is said, if you know it: then errors are counted against it.",
        help="Without it, variants are compared with the original's transcript.",
    )
    audio = clip.audio
    channels = "mono" if audio.original_channels == 1 else f"{audio.original_channels} channels"
    columns = audio.samples.size // 160
    thinned = (
        f" Each of the {SPECTROGRAM_COLUMNS} columns of the spectrogram is the mean of about"
        f" {columns / SPECTROGRAM_COLUMNS:.3g} of its {columns:,} frames."
        if columns > SPECTROGRAM_COLUMNS
        else ""
    )
    st.caption(
        f"{seconds(audio.duration)} · {audio.original_sampling_rate / 1000:g} kHz · {channels}."
        f"{thinned}"
    )
    if audio.notes:
        st.caption("  \n".join(f":material/info: {note}" for note in audio.notes))
