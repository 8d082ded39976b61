"""A variant is deleted at one press, and its visitor may think better of it.

Its memory is given back at once; its recipe and what it wrote stay until the next one is deleted,
and the same recipe makes the same variant again.
"""

from collections.abc import Mapping

import streamlit as st

from analysis.models.speech_model import SpeechModel
from analysis.speech.transcription import Transcript
from pages.session.records import as_recipe
from pages.session.session import KeptVariant, Session, TranscriptKey, Variant
from pages.session.shelves import origin_id
from pages.variants import checking
from pages.widgets.formatting import escape_markdown

_DELETED = "variants:deleted"


def delete(session: Session, variant: Variant) -> None:
    """Delete a variant, and keep its recipe and its words; from a callback."""
    before = dict(session.transcripts.items())
    kept = as_recipe(variant)
    session.jobs.cancel(checking.slot_of(variant))
    session.remove_variant(variant)
    gone = {key: words for key, words in before.items() if key not in session.transcripts}
    st.session_state[_DELETED] = (kept, gone)


def draw_undo(session: Session, model: SpeechModel) -> bool:
    """A line about the variant that was deleted last, where it was one of this model's.

    Returns
    -------
    bool
        Whether there is one.
    """
    kept, words = _deleted()
    if kept is None or kept.base != origin_id(model):
        return False
    st.caption(f"**{escape_markdown(kept.name)}** was deleted.")
    st.button(
        "Undo",
        icon=":material/undo:",
        key=f"undelete:{kept.id}",
        on_click=_bring_back,
        args=(session, kept, words),
        help="It is made again by its recipe, and what it wrote comes back.",
    )
    return True


def _deleted() -> tuple[KeptVariant | None, Mapping[TranscriptKey, Transcript]]:
    """The variant that was deleted last, and what it wrote."""
    found: tuple[KeptVariant | None, Mapping[TranscriptKey, Transcript]]
    found = st.session_state.get(_DELETED, (None, {}))
    return found


def _bring_back(
    session: Session, kept: KeptVariant, words: Mapping[TranscriptKey, Transcript]
) -> None:
    st.session_state.pop(_DELETED, None)
    session.waiting.append(kept)
    for key, transcript in words.items():
        session.transcripts[key] = transcript
