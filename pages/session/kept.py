"""What is kept on disk between starts, and the button that lets it go."""

import streamlit as st

from analysis.cache import Cleared, cache_limit, cache_root, clear, usage
from analysis.errors import UserError
from analysis.serving import serving
from analysis.wording import number_of
from pages.widgets.basics import show_error
from pages.widgets.formatting import escape_markdown, size

_CLEARED = "kept:cleared"


def draw() -> None:
    """One line: how much of the limit is used; behind a button, the way to clear it.

    Nothing on an open server, whose visitors are not to clear what others need.
    """
    if serving().is_open:
        return
    try:
        limit = size(cache_limit())
    except UserError as error:
        show_error(error)
        return
    used = sum(kind.bytes for kind in usage() if kind.is_computed)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(
            f":small[Kept on disk, so that nothing is measured twice: **{size(used)}** of {limit}]",
            width="content",
            help=f"In {escape_markdown(str(cache_root()))}. What was used longest ago goes first;"
            " COALESCE\\_CACHE\\_LIMIT sets the limit.",
        )
        with st.popover("Clear", icon=":material/delete_sweep:"):
            st.caption(
                "Deletes trees, maps and all that was measured, of every model on this computer;"
                " it is computed again when it is needed. Fetched data, transcripts, sessions and"
                " training runs stay."
            )
            st.button("Clear it", key="clear-kept", on_click=_clear)
    cleared: Cleared | None = st.session_state.pop(_CLEARED, None)
    if cleared is not None:
        st.toast(f"{size(cleared.bytes)} freed", icon=":material/check:")
    if cleared is not None and cleared.failed:
        show_error(
            UserError(
                f"{number_of(cleared.failed, 'file')} could not be deleted.",
                "Close what uses the cache, or check the permissions of its folder.",
            )
        )


def _clear() -> None:
    """Callback: delete what can be computed again."""
    st.session_state[_CLEARED] = clear()
