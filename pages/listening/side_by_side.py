"""One clip's transcripts beside each other, a card per model."""

from collections.abc import Sequence

import streamlit as st

from analysis.models.speech_model import SpeechModel
from pages.listening.results import ScoredTranscript
from pages.session.session import Clip
from pages.session.shelves import footprint_of
from pages.widgets.basics import swatch
from pages.widgets.formatting import escape_markdown, number_of, percent, seconds, size
from pages.widgets.marked_words import legend, marked_transcript, plain_transcript

TRANSCRIPT_HEIGHT = 170
COLUMN_WIDTH = 250

Contender = tuple[str, str, SpeechModel]
"""Name for people, colour, model."""


def draw_side_by_side(
    clip: Clip, contenders: Sequence[Contender], results: Sequence[ScoredTranscript]
) -> None:
    """A card per model: its transcript with marked words, its errors, what it cost.

    Parameters
    ----------
    clip : Clip
    contenders : sequence of Contender
        The original first.
    results : sequence of ScoredTranscript
        Of any clips; those of `clip` are shown.
    """
    by_model = {result.model: result for result in results if result.clip is clip}
    left, right = st.columns([3, 2], vertical_alignment="center")
    left.subheader("Side by side")
    with right.container(horizontal=True, horizontal_alignment="right"):
        view = st.segmented_control(
            "View",
            ["Differences", "As written"],
            default="Differences",
            required=True,
            key="view",
            label_visibility="collapsed",
            help="Differences are marked on normalised words; as written is the model's own text.",
        )
    if view == "Differences" and any(result.score for result in by_model.values()):
        st.html(legend())
    with st.grid(max(2, min(3, len(contenders))), min_column_width=COLUMN_WIDTH):
        for name, color, model in contenders:
            with st.container(border=True):
                st.markdown(f"{swatch(color)} **{escape_markdown(name)}**")
                _card(by_model.get(name), model, view == "Differences")


def _card(result: ScoredTranscript | None, model: SpeechModel, differences: bool) -> None:
    """One model's transcript, its errors and what it cost."""
    with st.container(height=TRANSCRIPT_HEIGHT, border=False, gap="xxsmall"):
        for note in result.transcript.notes if result else ():
            st.caption(escape_markdown(note))
        if result is None:
            st.caption("Not transcribed yet.")
        elif differences and result.score is not None:
            st.html(marked_transcript(result.score.alignment))
        else:
            st.html(plain_transcript(result.transcript.text))
    label, value, counts = _error(result)
    first, second = st.columns(2)
    first.metric(
        label,
        value,
        help="(S + I + D) / words of the reference; divergence: the same against the original.",
    )
    second.metric(
        "RTF",
        f"{result.transcript.real_time_factor:.3f}" if result else "–",
        help="Real-time factor: computing time over audio time; below 1 is faster than speech.",
    )
    weights = size(footprint_of(model).bytes)
    if result is None:
        st.caption(f"{counts}  \n{weights} of weights")
        return
    transcript = result.transcript
    memory = ""
    if transcript.peak_memory is not None:
        whose = "process" if transcript.memory_kind == "process" else "GPU"
        memory = f" · {whose} peak {size(transcript.peak_memory)}"
    took = seconds(transcript.processing_time)
    st.caption(f"{counts}  \n{took} computing · {weights} of weights{memory}")


def _error(result: ScoredTranscript | None) -> tuple[str, str, str]:
    """Label, value and counts of the error, named for what it was measured against."""
    if result is None:
        return "WER", "–", "–"
    own = result.score
    if own is None:
        return "Divergence", "–", "Variants are compared with this transcript."
    label = "WER" if result.against == "reference" else "Divergence"
    counts = (
        f"CER {percent(own.cer)} · S {own.substitutions} · I {own.insertions} ·"
        f" D {own.deletions} of {number_of(own.words, 'word')} · {own.normaliser}"
    )
    return label, percent(own.wer), counts
