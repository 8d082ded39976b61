"""The top of Listen: a clip with its player, there before the speech libraries are loaded.

Those take seconds at a server's first visit. What is drawn here needs none of them.
"""

import streamlit as st

from pages.listening.bundled import FIRST_CLIP, BundledClip, bundled_clips, short_title, title_of
from pages.session.link import opened
from pages.widgets.basics import introduce
from pages.widgets.choices import held
from pages.widgets.formatting import escape_markdown
from pages.widgets.presented import is_presenting

CLIP_KEY, PERCENT_KEY = "listen:clip", "listen:percent"
CLIP_PARAMETER, PERCENT_PARAMETER = "clip", "sparsity"

FIRST_PERCENT = 50
"""Of the units: where the slider stands at first."""

LONGEST_REFERENCE = 96
"""Characters of what is said that stand beside the player; more is cut and shown on hover."""

CLIP_WIDTH = 320
"""Pixels that the longest title of a clip needs beside the arrow of its list."""

_TAKEN = "listen:link"


def draw() -> None:
    """Title, clip and player."""
    st.title("Listen", anchor=False)
    if not is_presenting():  # who presents says it, and needs the room
        introduce(
            "One clip, three models: the original, a **merged** one and a **pruned** one of the"
            " same shape. Press play, move the slider, and see whose words break."
        )
    _take_link()
    clips = {clip.path.name: clip for clip in bundled_clips()}
    st.session_state[CLIP_KEY] = clip_on_show().path.name
    with st.container(border=True):
        # On a projector the clip's title gets a line of its own, for it is not to be cut.
        row = st.grid(2, min_column_width=CLIP_WIDTH, gap="xsmall", vertical_alignment="center")
        with row.cell():
            names = list(clips)
            name = st.selectbox(
                "Clip",
                names,
                index=names.index(held(CLIP_KEY, FIRST_CLIP)),
                format_func=lambda name: short_title(clips[name]),
                key=CLIP_KEY,
                persist_state="session",
                label_visibility="collapsed",
            )
        with row.cell():
            st.audio(clips[name].path, format="audio/flac", alt=f"Player: {title_of(clips[name])}")
        _said(clips[name])


def clip_on_show() -> BundledClip:
    """The clip that was chosen last; the first one where that is none of this version's."""
    clips = {clip.path.name: clip for clip in bundled_clips()}
    return clips.get(held(CLIP_KEY, FIRST_CLIP), clips[FIRST_CLIP])


def _take_link() -> None:
    """Choose the clip of a link that was opened since."""
    link = opened()
    if link is st.session_state.get(_TAKEN):
        return
    st.session_state[_TAKEN] = link
    if link.get(CLIP_PARAMETER) in {clip.path.name for clip in bundled_clips()}:
        st.session_state[CLIP_KEY] = link[CLIP_PARAMETER]


def _said(clip: BundledClip) -> None:
    words = clip.reference
    is_long = len(words) > LONGEST_REFERENCE
    shown = f"{words[:LONGEST_REFERENCE].rsplit(' ', 1)[0]} …" if is_long else words
    st.markdown(
        f":small[:gray[Said:] {escape_markdown(shown)}]",
        help=escape_markdown(words) if is_long else None,
    )
