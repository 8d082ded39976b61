"""The switch that keeps a plan to what the library's own model classes can hold."""

import streamlit as st

from analysis.compression.stock import require_whole_heads
from analysis.errors import UserError
from pages.planning.draft import Draft
from pages.planning.settings import widget_key
from pages.widgets.formatting import escape_markdown


def draw(draft: Draft) -> None:
    """A toggle; where the model has lost heads before, why there is none."""
    try:
        require_whole_heads(draft.groups, draft.model.config.hidden_size)
    except UserError as error:
        st.caption(f"Stock classes: {escape_markdown(error.message)}", width="content")
        return
    st.toggle(
        "Stock classes only",
        value=draft.settings.stock,
        key=widget_key(draft.model, "stock"),
        persist_state="session",
        help="Keeps all heads and one FFN width per stack, so that the saved model loads with plain"
        " `from_pretrained`, without remote code. A lock then holds a whole stack.",
    )
