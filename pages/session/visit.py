"""A visit: which session a browser's tab belongs to, and what of it is kept for the next one.

The address carries the session's id. A reload, a second tab and a connection that comes back find
the same session while it is in this process, and what is kept on disk after that. Two tabs of one
address are one session: what one does, the other has, too. What widgets hold is each tab's own; of
that, and between processes, the last save of an item wins (`pages.session.store`).
"""

import os
import re
import threading
from collections.abc import Mapping
from typing import Any
from weakref import WeakValueDictionary

import streamlit as st

from analysis.clustering.listening import forget_sound
from analysis.errors import UserError
from analysis.models.loading import DEMO_MODELS
from analysis.models.speech_model import available_devices
from analysis.plan.recipe import Recipe
from analysis.serving import OWN_MODEL
from pages.session import leaving, records, store
from pages.session.link import MODEL, SESSION, carry, opened
from pages.session.session import DEFAULT_MODEL, Session, on_best_device
from pages.session.shelves import ModelKey, model_shelf

COOKIE = "coalesce-session"

_STATE = "session"
_NOTE = "visit:note"
_PROBLEM = "visit:problem"

_PLAN = "|".join((*Recipe.model_fields, "locked", "stock"))
_CHOICES = re.compile(
    rf"plan:[0-9a-f]{{16}}:({_PLAN})|(normaliser|language|task|long-form):[0-9a-f]{{16}}"
    r"|sweep-(data|limit|folder|methods|sparsities|allocations|stress|more-stress|confidence)"
    r"|train-(method|data|sparsity|distil|folder|language|(clips|epochs|batch|rate)(:.*)?)"
    r"|tour:(step|done)|listen:(clip|percent)"
)
"""Keys of the widgets whose values come back, and how far the tour is; none is a button's."""


def current() -> Session:
    """This visitor's session: the one that this tab has, that its address names, or a new one."""
    session: Session | None = st.session_state.get(_STATE)
    if session is None or session.is_forgotten:
        session = _begin(opened().get(SESSION, "") if session is None else "")
        _enter(session)
    leaving.enter(session, _sessions)
    return session


def keep(session: Session) -> None:
    """Save what has changed since the last run; a problem is shown by the session's box."""
    if session.is_forgotten:
        return
    session.choices = session.choices | _choices()
    if not _is_worth_keeping(session):
        return
    own = store.store_of(session.id)
    st.session_state.pop(_PROBLEM, None)
    try:
        if not store.days_kept():
            return
        if session.saved and own.is_forgotten:  # in another process
            session.is_forgotten = True
            return
        items = records.items_of(session)
        for name in list(session.saved):  # another tab saves at the same time
            if name not in items:
                own.delete(name)
                session.saved.pop(name, None)
        for name, item in items.items():  # the head comes last: it makes the session one
            if session.saved.get(name) != item.fingerprint or name not in session.saved:
                own.write(name, item.content())
                session.saved[name] = item.fingerprint
        own.touch()
    except UserError as error:
        st.session_state[_PROBLEM] = error
    store.sweep_out()


def problem() -> UserError | None:
    """Why the last save did not come to its end."""
    error: UserError | None = st.session_state.get(_PROBLEM)
    return error


def note() -> str:
    """What became of the session that the address named, for the visitor to read."""
    text: str = st.session_state.get(_NOTE, "")
    return text


def drop_note() -> None:
    """Callback: the note was read."""
    st.session_state.pop(_NOTE, None)


def last_visit() -> tuple[str, records.Head] | None:
    """The session that this browser had before, where it is another one and still kept."""
    wanted = _cookie()
    session: Session | None = st.session_state.get(_STATE)
    if not store.is_id(wanted) or session is None or wanted == session.id or session.saved:
        return None
    kept = store.store_of(wanted)
    head = records.read_head(kept) if kept.exists else None
    return (wanted, head) if head else None


def come_back(session_id: str) -> None:
    """Callback: go on with an earlier session instead of the one that has just begun."""
    _enter(_begin(session_id))


def forget(session: Session) -> None:
    """Callback: delete all that is kept of a session, and end it in all of its tabs."""
    session.is_forgotten = True
    for slot in session.jobs.slots():
        session.jobs.cancel(slot)
    store.store_of(session.id).forget()
    for identity in session.heard:
        forget_sound(identity)
    with _lock():
        _live().pop(session.id, None)
    for key in [key for key in st.session_state if _CHOICES.fullmatch(str(key))]:
        del st.session_state[key]


def _begin(wanted: str) -> Session:
    """The session of an id while it is at hand or kept, else a new one."""
    store.sweep_out()
    with _lock():
        live = _live().get(wanted)
        if live is not None and not live.is_forgotten:
            return live
        session = None
        if store.is_id(wanted):
            session = records.restore(store.store_of(wanted), wanted)
            st.session_state[_NOTE] = _told(session)
        if session is None:
            session = Session(_first_model(), store.new_id())
        elif session.key.device not in available_devices():
            session.key = on_best_device(session.key.source)
        session.use(session.key)
        _live()[session.id] = session
        return session


def _enter(session: Session) -> None:
    """Make it this tab's, with what its widgets held; from a callback or before they are drawn."""
    if _STATE in st.session_state:
        leaving.leave(st.session_state[_STATE])
    st.session_state[_STATE] = session
    carry(session.id)
    for key, value in _usable(session.choices).items():
        if not (key.startswith("listen:") and key in st.session_state):  # drawn before, as linked
            st.session_state[key] = value


def _usable(choices: Mapping[str, Any]) -> dict[str, Any]:
    """Without settings that make no recipe: another version may have saved them."""
    usable = {key: value for key, value in choices.items() if _CHOICES.fullmatch(key)}
    for start in {key[: key.rindex(":") + 1] for key in usable if key.startswith("plan:")}:
        fields = {name: usable.get(f"{start}{name}") for name in Recipe.model_fields}
        given = {name: value for name, value in fields.items() if value is not None}
        try:
            Recipe(**given | {"sparsity": given.get("sparsity", 0) / 100})
        except (UserError, TypeError, OverflowError):
            usable = {key: value for key, value in usable.items() if not key.startswith(start)}
    return usable


def _told(session: Session | None) -> str:
    if session is None:
        return (
            "Nothing is kept of the session in this address: it was forgotten, is too old, or held"
            " nothing. A new one has begun."
        )
    return " ".join(session.lost)


def _is_worth_keeping(session: Session) -> bool:
    """Whether there is more than a visit begins with."""
    things = (session.variants, session.waiting, session.clips, session.sweeps, session.training)
    return bool(session.saved or any(things) or session.key != _first_model())


def _choices() -> dict[str, Any]:
    return {
        str(key): value
        for key, value in st.session_state.items()
        if _CHOICES.fullmatch(str(key)) and _is_plain(value)
    }


def _sessions() -> list[Session]:
    """Those of this process that a tab, or a job, still has."""
    return list(_live().values())


def _is_plain(value: object) -> bool:
    """Whether JSON gives the same back."""
    if isinstance(value, list):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(each) for key, each in value.items())
    return value is None or isinstance(value, str | int | float | bool)


def _first_model() -> ModelKey:
    """What a visit without a session begins with: the model of its link, or the server's."""
    source = os.environ.get(OWN_MODEL) or DEFAULT_MODEL
    return _known(opened().get(MODEL, "")) or on_best_device(source)


def _known(source: str) -> ModelKey | None:
    """The model of a link, if it is at hand: no link makes the server fetch or read anything."""
    kept = (key for key, _ in reversed(model_shelf().keys()) if key.source == source)
    return next(kept, on_best_device(source) if source in DEMO_MODELS else None)


def _cookie() -> str:
    """The id that this browser remembers."""
    return str(st.context.cookies.get(COOKIE, ""))


@st.cache_resource(show_spinner=False)
def _live() -> "WeakValueDictionary[str, Session]":
    """The sessions of this process that a tab, or a job, still has."""
    return WeakValueDictionary()


@st.cache_resource(show_spinner=False)
def _lock() -> threading.RLock:
    """Two tabs that open one address at once must not restore it twice."""
    return threading.RLock()
