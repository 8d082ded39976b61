"""Figures and tables that leave the page: self-contained HTML; CSV, JSON Lines, Parquet."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from analysis.figures.palette import BACKGROUNDS
from analysis.tables import FORMATS
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
            with st.container(horizontal=True, gap="xsmall"):
                for kind in ("csv", "parquet"):
                    table_button(
                        table,
                        name,
                        kind,
                        key=f"export:{key}",
                        label=f"{name}.csv" if kind == "csv" else ".parquet",
                        icon=None,
                        width="stretch" if kind == "csv" else "content",
                    )


def table_button(
    table: pd.DataFrame | Callable[[], pd.DataFrame],
    name: str,
    kind: str,
    *,
    key: str,
    **options: Any,
) -> None:
    """A button that gives a table as a file, which is made when it is asked for.

    Parameters
    ----------
    table : DataFrame, or callable that gives one
    name : str
        Of the file, without its ending.
    kind : str
        Key of `analysis.tables.FORMATS`.
    key : str
        Distinguishes it from other tables of this name.
    **options
        Of the button, whose label is the format's where none is given.
    """
    form = FORMATS[kind]
    st.download_button(
        **{"label": form.label, "icon": ":material/download:"} | options,
        data=lambda: form.write(table() if callable(table) else table),
        file_name=f"{name}.{kind}",
        mime=form.media_type,
        on_click="ignore",
        key=f"{key}:{name}.{kind}",
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
