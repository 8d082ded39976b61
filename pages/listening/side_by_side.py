"""One clip's transcripts beside each other, a card per model, under what is said in it."""

from collections.abc import Sequence

import streamlit as st

from analysis.evaluation.scoring import normalise
from analysis.figures.marked_words import (
    marked_transcript,
    plain_transcript,
    reference_text,
    scrolling,
)
from analysis.models.speech_model import SpeechModel
from analysis.wording import number_of
from pages.listening.clips import edit_clip
from pages.listening.results import ScoredTranscript
from pages.session.session import Clip, Session
from pages.session.shelves import footprint_of
from pages.widgets.basics import swatch
from pages.widgets.formatting import escape_markdown, percent, size

COLUMN_WIDTH = 232

REFERENCE_HEIGHT = 5.875
"""In rem, of a long reference, which scrolls: the transcripts stay on the first screen."""

SHORT_REFERENCE = 160
"""Characters of a reference that is shown as high as it is."""

DIFFERENCES, AS_WRITTEN = "Differences", "As written"

Contender = tuple[str, str, SpeechModel]
"""Name for people, colour, model."""


def choose_view() -> str:
    """Whether words are compared, or shown as they were written."""
    view = st.segmented_control(
        "View",
        [DIFFERENCES, AS_WRITTEN],
        default=DIFFERENCES,
        required=True,
        key="view",
        label_visibility="collapsed",
        help="Differences: both sides normalised alike, changed words marked. As written: the"
        " reference as it was given, each transcript as its model wrote it.",
    )
    return view or DIFFERENCES


def draw_side_by_side(
    session: Session,
    clip: Clip,
    contenders: Sequence[Contender],
    results: Sequence[ScoredTranscript],
    normaliser: str,
    view: str,
) -> None:
    """The reference, and a card per model: its transcript with marked words, and its errors.

    Parameters
    ----------
    session : Session
    clip : Clip
    contenders : sequence of Contender
        The original first.
    results : sequence of ScoredTranscript
        Of any clips; those of `clip` are shown.
    normaliser : str
        What both sides go through where differences are shown.
    view : str
        `DIFFERENCES` or `AS_WRITTEN`.
    """
    by_model = {result.model: result for result in results if result.clip is clip}
    text = normaliser if view == DIFFERENCES else "none"
    _reference(session, clip, text)
    with st.grid(max(2, min(4, len(contenders))), min_column_width=COLUMN_WIDTH):
        for name, color, model in contenders:
            with st.container(border=True, gap="xsmall"):
                _card(name, color, by_model.get(name), model, text, view)


def _reference(session: Session, clip: Clip, normaliser: str) -> None:
    """What is said in the clip, to be compared with by eye, and the way to change it."""
    with st.container(border=True):
        left, right = st.columns([5, 2], vertical_alignment="center")
        with left.container(gap=None):
            st.markdown(":small[**Reference**]")
            said = normalise(clip.reference, normaliser)
            if said:
                is_long = len(said) > SHORT_REFERENCE
                text = reference_text(said)
                st.html(scrolling(text, REFERENCE_HEIGHT, "Reference") if is_long else text)
            else:
                st.caption("Not given: variants are compared with the original's words.")
        with right.container(horizontal=True, horizontal_alignment="right"):
            edit_clip(session, clip)


def _card(
    name: str,
    color: str,
    result: ScoredTranscript | None,
    model: SpeechModel,
    normaliser: str,
    view: str,
) -> None:
    """One model's name and error, its words, and what lies behind the error."""
    label, value, counts = _error(result)
    st.markdown(f"{swatch(color)} **{escape_markdown(name)}**")
    st.markdown(
        f"{label} **{value}**",
        help="(S + I + D) / words of the reference; divergence: the same against the original.",
    )
    if result is None:
        st.caption("Not transcribed yet.")
    elif view == DIFFERENCES and result.score is not None:
        st.html(marked_transcript(result.score.alignment))
    else:
        st.html(plain_transcript(normalise(result.transcript.text, normaliser)))
    for note in result.transcript.notes if result else ():
        st.caption(escape_markdown(note))
    st.caption(f"{counts}  \n{size(footprint_of(model).bytes)} of weights")


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
