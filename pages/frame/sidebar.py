"""The sidebar: which model is loaded, where, how big; what was made of it; what is kept of both."""

import streamlit as st

from analysis.figures.palette import ORIGINAL
from analysis.models.loading import DEMO_MODELS
from analysis.serving import serving
from pages.frame import session_box
from pages.frame.model_choice import DEVICE_NAMES, choose_model
from pages.session.job_box import job_line, show_problem
from pages.session.session import Session
from pages.session.shelves import footprint_of
from pages.variants import rows
from pages.widgets.basics import swatch
from pages.widgets.formatting import count, escape_markdown, size


def draw(session: Session) -> None:
    """Draw the model card, the buttons for the session, and the variants."""
    session_box.draw_arrival()
    with st.container(border=True, key="model-card", gap="xsmall"):
        _model_card(session)
    if st.button("Change model", icon=":material/swap_horiz:", width="stretch"):
        choose_model(session)
    # Here and not on the page, where whoever has scrolled down would not see it.
    job_line(session.jobs, "load")
    show_problem(session.jobs, "load")
    # before the variants: several of them with long names would push it out of sight
    session_box.draw(session)
    if session.model is not None:
        rows.draw(session, session.model)


def _model_card(session: Session) -> None:
    model = session.model
    if model is None:
        st.markdown(f"**{escape_markdown(session.key.source)}**")
        st.caption("not loaded")
        return
    sizes = footprint_of(model)
    st.markdown(f"{swatch(ORIGINAL)} **{escape_markdown(model.name)}**")
    dtype = str(model.dtype).removeprefix("torch.")
    st.caption(
        f"{model.architecture.title} · {count(sizes.parameters)} parameters  \n"
        f"{size(sizes.bytes)} · {DEVICE_NAMES.get(model.device.type, '')} · {dtype}  \n"
        f"{_origin(session)}",
        help=None if serving().is_open else f"Source: {escape_markdown(model.source)}",
    )
    if model.plan is not None:
        st.badge("already compressed", icon=":material/compress:", color="orange")


def _origin(session: Session) -> str:
    key = session.key
    if key.source in DEMO_MODELS:
        return "bundled, works offline"
    revision = f" at {key.revision}" if key.revision else ""
    parts = key.source.rstrip("/").split("/")
    short = key.source if len(parts) <= 2 else f"…/{parts[-1]}"
    return f"from {escape_markdown(short + revision)}"
