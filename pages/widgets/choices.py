"""One of a few, side by side: remembered across pages, never empty.

Every widget that is remembered is given what it holds as its default, too. Where a script run is
overtaken by the next one, the browser may never see the one message that tells a widget which is
new to the page what the session holds; it would show the default, and send it back.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import streamlit as st

T = TypeVar("T")


def held(key: str, default: T) -> T:
    """What a widget holds, to be given as its default; `default` before it was first drawn."""
    value: T = st.session_state.get(key, default)
    return value


def choose_one(
    label: str,
    options: Sequence[T],
    *,
    key: str,
    default: T | None = None,
    format_func: Callable[[T], str] = str,
    help_text: str | None = None,
) -> T:
    """A row of buttons of which exactly one is pressed.

    Parameters
    ----------
    label : str
    options : sequence
    key : str
        Of the widget; a value that is none of the options is forgotten.
    default : optional
        By default the first option.
    format_func : callable
        From an option to its name.
    help_text : str, optional

    Returns
    -------
    One of the options.
    """
    if st.session_state.get(key) not in options:
        st.session_state[key] = options[0] if default is None else default
    chosen = st.segmented_control(
        label,
        options,
        default=st.session_state[key],
        format_func=format_func,
        required=True,
        key=key,
        persist_state="session",
        help=help_text,
    )
    # the browser sends nothing while a widget is being replaced
    return options[0] if chosen is None else chosen


def choose_some(
    label: str,
    options: Sequence[T],
    *,
    key: str,
    default: Sequence[T],
    format_func: Callable[[T], str] = str,
    help_text: str | None = None,
) -> list[T]:
    """A set of buttons of which any number is pressed; all are seen, and read in both themes.

    The chips of Streamlit's list for several are white on the accent, which the dark theme has
    light.

    Parameters
    ----------
    label : str
    options : sequence
    key : str
        Of the widget.
    default : sequence
        What is pressed before anybody chose.
    format_func : callable
        From an option to its name.
    help_text : str, optional

    Returns
    -------
    list
        Of the pressed options, in the order of `options`.
    """
    chosen = st.pills(
        label,
        options,
        selection_mode="multi",
        wrap=True,
        default=[value for value in held(key, default) if value in options],
        format_func=format_func,
        key=key,
        persist_state="session",
        help=help_text,
    )
    return [option for option in options if option in chosen]
