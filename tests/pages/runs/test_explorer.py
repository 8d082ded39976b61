"""The filters of all utterances: what a column offers, and what a clicked slice asks for."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.evaluation.utterances import Bound, UtteranceTable
from pages.runs import explorer
from tests.helpers.heard import heard


def test_a_slider_ends_where_finite_numbers_do() -> None:
    assert explorer.ends_of(pd.Series([1.5, np.inf, -2.5, np.nan])) == (-3.0, 2.0)


def test_a_slice_of_a_column_with_too_many_values_filters(monkeypatch: pytest.MonkeyPatch) -> None:
    said = ["a"] * 1_004
    columns = [{"client": f"c{max(0, place - 501)}"} for place in range(len(said))]
    table = UtteranceTable(heard(said, {"original": said}, columns))
    clicked = Bound("client", ("c0",))

    class Widgets:
        """As Streamlit, where nobody touches a widget."""

        session_state: dict[str, Any] = {"explorer-bounds": [clicked]}  # noqa: RUF012

        def slider(self, label: str, low: float, high: float, value: Any, key: str) -> Any:
            return value

        def multiselect(self, label: str, values: Any, default: Any, **more: Any) -> Any:
            return default

    monkeypatch.setattr(explorer, "st", Widgets())
    assert table.frame["client"].nunique() > 500
    assert explorer._draw_filters(table) == (clicked,)
