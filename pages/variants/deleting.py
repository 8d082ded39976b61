"""A variant is deleted at one press, and its visitor may think better of it.

Its memory is given back at once; its recipe stays until the next one is deleted, and the same
recipe makes the same variant again.
"""

import streamlit as st

from analysis.models.speech_model import SpeechModel
from pages.session.records import as_recipe
from pages.session.session import KeptVariant, Session, Variant
from pages.session.shelves import origin_id
from pages.widgets.formatting import escape_markdown

_DELETED = "variants:deleted"


def delete(session: Session, variant: Variant) -> None:
    """Delete a variant, and keep its recipe; from a callback."""
    st.session_state[_DELETED] = as_recipe(variant)
    session.remove_variant(variant)


def draw_undo(session: Session, model: SpeechModel) -> None:
    """A line about the variant that was deleted last, where it was one of this model's."""
    kept: KeptVariant | None = st.session_state.get(_DELETED)
    if kept is None or kept.base != origin_id(model):
        return
    st.caption(f"**{escape_markdown(kept.name)}** was deleted.")
    st.button(
        "Undo",
        icon=":material/undo:",
        key=f"undelete:{kept.id}",
        on_click=_bring_back,
        args=(session, kept),
        help="It is made again by its recipe; what it was heard to say is not kept.",
    )


def _bring_back(session: Session, kept: KeptVariant) -> None:
    st.session_state.pop(_DELETED, None)
    session.waiting.append(kept)
