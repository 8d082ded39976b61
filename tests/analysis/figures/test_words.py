"""Words stand in their model's lane, from where they begin to where they end."""

from analysis.figures.palette import ORIGINAL, VERMILLION
from analysis.figures.words import LANE_HEIGHT, Lane, word_lanes
from analysis.speech.recognition import Word

HOSTILE = "<img src=x onerror=alert(1)>"
LANES = (
    Lane("original", ORIGINAL, (Word("turn", 0.1, 0.4, 0.9), Word("on", 0.4, 0.9, 0.5))),
    Lane(HOSTILE, VERMILLION, (Word(HOSTILE, 0.2, 0.22, 1.0), Word("on", 0.3, 0.3, 0.5))),
)


def test_every_word_is_where_it_is_said() -> None:
    figure = word_lanes(LANES, 2.0, "#000000")
    (bars,) = figure.data
    assert list(bars.base) == [0.1, 0.4, 0.2, 0.3]
    assert list(bars.y) == [0, 0, 1, 1]
    assert list(bars.x)[:2] == [0.3, 0.5], "long enough: drawn as long as they last"
    assert bars.x[2] == 0.1, "a short word has room up to the next one"
    assert bars.x[3] > 0, "what takes no time can still be clicked"
    assert [list(pair)[:2] for pair in bars.customdata] == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert list(bars.customdata[1])[2:] == [0.4, 0.9]
    assert "0.10 to 0.40 s, 90% sure" in bars.hovertext[0]
    assert ORIGINAL in bars.marker.line.color[0]
    assert bars.marker.color[0] != bars.marker.color[1], "a surer word is fuller"


def test_a_long_clip_is_shown_in_part_and_the_lanes_have_room() -> None:
    figure = word_lanes(LANES, 60.0, "#000000")
    assert figure.layout.xaxis.range[1] < 10
    assert figure.layout.xaxis.maxallowed == 60.0
    more = word_lanes([*LANES, *LANES], 60.0, "#000000")
    assert more.layout.height - figure.layout.height == 2 * LANE_HEIGHT


def test_foreign_words_and_names_are_escaped() -> None:
    assert "<img" not in word_lanes(LANES, 2.0, "#000000").to_json().replace("\\u003c", "<")
