"""Presenter mode: large type, no sidebar, and keys that step through clips and sparsities.

The address keeps it (`present=1`). Everything here is drawn before the speech libraries are loaded,
so that a page which is opened in this mode looks so from the first moment on.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import streamlit as st

from pages.listening.bundled import FIRST_CLIP, bundled_clips
from pages.listening.opening import (
    CLIP_KEY,
    CLIP_PARAMETER,
    FIRST_PERCENT,
    PERCENT_KEY,
    PERCENT_PARAMETER,
)
from pages.session import link
from pages.widgets.choices import held
from pages.widgets.presented import SCALE, present
from pages.widgets.sound_switch import draw_sound_switch

_FONT_PIXELS = 16  # as in .streamlit/config.toml

_BAR = "presenter-bar"

T = TypeVar("T")


def draw_switch() -> None:
    """The button that begins it, in the sidebar."""
    st.button(
        "Present",
        icon=":material/co_present:",
        key="present",
        width="stretch",
        on_click=present,
        args=(True,),
        help="Large type and no sidebar. Page Up and Page Down lead to the other pages; on Listen"
        " and Transcribe, arrow keys step through what is shown, and P plays it. Escape ends it.",
    )


def draw_bar(page: st.Page, pages: Sequence[st.Page]) -> None:
    """Large type, and the buttons that the keys press; each names its key.

    The keys that lead to another page are those of a presenter's remote.

    Parameters
    ----------
    page : st.Page
        The one on show.
    pages : sequence of st.Page
        All that there are.
    """
    # All sizes follow the root's; the theme cannot be changed while the app runs. Streamlit keeps
    # an empty sidebar where the mode begins before the page was drawn to its end. The bar lies in
    # the page's header, which is empty otherwise.
    st.html(
        f"<style>html {{font-size: {SCALE * _FONT_PIXELS:g}px}}"
        " [data-testid=stSidebar], [data-testid=stExpandSidebarButton] {display: none}"
        " [data-testid=stMain]:focus-visible {outline: none; box-shadow: none}"
        f" .st-key-{_BAR} {{position: fixed; top: 0.5rem; right: 4rem; left: 4rem; width: auto;"
        " z-index: 999991; flex-wrap: nowrap; overflow-x: auto}</style>"
    )
    with st.container(horizontal=True, horizontal_alignment="right", gap="xsmall", key=_BAR):
        if page.title in _CLIPS:
            draw_sound_switch("P")
            _step("Clip before", "Up", "present:up", _CLIPS[page.title], -1)
            _step("Next clip", "Down", "present:down", _CLIPS[page.title], 1)
        if page.title == "Listen":
            _step("Less", "Left", "present:left", _move_sparsity, -1)
            _step("More", "Right", "present:right", _move_sparsity, 1)
        for label, key, by in (("Back", "PageUp", -1), ("Next", "PageDown", 1)):
            if st.button(label, shortcut=key, key=f"present:{key.lower()}", type="tertiary"):
                st.switch_page(neighbour(pages, page, by))
        st.button("End", shortcut="Esc", key="present:end", on_click=present, args=(False,))


def _step(label: str, shortcut: str, key: str, move: Callable[[int], None], by: int) -> None:
    st.button(label, shortcut=shortcut, key=key, on_click=move, args=(by,), type="tertiary")


def neighbour(options: Sequence[T], current: T, by: int) -> T:
    """The option that many places on; the last one at an end.

    Examples
    --------
    >>> neighbour("abc", "b", 1), neighbour("abc", "c", 1), neighbour("abc", "?", 1)
    ('c', 'c', 'a')
    """
    if current not in options:
        return options[0]
    place = list(options).index(current) + by
    return options[min(max(place, 0), len(options) - 1)]


def _move_clip(by: int) -> None:
    names = [clip.path.name for clip in bundled_clips()]
    current = link.shown(CLIP_PARAMETER) or held(CLIP_KEY, FIRST_CLIP)
    st.session_state[CLIP_KEY] = neighbour(names, current, by)


def _move_sparsity(by: int) -> None:
    from analysis.evaluation.ladder import PERCENTS  # loaded by the page that has the slider

    current = int(link.shown(PERCENT_PARAMETER) or held(PERCENT_KEY, FIRST_PERCENT))
    st.session_state[PERCENT_KEY] = neighbour(PERCENTS, current, by)


def _move_own_clip(by: int) -> None:
    from pages.session import visit

    session = visit.current()
    if session.clips:
        session.current_clip = neighbour(list(session.clips), session.current_clip or "", by)


_CLIPS = {"Listen": _move_clip, "Transcribe": _move_own_clip}
"""What steps through the clips, by the title of the page."""
