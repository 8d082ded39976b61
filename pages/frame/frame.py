"""The frame of the web app: navigation and sidebar, and the chosen page inside it.

Streamlit finds `pages/` beside `app.py` and, until `st.navigation` was called once, takes the app
for one of its old kind: whoever opens a page's address first gets that file alone, without
navigation, sidebar or model. Each page therefore ends in `run_page`, which knows.
"""

from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING

import streamlit as st

from analysis.serving import serving
from pages.frame import presenting
from pages.listening import opening
from pages.session import link, parts
from pages.session.parts import show_faults
from pages.widgets.basics import BESIDE, BESIDE_WIDTH
from pages.widgets.presented import is_presenting

if TYPE_CHECKING:  # what takes seconds to load is imported when the frame has been drawn
    from analysis.models.speech_model import SpeechModel
    from pages.session.session import Session

# Two units that become one, and the name, in an ink that both themes let one read.
_MARK = """<svg xmlns="http://www.w3.org/2000/svg" width="220" height="44" viewBox="0 0 220 44">
<circle cx="16" cy="22" r="12" fill="#0072B2"/><circle cx="33" cy="22" r="12" fill="#D55E00"/>
<path d="M24.5 13.5a12 12 0 0 1 0 17a12 12 0 0 1 0-17z" fill="#6F8296"/>
<text x="56" y="31" font-family="Helvetica, Arial, sans-serif"
 font-size="26" font-weight="700" fill="#6F8296">Coalesce</text></svg>"""

_ICON = """<svg xmlns="http://www.w3.org/2000/svg" width="44" height="44" viewBox="0 0 44 44">
<circle cx="14" cy="22" r="12" fill="#0072B2"/><circle cx="30" cy="22" r="12" fill="#D55E00"/>
<path d="M22 13a12 12 0 0 1 0 18a12 12 0 0 1 0-18z" fill="#FFFFFF"/></svg>"""

# Streamlit leaves 80 pixels on either side of a page, which a projector cannot spare; and messages
# that pass would cover the buttons at the head of a page, or the words of a transcript beside it.
_STYLE = f"""<style>@media (min-width: 768px) and (max-width: 1200px) {{
[data-testid=stMainBlockContainer] {{padding-left: 2rem; padding-right: 2rem}}}}
[data-testid=stLayoutWrapper]:has(> .st-key-{BESIDE}) {{min-width: min(100%, {BESIDE_WIDTH}px)}}
.stToastContainer {{inset: auto auto 1rem 1rem !important; max-width: 17rem}}</style>"""

_inside: "ContextVar[tuple[Session, SpeechModel] | None]" = ContextVar("inside", default=None)


def main() -> None:
    """Draw the frame, then the page that is chosen."""
    st.set_page_config(page_title="Coalesce", page_icon=_ICON, layout="wide")
    st.logo(_MARK, size="large", icon_image=_ICON)
    st.html(_STYLE)
    listen = st.Page("pages/listen.py", title="Listen", icon=":material/hearing:", default=True)
    train = st.Page("pages/train.py", title="Train", icon=":material/model_training:")
    link.receive()
    presenting_now = is_presenting()
    sections = {
        "Try": [listen],
        "Understand": [
            st.Page("pages/overview.py", title="Overview", icon=":material/dashboard:"),
            st.Page("pages/variance.py", title="Variance", icon=":material/table_chart_view:"),
            st.Page("pages/clusters.py", title="Clusters", icon=":material/bubble_chart:"),
        ],
        "Work": [
            st.Page("pages/compress.py", title="Compress", icon=":material/compress:"),
            st.Page("pages/transcribe.py", title="Transcribe", icon=":material/graphic_eq:"),
            st.Page("pages/evaluate.py", title="Evaluate", icon=":material/monitoring:"),
            *([train] if serving().writes else []),
        ],
    }
    page = st.navigation(
        sections, expanded=True, position="hidden" if presenting_now else "sidebar"
    )
    if presenting_now:
        presenting.draw_bar(page, [each for section in sections.values() for each in section])
    if page == listen:
        opening.draw()
    with st.spinner("Starting: the speech libraries are loaded once, in a few seconds."):
        # Imported here, not above: they take seconds, in which the frame is already drawn, and a
        # first visitor can play the clip.
        from analysis.cache import tidy
        from pages.frame import sharing, sidebar, tour
        from pages.frame.collecting import forget_gone_widgets, spare_libraries
        from pages.session import visit
        from pages.variants import remaking

        spare_libraries()
        forget_gone_widgets()
        tidy()
    session = visit.current()
    session.jobs.collect()
    if session.model is not None:
        sharing.follow(session, session.model, page.title)
        remaking.begin(session, session.model)
    n_heard = len(session.transcripts)
    if not presenting_now or session.model is None:
        with st.sidebar:
            show_faults(lambda: sidebar.draw(session), "The sidebar")
    if session.model is None:
        link.complete_address(None)
        if session.jobs.running("load") is None:
            _offer_models(session, None if page == listen else page.title)
        st.stop()
    token = _inside.set((session, session.model))
    framed = parts.frame_is_around.set(True)
    try:
        if not presenting_now:
            tour.draw(session, session.model, page.title)
        if page.title in sharing.SHOW_VARIANTS:
            remaking.draw_offer(session, session.model)
        page.run()
        link.complete_address(session.model)
        tour.look_again(session, session.model)
        if len(session.transcripts) != n_heard:
            st.rerun()  # the sidebar tells word error rates, and was drawn before
        sharing.draw_dialog(session, session.model, page.title)
    finally:
        _inside.reset(token)
        parts.frame_is_around.reset(framed)
        visit.keep(session)


def _offer_models(session: "Session", title: str | None) -> None:
    """What a page shows without a model: its title, why it is empty, and one click to go on."""
    from analysis.models.loading import DEMO_MODELS
    from pages.session.session import on_best_device

    if title is not None:
        st.title(title)
    st.info(
        "No model is loaded, so there is nothing to show. Choose one with **Change model** in the"
        " sidebar, or take a bundled one, which works without a network.",
        icon=":material/deployed_code:",
    )
    with st.container(horizontal=True):
        for name in DEMO_MODELS:
            st.button(
                f"Load {name}",
                key=f"offer:{name}",
                on_click=session.use,
                args=(on_best_device(name),),
            )


def run_page(draw: "Callable[[Session, SpeechModel], None]") -> None:
    """Draw a page inside the frame; where it is not around, draw that, which comes back here.

    Parameters
    ----------
    draw : callable
        Given the visitor's session and the model in use. What it raises is shown on the page.
    """
    inside = _inside.get()
    if inside is None:
        main()
        return
    show_faults(lambda: draw(*inside), "This page")
