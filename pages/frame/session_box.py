"""Below the model card: a link to the view, what is kept of the session, how to forget it."""

import streamlit as st

from analysis.errors import UserError
from analysis.wording import number_of
from pages.frame import presenting, sharing
from pages.session import store, visit
from pages.session.session import Session
from pages.widgets.basics import show_error
from pages.widgets.formatting import escape_markdown, size

_DISMISSED = "visit:dismissed"


def draw_arrival() -> None:
    """What became of the session in the address; or the way back to the one of an earlier visit."""
    if told := visit.note():
        with st.container(border=True, key="visit-note", gap="xsmall"):
            st.markdown(f":small[{escape_markdown(told)}]")
            st.button("Dismiss", key="visit:read", type="tertiary", on_click=visit.drop_note)
    found = None if st.session_state.get(_DISMISSED) else visit.last_visit()
    if found is None:
        return
    session_id, head = found
    things = [number_of(head.counts.get(f"{noun}s", 0), noun) for noun in ("variant", "clip")]
    with st.container(border=True, key="last-visit", gap="xsmall"):
        st.markdown(f":small[Your last session is kept: {', '.join(things)}.]")
        with st.container(horizontal=True, gap="small"):
            st.button("Restore", key="visit:restore", on_click=visit.come_back, args=(session_id,))
            st.button(
                "Start anew",
                key="visit:dismiss",
                type="tertiary",
                on_click=lambda: st.session_state.update({_DISMISSED: True}),
            )


def draw(session: Session) -> None:
    """The switch to presenter mode; under it Copy link and Session in a row."""
    presenting.draw_switch()
    with st.container(horizontal=True, gap="small", key="session-box"):
        sharing.draw_button()
        with st.popover("Session", icon=":material/history:", width="stretch"):
            _draw_kept(session)
    _tell_browser(session)
    problem = visit.problem()
    if problem is not None:
        show_error(problem)


def _draw_kept(session: Session) -> None:
    """What is kept, for how long, and the button that deletes it."""
    try:
        days = store.days_kept()
    except UserError as error:
        show_error(error)
        return
    if not days:
        st.markdown("This server keeps nothing of a session: a reload loses what you made.")
    elif not session.saved:
        st.markdown("Nothing is kept yet; your first clip or variant is saved by itself.")
    else:
        st.markdown(
            f"**{size(store.store_of(session.id).n_bytes)}** are kept on this server, so that a"
            " reload, a second tab or a restart loses nothing: the models' names, variants as"
            " their recipes, clips with their sound, transcripts, sweeps and training runs."
        )
    if days:
        st.caption(
            f"Deleted {number_of(round(days), 'day')} after your last visit; at most"
            f" {size(store.MOST_BYTES)} a session and {store.MOST_SESSIONS} sessions, of which the"
            " one that was opened longest ago goes first. The address of this page holds the key:"
            " whoever has it has the session. **Copy link** leaves it out."
        )
    st.button(
        "Forget this session",
        icon=":material/delete_forever:",
        key="visit:forget",
        width="stretch",
        on_click=visit.forget,
        args=(session,),
        help="Deletes your clips, variants and results from this server at once, in all tabs.",
    )


def _tell_browser(session: Session) -> None:
    """Let the browser remember the session, once there is something to come back to.

    A cookie of this page, which holds nothing but the id; pages cannot set one otherwise.
    """
    if not session.saved or not store.is_id(session.id):
        return
    seconds = round(store.days_kept() * 86_400)
    # the id was checked: it has letters, digits, - and _ only
    st.html(
        "<script>document.cookie ="
        f" '{visit.COOKIE}={session.id}; path=/; max-age={seconds}; SameSite=Strict'"
        " + (location.protocol === 'https:' ? '; Secure' : '');</script>",
        unsafe_allow_javascript=True,
    )
