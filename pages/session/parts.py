"""Parts of a page: each answers by itself, and its faults leave the others in reach."""

import logging
from collections.abc import Callable
from contextvars import ContextVar

import streamlit as st

frame_is_around: ContextVar[bool] = ContextVar("frame_is_around", default=False)
"""Whether the whole page is being drawn, after which the frame keeps what was chosen."""


@st.fragment
def run_part(draw: Callable[[], None]) -> None:
    """Draw a part of a page that answers by itself.

    What a visitor chooses in it draws this part anew, and nothing else of the page. What it draws
    into containers of the page belongs to it, too.

    Parameters
    ----------
    draw : callable
        What it raises is shown in its place.
    """
    show_faults(draw, "This part of the page")
    if not frame_is_around.get():
        from pages.session import visit  # which loads the speech libraries

        visit.keep(visit.current())


def show_faults(draw: Callable[[], None], what: str) -> None:
    """A fault of one part leaves the others, and what was made, in reach."""
    from analysis.errors import UserError, unexpected
    from pages.widgets.basics import show_error

    try:
        draw()
    except UserError as error:
        show_error(error)
    except Exception as error:
        logging.getLogger(__name__).exception("%s failed.", what)  # for whoever serves the app
        show_error(unexpected(what, error))
