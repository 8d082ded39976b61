"""One HTML file that opens anywhere and asks the network for nothing: its frame, cards, figures."""

import html
from collections.abc import Iterable
from typing import Literal

import plotly.graph_objects as go

from analysis.figures.palette import BACKGROUNDS, INKS, TEXTS

Theme = Literal["light", "dark"]

# The file asks nothing of anybody, and says so to the browser; its scripts are Plotly's and ours.
_POLICY = (
    "default-src 'none'; img-src data: blob:; media-src data:; style-src 'unsafe-inline';"
    " script-src 'unsafe-inline'"
)

_STYLE = """
:root {{ color-scheme: {theme}; }}
body {{ margin: 0 auto; padding: 2rem 1.25rem; max-width: 72rem; background: {page}; color: {text};
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }}
h1 {{ font-size: 1.75rem; margin: 0; }} h2 {{ font-size: 1.2rem; margin: 2rem 0 0.5rem; }}
h3 {{ font-size: 1rem; margin: 1.5rem 0 0.5rem; }}
small, figcaption, summary {{ color: {ink}; }}
audio {{ width: 100%; margin: 1rem 0; }}
table {{ border-collapse: collapse; font-size: 0.85rem; }}
td, th {{ padding: 0.2rem 0.6rem; text-align: right; border-bottom: 1px solid {panel}; }}
td:first-child, th:first-child {{ text-align: left; }}
.wide {{ overflow-x: auto; overflow-wrap: normal; }}
.cards {{ display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); }}
.card {{ background: {panel}; border-radius: 0.4rem; padding: 0.75rem 1rem; margin-bottom: 1rem; }}
pre {{ white-space: pre-wrap; font-size: 0.8rem; }}
"""


def document(title: str, parts: Iterable[str], theme: Theme) -> str:
    """The whole file.

    Parameters
    ----------
    title : str
        Foreign text; it is escaped.
    parts : iterable of str
        HTML, in order.
    theme : {"light", "dark"}
    """
    page, panel = BACKGROUNDS[theme]
    style = _STYLE.format(theme=theme, page=page, panel=panel, text=TEXTS[theme], ink=INKS[theme])
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{html.escape(title)}</title><style>{style}</style></head>"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def card(title: str, color: str, content: str) -> str:
    """A box with a title, which is escaped, a square in its colour ("" for none), and HTML."""
    square = f"<span style='color:{color}'>■</span> " if color else ""
    return f"<div class='card'>{square}<strong>{html.escape(title)}</strong>{content}</div>"


def embedded(chart: go.Figure, theme: Theme, *, first: bool, script: str | None = None) -> str:
    """A figure as HTML.

    Parameters
    ----------
    chart : Figure
    theme : {"light", "dark"}
    first : bool
        Whether it brings Plotly along, for all figures of the file.
    script : str, optional
        Runs once the figure is there; ``{plot_id}`` in it is filled in.
    """
    copy = go.Figure(chart)
    copy.update_layout(
        template="plotly_dark" if theme == "dark" else "plotly_white",
        paper_bgcolor=BACKGROUNDS[theme][0],
        plot_bgcolor=BACKGROUNDS[theme][0],
        font_color=INKS[theme],
    )
    drawn: str = copy.to_html(
        include_plotlyjs=first,
        full_html=False,
        config={
            "displaylogo": False,
            "responsive": True,
            "modeBarButtonsToRemove": ["select2d", "lasso2d", "zoomIn2d", "zoomOut2d"],
        },
        post_script=script,
    )
    return drawn
