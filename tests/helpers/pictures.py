"""What is read off a figure."""

import plotly.graph_objects as go


def axis_titles(figure: go.Figure) -> list[str]:
    axes = sorted(a for a in figure.layout if a.startswith(("xaxis", "yaxis")))
    return [figure.layout[name].title.text for name in axes]
