"""Whether a page is presented, and how much larger everything is written then."""

import streamlit as st

SCALE = 1.3
"""How much larger everything is written."""

_PRESENTING = "link:presenting"


def present(on: bool) -> None:
    """Begin or end presenter mode."""
    st.session_state[_PRESENTING] = on


def is_presenting() -> bool:
    """Whether the address asks for presenter mode."""
    return bool(st.session_state.get(_PRESENTING))


def scaled(pixels: int) -> int:
    """A height in pixels that holds as many lines in presenter mode as otherwise."""
    return round(SCALE * pixels) if is_presenting() else pixels
