"""The clip on show: one low strip of player and waveform; its spectrogram, folded."""

import io

import numpy as np
import soundfile
import streamlit as st

from analysis.figures.clips import SPECTROGRAM_COLUMNS, spectrogram, waveform
from analysis.speech.audio import SAMPLING_RATE, Samples
from analysis.speech.spectrogram import log_mel, mel_frequencies
from pages.session.session import Clip
from pages.widgets.basics import draw_chart, figure
from pages.widgets.formatting import seconds

PLAYER_SECONDS = 600.0
"""What the player holds of a long clip; an hour would be 115 MB on its way to the browser."""


def draw_player(clip: Clip) -> None:
    """The player of a clip."""
    audio = clip.audio
    st.audio(
        wav(audio.samples[: int(PLAYER_SECONDS * SAMPLING_RATE)]),
        alt=f"Player for {audio.name}",
    )
    if audio.notes:
        st.caption("  \n".join(f":material/info: {note}" for note in audio.notes))


def draw_waveform(clip: Clip) -> None:
    """Its waveform, as high as the player and the choice of the clip beside it."""
    audio = clip.audio
    draw_chart(
        waveform(audio.samples, SAMPLING_RATE),
        {"displayModeBar": False},  # the strip has no room for it; a double click shows all again
        key="waveform",
        alt=f"Waveform of {audio.name}, {seconds(audio.duration)}.",
    )


def draw_spectrogram(clip: Clip) -> None:
    """Its spectrogram and what its file was, folded."""
    audio = clip.audio
    with st.expander("Spectrogram", icon=":material/graphic_eq:"):
        decibels = _log_mel(clip.id, clip)
        figure(
            spectrogram(decibels, mel_frequencies(), audio.duration),
            key="spectrogram",
            alt=f"Log-mel spectrogram of {audio.name}, {decibels.shape[0]} bands up to 8 kHz.",
        )
        st.caption(_about(clip))


def wav(samples: Samples) -> bytes:
    """Samples at `SAMPLING_RATE` as a file for a player, as loud as they are.

    Given an array, Streamlit's player makes its peak full scale, and of silence no sound at all.
    """
    file = io.BytesIO()
    soundfile.write(file, np.clip(samples, -1, 1), SAMPLING_RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()


@st.cache_data(show_spinner="Computing the spectrogram", max_entries=64)
def _log_mel(identity: str, _clip: Clip) -> np.ndarray:
    """Spectrogram of a clip, computed once; `identity` is the hash of its samples."""
    return log_mel(_clip.audio.samples, SPECTROGRAM_COLUMNS)


def _about(clip: Clip) -> str:
    audio = clip.audio
    channels = "mono" if audio.original_channels == 1 else f"{audio.original_channels} channels"
    columns = audio.samples.size // 160
    thinned = (
        f" Each of the {SPECTROGRAM_COLUMNS} columns is the mean of about"
        f" {columns / SPECTROGRAM_COLUMNS:.3g} of its {columns:,} frames."
        if columns > SPECTROGRAM_COLUMNS
        else ""
    )
    held = (
        f" The player holds the first {seconds(PLAYER_SECONDS)}."
        if audio.duration > PLAYER_SECONDS
        else ""
    )
    return (
        f"{seconds(audio.duration)} · {audio.original_sampling_rate / 1000:g} kHz ·"
        f" {channels}.{held}{thinned}"
    )
