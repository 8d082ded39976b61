"""In presenter mode charts are as large as what is written around them."""

import json
from collections.abc import Callable
from typing import Any

from streamlit.testing.v1 import AppTest

from pages.widgets.presented import SCALE
from tests.helpers.streamlit_app import settle


def charts(app: AppTest) -> list[dict[str, Any]]:
    return [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]


def test_charts_grow_with_the_page(open_app: Callable[..., AppTest]) -> None:
    small, large = (
        charts(settle(open_app(**{"view": "parts"} | mode).switch_page("pages/overview.py")))
        for mode in ({}, {"present": "1"})
    )
    assert len(small) == len(large) > 0
    for one, other in zip(small, large, strict=True):
        for read in (
            lambda chart: chart["layout"]["title"]["font"]["size"],
            lambda chart: chart["layout"]["margin"]["t"],
            lambda chart: chart["layout"]["height"],
        ):
            assert abs(read(other) - SCALE * read(one)) < 0.01
