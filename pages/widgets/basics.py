"""Small things that every page draws the same way."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from analysis.errors import UserError
from analysis.figures.enlarging import enlarged
from analysis.figures.palette import BACKGROUNDS
from analysis.figures.theme import BUTTONS_LEFT_OUT, SELECTING_BUTTONS, apply_theme
from analysis.serving import serving
from pages.widgets.formatting import escape_markdown
from pages.widgets.presented import SCALE, is_presenting, scaled

_UNSEEN = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'


def unseen(name: str) -> str:
    """The label of a button that shows an icon alone, as Markdown: a screen reader says it.

    It is an empty picture with a text in its stead; without it the icon's own name is said.

    Parameters
    ----------
    name : str
        Plain text; it may hold what a person typed.
    """
    image = base64.b64encode(_UNSEEN.encode()).decode()
    return f"![{escape_markdown(name)}](data:image/svg+xml;base64,{image})"


def swatch(color: str) -> str:
    """A small square in a palette colour, as Markdown."""
    return f':color[■]{{foreground="{color}"}}'


def theme() -> str:
    """The theme that the page is shown in: "light" or "dark"."""
    return "dark" if st.context.theme.type == "dark" else "light"


def primary_button(label: str, icon: str, *, key: str, **options: Any) -> bool:
    """A button in the accent colour whose text can be read in both themes.

    Streamlit writes it in white, which the dark theme's light accent gives no contrast.

    What acts on fields asks for the button's value: a callback has the arguments of the run before,
    and a busy server hears of a field and of the press behind it at once.
    """
    text = f":material/{icon}: {label}" if options.get("disabled") else primary_label(label, icon)
    return st.button(text, type="primary", key=key, **options)


def primary_label(label: str, icon: str) -> str:
    """Text for a button in the accent colour that can be read in both themes."""
    return f':color[:material/{icon}: {label}]{{foreground="{BACKGROUNDS[theme()][0]}"}}'


def sentence_of(error: UserError) -> str:
    """What happened, in bold, and what to do, as Markdown."""
    return f"**{escape_markdown(error.message)}** {escape_markdown(error.remedy)}"


def show_error(error: UserError) -> None:
    """One sentence, one remedy, the technical detail folded away."""
    st.error(sentence_of(error), icon=":material/error:")
    if error.detail and not serving().is_open:  # it names folders of the server
        with st.expander("Technical detail"):
            st.code(error.detail, language=None, wrap_lines=True)


def figure(chart: go.Figure, *, key: str, alt: str, **options: Any) -> Any:
    """A Plotly chart with the page's theme, a vector export and a text for screen readers."""
    config = {
        "toImageButtonOptions": {"format": "svg", "filename": key.split(":")[0]},
        "modeBarButtonsToRemove": [*SELECTING_BUTTONS, *BUTTONS_LEFT_OUT],
    }
    return draw_chart(chart, config, key=key, alt=alt, **options)


def draw_chart(
    chart: go.Figure, config: Mapping[str, Any], *, height: int | None = None, **options: Any
) -> Any:
    """A Plotly chart with the page's theme, and as large as the page is written.

    Parameters
    ----------
    chart : Figure
    config : mapping of str to object
        Of Plotly.
    height : int, optional
        Pixels where nothing is presented; that of the figure where none is given.
    **options
        Of `streamlit.plotly_chart`.
    """
    apply_theme(chart, theme())
    if is_presenting():
        chart = enlarged(chart, SCALE)
    if height is not None:
        options["height"] = scaled(height)
    return st.plotly_chart(chart, config={"displaylogo": False, **config}, **options)


def data_table(rows: Any, **options: Any) -> Any:
    """A table that can be sorted and searched; what is missing is a dash.

    Parameters
    ----------
    rows : DataFrame, or sequence of mappings
    **options
        Of `streamlit.dataframe`.
    """
    return st.dataframe(rows, hide_index=True, placeholder="–", **options)


def introduce(text: str) -> None:
    """What a page is for, as Markdown below its title; see `leave_introductions_out`."""
    with st.container(key="introduction"):
        st.markdown(text)


def leave_introductions_out() -> None:
    """Where something else says what to do, the page needs the room."""
    st.html(
        "<style>[data-testid=stLayoutWrapper]:has(> .st-key-introduction) {display: none}</style>"
    )


def keep_in_sight(key: str, *, on_phones_alone: bool = False) -> None:
    """Let a container stay below the page's header while the page is scrolled under it.

    Parameters
    ----------
    key : str
        Of the container.
    on_phones_alone : bool
        Where columns stand below each other.
    """
    rule = (
        f"[data-testid=stLayoutWrapper]:has(> .st-key-{key}) {{position: sticky;"
        f" top: 3.75rem; z-index: 99; background: {BACKGROUNDS[theme()][0]}}}"
    )
    st.html(
        f"<style>{f'@media (max-width: 640px) {{{rule}}}' if on_phones_alone else rule}</style>"
    )


def scroll_to_top() -> None:
    """Show the head of the page; Streamlit leaves a page where it was scrolled to."""
    st.html(
        "<script>document.querySelector('[data-testid=stMain]')?.scrollTo(0, 0)</script>",
        unsafe_allow_javascript=True,
    )


PANELS_WIDTH = 620
"""Pixels that a panel for each kind of unit takes."""


def wide(width: int) -> Any:
    """A place for a chart of many panels, which is pushed sideways where a screen is narrower.

    Parameters
    ----------
    width : int
        Pixels that the chart needs.
    """
    return st.grid(1, min_column_width=width, wrap=False)


BESIDE = "beside"
"""Key of the right one of two columns."""

BESIDE_WIDTH = 300
"""Pixels in which no title of the charts beside another is cut."""


def two_columns(left_width: int = 600) -> tuple[DeltaGenerator, DeltaGenerator]:
    """A left column of so many pixels and one with the rest; on a projector it goes below.

    It does where less than `BESIDE_WIDTH` would be left, by a rule of the frame's style sheet.
    """
    row = st.container(horizontal=True, gap="medium")
    return row.container(width=left_width), row.container(key=BESIDE)


def explain(paragraphs: Sequence[str]) -> None:
    """The lecture behind a page, folded."""
    with st.expander("What am I looking at?", icon=":material/school:"):
        for paragraph in paragraphs:
            st.markdown(paragraph)
