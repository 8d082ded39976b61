"""What happens when a visitor leaves: jobs end, the session goes, and the memory comes back.

A thread of the server looks every few seconds which tabs are still open; without it, all would
wait for the next visitor. Streamlit lets go of a session only when it looks for another one, and
keeps what was uploaded even then.
"""

import gc
import logging
import threading
import time
from collections.abc import Callable, Sequence

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from analysis.memory import trim
from analysis.serving import serving
from pages.session.session import Session

LEFT_SECONDS = 15.0
"""A reload takes less; jobs of a session that has had no open tab for so long end."""

LOOK_SECONDS = 5.0
"""How often the thread looks."""

_RESTLESS_LOOKS = 3  # after a tab was closed: a script or a job of it may still hold its models

_MARGIN_SECONDS = 2 * LOOK_SECONDS  # before Streamlit's own time-out, with which it forgets the tab

_looking = threading.Lock()


def enter(session: Session, sessions: Callable[[], Sequence[Session]]) -> None:
    """Note that the tab whose script runs shows a session, and have an eye on all that are there.

    Parameters
    ----------
    session : Session
    sessions : callable
        Gives those of this process that a tab or a job still has.
    """
    context = get_script_run_ctx()
    if context is not None:
        session.tabs[context.session_id] = time.monotonic()
    with _looking:
        _watcher(sessions)


def leave(session: Session) -> None:
    """Note that the tab whose script runs shows another session from now on."""
    context = get_script_run_ctx()
    if context is not None:
        session.tabs.pop(context.session_id, None)


def look(sessions: Sequence[Session], is_open: Callable[[str], bool], now: float) -> list[str]:
    """End the jobs of those who left.

    Parameters
    ----------
    sessions : sequence of Session
    is_open : callable
        Whether the tab of an id is connected.
    now : float
        Seconds, of `time.monotonic`.

    Returns
    -------
    list of str
        Tabs that were closed so long ago that they do not come back; they are forgotten here.
    """
    gone = []
    # Whoever trains on a computer of their own may close the page: the run is meant to take hours.
    going_on = ("load",) if serving().is_open else ("load", "train")
    for session in sessions:
        for tab, seen in list(session.tabs.items()):
            if is_open(tab):
                session.tabs[tab] = now
            elif now - seen >= _time_out():
                session.tabs.pop(tab, None)
                gone.append(tab)
        if all(now - seen >= LEFT_SECONDS for seen in list(session.tabs.values())):
            session.jobs.abandon(going_on)
    return gone


def give_back() -> None:
    """Free what nobody uses any more, and hand it to the system.

    Garbage in circles among what `pages.frame.collecting` has set apart is found, too.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    trim()


@st.cache_resource(show_spinner=False)
def _watcher(_sessions: Callable[[], Sequence[Session]]) -> threading.Thread:
    """The thread, one for the server."""
    thread = threading.Thread(target=_watch, args=(_sessions,), name="coalesce-leave", daemon=True)
    thread.start()
    return thread


def _watch(sessions: Callable[[], Sequence[Session]]) -> None:
    restless = 0
    while True:
        time.sleep(LOOK_SECONDS)
        if not runtime.exists():
            continue
        try:
            if restless:  # tabs were closed at one of the last looks, and may have come to rest
                give_back()
                restless -= 1
            if _look_once(sessions()):
                restless = _RESTLESS_LOOKS
        except Exception:  # the next look may go well, and without any nobody's job would end
            logging.getLogger(__name__).exception("Looking after closed tabs failed.")


def _look_once(sessions: Sequence[Session]) -> bool:
    """One look at a real server; a function of its own, so that no session is held in between."""
    server = runtime.get_instance()
    gone = look(sessions, server.is_active_session, time.monotonic())
    for tab in gone:
        # Streamlit's own way to close a session from another thread; it does so where it is idle.
        server._close_inactive_session_on_event_loop(tab)
    return bool(gone)


def _time_out() -> float:
    """Seconds after which a tab that is not connected is given up."""
    return max(
        LEFT_SECONDS, float(st.get_option("server.disconnectedSessionTTL")) - _MARGIN_SECONDS
    )
