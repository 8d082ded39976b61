"""Titles are broken where lines are full; ticks and hover labels can be read."""

import re

import plotly.graph_objects as go
import pytest

from analysis.figures.layout import lay_out, ticks_from_one
from analysis.figures.palette import contrast_ratio
from analysis.figures.theme import apply_theme
from analysis.figures.titles import TITLE_WIDTH, broken, fit_title


def test_no_line_of_a_title_is_too_long_and_no_word_is_lost() -> None:
    title = (
        "Decoder 11 · cross-attention heads lose most: 2 of 16 kept"
        "   <span style='color:#0072B2'>■</span> kept   <span style='color:#D55E00'>□</span> was"
    )
    lines = broken(title).split("<br>")
    assert all(len(re.sub("<[^>]*>", "", line).strip()) <= TITLE_WIDTH for line in lines)
    assert re.sub(r"\s+", " ", " ".join(lines)) == re.sub(r"\s+", " ", title)
    assert broken("short") == "short"


def test_title_of_more_lines_gets_more_room() -> None:
    one, two = go.Figure(), go.Figure()
    lay_out(one, 300, "short")
    lay_out(two, 300, "first<br>second", headings=40)
    assert two.layout.margin.t > one.layout.margin.t + 40
    lay_out(one, 300, "word " * 20)
    before = one.layout.margin.t
    fit_title(one)
    n_lines = 1 + one.layout.title.text.count("<br>")
    assert n_lines > 2
    assert one.layout.margin.t >= before + 15 * (n_lines - 1)
    fitted = one.to_dict()
    fit_title(one)
    assert one.to_dict() == fitted


@pytest.mark.parametrize("most", [1, 2, 6, 7, 12, 59, 60, 4999])
def test_ticks_are_few_and_begin_at_one(most: int) -> None:
    ticks = list(ticks_from_one(most))
    assert ticks[0] == 1
    assert len(ticks) <= 7
    assert ticks == sorted(set(ticks))
    assert ticks[-1] <= max(most, 1)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_a_hover_says_can_be_read_in_both_themes(theme: str) -> None:
    chart = go.Figure()
    apply_theme(chart, theme)
    label = chart.layout.hoverlabel
    assert contrast_ratio(label.font.color, label.bgcolor) >= 7
    assert chart.layout.modebar.bgcolor == "rgba(0,0,0,0)"
