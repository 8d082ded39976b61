"""The view in the address: whoever opens a copied link sees what its sender saw.

The address is read when it was opened, or gone back to, and at no other time: a browser sends the
address that it has with everything a visitor does, and when that overtakes the answer to what was
done just before, it is an older one, which would undo it.

`bind="query-params"` is not used: it drops a parameter when the first script run ends before its
widget is drawn, which is what happens while the model is being loaded.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from pages.widgets.formatting import escape_markdown
from pages.widgets.presented import is_presenting, present

if TYPE_CHECKING:  # the first page reads its link before the speech libraries are loaded
    from analysis.models.speech_model import SpeechModel

_OPENED = "link:opened"
_ANNOUNCED = "link:announced"
_SESSION = "link:session"
_VIEW = "link:view"

MODEL = "model"
SESSION = "session"
"""Parameter of the session's id; it stands in the address, and never in a link that is shared."""

PRESENT = "present"
"""Parameter of presenter mode, which stays in the address and is in no link that is shared."""

Reader = Callable[[str], object | None]
"""From a parameter's text, empty where there is none, to the widget's value; None: no change."""


def receive() -> None:
    """Take note of a link that was opened or gone back to; once in every run, before all else."""
    context = get_script_run_ctx()
    st.session_state[_VIEW] = None
    if _OPENED not in st.session_state or (context and context.is_history_navigation):
        parameters = st.query_params.to_dict()
        present(parameters.pop(PRESENT, "") == "1")
        st.session_state[_OPENED] = parameters


def opened() -> Mapping[str, str]:
    """Parameters of the link that this visitor opened or went back to, until it is followed."""
    parameters: Mapping[str, str] = st.session_state.get(_OPENED, {})
    return parameters


def follow(model: "SpeechModel", widgets: Mapping[str, tuple[str, Reader]]) -> None:
    """Set the widgets that an opened link names; before they are drawn.

    Parameters
    ----------
    model : SpeechModel
        The one in use; a link made with another one waits until that one is loaded, and the page
        says so.
    widgets : mapping of str to (str, callable)
        Parameter name → key of the widget, and the reader of its text.
    """
    link = opened()
    if not link:
        return
    wanted = link.get(MODEL, model.source)
    if wanted != model.source:
        if st.session_state.get(_ANNOUNCED) != wanted:
            st.session_state[_ANNOUNCED] = wanted
            # a toast, for the address is about to become that of the view that is shown
            st.toast(
                f"The link shows **{escape_markdown(wanted)}**. It is followed once you load that"
                " with **Change model**.",
                icon=":material/link:",
                duration="long",
            )
        return
    for name, (key, read) in widgets.items():
        value = read(link.get(name, ""))
        if value is not None:
            st.session_state[key] = value
    st.session_state[_OPENED] = {}


def carry(session_id: str) -> None:
    """Name the session that the address stands for, which brings back what it had on a reload."""
    st.session_state[_SESSION] = session_id


def write_address(model: "SpeechModel | None", values: Mapping[str, str]) -> None:
    """Write the view into the address, beside the session.

    Parameters
    ----------
    model : SpeechModel or None
    values : mapping of str to str
        Parameter name → text.
    """
    st.session_state[_VIEW] = view = ({MODEL: model.source} if model else {}) | dict(values)
    session_id = st.session_state.get(_SESSION)
    address = ({SESSION: session_id} if session_id else {}) | view
    address |= {PRESENT: "1"} if is_presenting() else {}
    if st.query_params.to_dict() != address:
        st.query_params.from_dict(address)


def complete_address(model: "SpeechModel | None") -> None:
    """At the end of a run: the address of a page that wrote none names model and session."""
    if st.session_state.get(_VIEW) is None:
        write_address(model, {})


def shown(name: str) -> str | None:
    """A value of the view that was written last; in a callback, that which the person looks at.

    What widgets hold there is what the browser has sent, which may not know yet what the last
    callback set.
    """
    view: Mapping[str, str] = st.session_state.get(_VIEW) or {}
    return view.get(name)


def to_share(more: Mapping[str, str]) -> str:
    """A link to the view on show that lets nobody into the session.

    Parameters
    ----------
    more : mapping of str to str
        Parameters beside those of the view.
    """
    view = dict(st.session_state.get(_VIEW) or {}) | dict(more)
    return f"{(st.context.url or '').partition('?')[0]}?{urlencode(view)}"


def one_of(options: Mapping[str, object] | tuple[str, ...]) -> Reader:
    """A reader that takes nothing but the given options."""
    return lambda text: text if text in options else None
