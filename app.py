"""Coalesce's web app: navigation and the sidebar; run it with ``streamlit run app.py``."""

import streamlit as st

# Two units that become one, and the name, in an ink that both themes let one read.
MARK = """<svg xmlns="http://www.w3.org/2000/svg" width="220" height="44" viewBox="0 0 220 44">
<circle cx="16" cy="22" r="12" fill="#0072B2"/><circle cx="33" cy="22" r="12" fill="#D55E00"/>
<path d="M24.5 13.5a12 12 0 0 1 0 17a12 12 0 0 1 0-17z" fill="#6F8296"/>
<text x="56" y="31" font-family="Helvetica, Arial, sans-serif"
 font-size="26" font-weight="700" fill="#6F8296">Coalesce</text></svg>"""

ICON = """<svg xmlns="http://www.w3.org/2000/svg" width="44" height="44" viewBox="0 0 44 44">
<circle cx="14" cy="22" r="12" fill="#0072B2"/><circle cx="30" cy="22" r="12" fill="#D55E00"/>
<path d="M22 13a12 12 0 0 1 0 18a12 12 0 0 1 0-18z" fill="#FFFFFF"/></svg>"""


def main() -> None:
    """Draw the frame, then the page that is chosen."""
    st.set_page_config(page_title="Coalesce", page_icon=ICON, layout="wide")
    st.logo(MARK, size="large", icon_image=ICON)
    page = st.navigation(
        [
            st.Page(
                "pages/overview.py", title="Overview", icon=":material/dashboard:", default=True
            ),
            st.Page("pages/variance.py", title="Variance", icon=":material/table_chart_view:"),
            st.Page("pages/clusters.py", title="Clusters", icon=":material/bubble_chart:"),
            st.Page("pages/compress.py", title="Compress", icon=":material/compress:"),
            st.Page("pages/transcribe.py", title="Transcribe", icon=":material/graphic_eq:"),
            st.Page("pages/evaluate.py", title="Evaluate", icon=":material/monitoring:"),
            st.Page("pages/train.py", title="Train", icon=":material/model_training:"),
        ]
    )
    with st.spinner("Starting: the speech libraries are loaded once, in a few seconds."):
        # Imported here, not above: they take seconds, in which the frame is already drawn.
        from pages.frame import sidebar, tour
        from pages.frame.collecting import spare_libraries
        from pages.frame.frame import frame
        from pages.session import link
        from pages.session import session as sessions

        spare_libraries()
    link.receive()
    session = sessions.current()
    session.jobs.collect()
    with st.sidebar:
        sidebar.draw(session)
    if session.model is None:
        if session.jobs.running("load") is None:
            st.info(
                "No model is loaded, so there is nothing to show. Choose one with **Change model**"
                " in the sidebar; the bundled ones work without a network.",
                icon=":material/deployed_code:",
            )
        st.stop()
    with frame():
        tour.draw(session, session.model, page.title)
        page.run()


if __name__ == "__main__":
    main()
