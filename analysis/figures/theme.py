"""A figure in the colours of the page's theme: labels, the mode bar, what is shown on hover.

It stands apart from `layout`, for it loads no model: the first page needs it at once.
"""

import plotly.graph_objects as go

from analysis.figures.palette import BACKGROUNDS, INKS, NEUTRAL, TEXTS
from analysis.figures.titles import fit_title

BUTTONS_LEFT_OUT = ("zoomIn2d", "zoomOut2d", "autoScale2d")
"""Of the mode bar: the wheel, the double click and other buttons do the same."""

SELECTING_BUTTONS = ("select2d", "lasso2d")
"""Those of a chart in which several points can be chosen; others have no use for them."""


def apply_theme(figure: go.Figure, theme: str) -> None:
    """Colour what Streamlit's own greys leave too faint to be read, and fit the title.

    The mode bar stands upright at the right edge, beside the title and not on it.

    Parameters
    ----------
    figure : Figure
    theme : {"light", "dark"}
        Of the page.
    """
    fit_title(figure)
    ink, text, panel = INKS[theme], TEXTS[theme], BACKGROUNDS[theme][1]
    hover = {"bgcolor": panel, "bordercolor": NEUTRAL, "font": {"color": text, "size": 13}}
    figure.update_layout(
        font_color=ink,
        coloraxis_colorbar_tickfont_color=ink,
        coloraxis_colorbar_title_font_color=ink,
        hoverlabel={**hover, "align": "left", "namelength": -1},
        modebar={
            "bgcolor": "rgba(0,0,0,0)",
            "color": ink,
            "activecolor": text,
            "orientation": "v",
        },
    )
    for update in (figure.update_xaxes, figure.update_yaxes):
        update(tickfont_color=ink, title_font_color=ink)
