"""Figures and tables that leave the page: self-contained HTML, CSV."""

from collections.abc import Mapping
from functools import partial

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from analysis.figures.palette import BACKGROUNDS
from pages.widgets.basics import theme


def draw_exports(
    key: str, figures: Mapping[str, go.Figure], tables: Mapping[str, pd.DataFrame]
) -> None:
    """A popover with one button per figure and table; files are made when they are asked for.

    Parameters
    ----------
    key : str
        Distinguishes this popover from others.
    figures : mapping of str to Figure
        By file name, without its ending; an SVG comes from the figure's own camera button.
    tables : mapping of str to DataFrame
        By file name, without its ending.
    """
    dark = theme() == "dark"
    with st.popover("Export", icon=":material/download:", key=f"exports:{key}"):
        for name, chart in figures.items():
            st.download_button(
                f"{name}.html",
                partial(_page, chart, dark),
                file_name=f"{name}.html",
                mime="text/html",
                on_click="ignore",
                key=f"export:{key}:{name}.html",
                width="stretch",
                help="One file with everything in it; works without a network.",
            )
        for name, table in tables.items():
            st.download_button(
                f"{name}.csv",
                partial(table.to_csv, index=False),
                file_name=f"{name}.csv",
                mime="text/csv",
                on_click="ignore",
                key=f"export:{key}:{name}.csv",
                width="stretch",
            )


def _page(chart: go.Figure, dark: bool) -> str:
    """The figure as it looks on the page, which would otherwise lend it its colours."""
    copy = go.Figure(chart)
    copy.update_layout(
        template="plotly_dark" if dark else "plotly_white",
        paper_bgcolor=BACKGROUNDS["dark" if dark else "light"][0],
    )
    html: str = copy.to_html(include_plotlyjs=True, full_html=True)
    return html
