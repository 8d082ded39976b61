"""The slice that loses most comes first, with an interval and a p that knows how many there are."""

import math
from dataclasses import replace

import pytest

from analysis.evaluation.slices import MIN_BLOCKS, holm, slice_values, slices_of
from analysis.evaluation.utterances import Search, UtteranceTable
from tests.helpers.heard import heard

SAID = ["one two three four"] * 40
ROOMS = [
    {"room": "hall" if place % 4 == 0 else "booth", "rare": "x" * (place == 0)}
    for place in range(40)
]
WORSE = ["one two" if place % 4 == 0 else "one two three four" for place in range(40)]


@pytest.fixture(scope="module")
def table() -> UtteranceTable:
    return UtteranceTable(heard(SAID, {"original": SAID, "cut": WORSE}, ROOMS, n_speakers=5))


def test_the_slice_that_loses_most_comes_first(table: UtteranceTable) -> None:
    first, *others = slices_of(table, 1)
    assert first.bound.values == ("hall",)
    assert (first.n_utterances, first.n_words) == (10, 40)
    assert (first.wer, first.original_wer, first.difference.delta) == (0.5, 0.0, 0.5)
    assert (first.difference.low, first.difference.high) == (0.5, 0.5)
    assert (others[-1].bound.values, others[-1].difference.delta) == (("booth",), 0.0)
    assert {one.difference.delta for one in others[:-1]} == {0.125}  # speakers go through rooms


def test_the_same_utterances_by_another_name_are_tested_once() -> None:
    houses = [row | {"house": f"of the {row['room']}"} for row in ROOMS]
    table = UtteranceTable(heard(SAID, {"original": SAID, "cut": WORSE}, houses, n_speakers=1))
    assert [one.bound.column for one in slices_of(table, 1)] == ["room", "room"]


def test_small_slices_and_columns_without_a_choice_are_left_out(table: UtteranceTable) -> None:
    columns = {one.bound.column for one in slices_of(table, 1)}
    assert columns == {"room", "speaker"}
    assert all(one.n_utterances >= MIN_BLOCKS for one in slices_of(table, 1))


def test_the_bound_of_a_slice_finds_its_utterances() -> None:
    said = [" ".join(["word"] * (1 + place % 20)) for place in range(60)]
    table = UtteranceTable(heard(said, {"original": said, "cut": said}))
    found = [one for one in slices_of(table, 1, ["duration"])]
    assert len(found) == 4
    places = [table.find(Search(bounds=(one.bound,))).tolist() for one in found]
    assert [len(own) for own in places] == [one.n_utterances for one in found]
    assert sorted(place for own in places for place in own) == list(range(60))


def test_p_values_are_corrected_for_their_number(table: UtteranceTable) -> None:
    found = slices_of(table, 1)
    raw = [one.difference.p_value for one in found]
    assert [one.p_value for one in found] == holm(raw)
    assert max(holm([0.01] * 5)) == pytest.approx(0.05)
    unknown, known = holm([math.nan, 0.02])
    assert math.isnan(unknown)
    assert known == 0.02
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_a_slice_as_a_row_is_in_per_cent(table: UtteranceTable) -> None:
    row = slice_values(slices_of(table, 1, ["room"])[0])
    assert row["column"], row["value"] == ("room", "hall")
    assert (row["difference"], row["wer"], row["utterances"]) == (50.0, 50.0, 10)


def test_a_slice_tells_what_its_interval_was_drawn_from() -> None:
    said = ["one two"] * 24
    columns = [{"room": "hall" if place < 12 else "booth"} for place in range(24)]
    for n_speakers, drawn in ((24, "12 speakers"), (3, "12 utterances")):
        texts = {"original": said, "cut": ["one"] * 24}
        table = UtteranceTable(heard(said, texts, columns, n_speakers=n_speakers))
        found = slices_of(table, 1, ["room"])
        assert [one.drawn for one in found] == [drawn, drawn]
        assert slice_values(found[0])["drawn"] == drawn


def test_p_is_as_small_as_the_utterances_allow(table: UtteranceTable) -> None:
    hall, booth = slices_of(table, 1, ["room"])
    assert hall.p_value == 2 * 2 / 2**10  # two slices; ten utterances, all of which lose
    assert (hall.p_written(), booth.p_written()) == ("0.0039", "1.0000")
    assert replace(hall, p_value=3e-9).p_written() == "below 0.0001"


def test_a_slice_tells_how_much_of_it_is_one_utterance() -> None:
    said = ["one two three four"] * 20
    more = [90 if place == 3 else place % 2 for place in range(20)]
    loops = [f"{text}{' five' * n}" for text, n in zip(said, more, strict=True)]
    table = UtteranceTable(heard(said, {"original": said, "cut": loops}, n_speakers=2))
    odd, even = slices_of(table, 1, ["speaker"])
    assert odd.from_one == pytest.approx(90 / 99)
    assert math.isnan(even.from_one), "nothing is lost there"
    assert slice_values(odd)["from_one"] == pytest.approx(9000 / 99)
