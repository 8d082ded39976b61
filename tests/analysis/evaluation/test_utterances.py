"""Utterances are found by what is said, by errors, by any column; exports hold what was found."""

import csv
import io
import json
import random
from dataclasses import replace

import pandas as pd
import pytest

from analysis.evaluation.utterances import Bound, Search, UtteranceTable
from analysis.tables import to_csv, to_jsonl
from tests.helpers.heard import heard

SAID = ["the cat sat", "a dog ran home", "the cat ran", "=1+1 is two"]
ORIGINAL = ["the cat sat", "a dog ran", "the hat ran", "one is two"]
SMALLER = ["the bat sat", "a dog ran", "the rat ran far", "one is two two"]
COLUMNS = [{"snr": snr, "language": "en"} for snr in ("10", "20", "", "5")]


@pytest.fixture(scope="module")
def table() -> UtteranceTable:
    return UtteranceTable(heard(SAID, {"original": ORIGINAL, "cut": SMALLER}, COLUMNS))


def test_new_errors_are_those_that_the_original_does_not_make(table: UtteranceTable) -> None:
    # "rat" for "hat" stands where the original errs, too; "far" and the second "two" are new
    assert table.frame["errors: cut, 20%"].tolist()[:3] == [1, 1, 2]
    assert table.frame["new errors: cut, 20%"].tolist() == [1, 0, 1, 1]
    assert "new errors: original" not in table.frame


def test_words_are_found_in_the_reference_and_in_every_text(table: UtteranceTable) -> None:
    assert table.find(Search("CAT")).tolist() == [0, 2]
    assert table.find(Search("ca")).tolist() == []
    assert table.find(Search("bat")).tolist() == [0]
    assert table.find(Search("dog ran")).tolist() == [1]
    assert table.find(Search("sat the")).tolist() == []  # no match across two texts
    assert len(table.find(Search(" "))) == len(table.frame)
    assert table.find(Search("?")).tolist() == []  # the normaliser leaves nothing of it


def test_errors_columns_and_places_filter_together(table: UtteranceTable) -> None:
    assert table.find(Search(which="new", model=1)).tolist() == [0, 2, 3]
    assert table.find(Search(which="wrong", model=0)).tolist() == [1, 2, 3]
    fast = Bound("snr", low=6, high=15)
    assert table.find(Search(bounds=(fast,))).tolist() == [0]
    both = (Bound("snr", low=0, high=30), Bound("speaker", ("s1",)))
    assert table.find(Search(bounds=both)).tolist() == [1, 3]
    assert table.find(Search(only=(3, 2), which="new", model=1)).tolist() == [2, 3]


def test_order_is_stable_and_what_is_unknown_comes_last(table: UtteranceTable) -> None:
    assert table.find(Search(order="snr")).tolist() == [1, 0, 3, 2]
    assert table.find(Search(order="snr", descending=False)).tolist() == [3, 0, 1, 2]
    assert table.find(Search(order="new errors: cut, 20%")).tolist() == [0, 2, 3, 1]


def test_columns_of_the_table_can_be_filtered_by(table: UtteranceTable) -> None:
    # one language tells nothing
    assert table.filters == ["speaker", "duration", "words", "words_per_second", "snr"]


def test_exports_hold_what_was_found_in_its_order(table: UtteranceTable) -> None:
    places = table.find(Search(order="snr"))
    rows = [json.loads(line) for line in to_jsonl(table.found(places)).splitlines()]
    assert [row["utterance"] for row in rows] == [
        "00001.wav",
        "00000.wav",
        "00003.wav",
        "00002.wav",
    ]
    assert rows[1]["text: cut, 20%"] == "the bat sat"
    assert rows[3]["snr"] is None
    written = list(csv.DictReader(io.StringIO(to_csv(table.found(places)).decode())))
    assert written[2]["reference"] == "'=1+1 is two"  # a spreadsheet runs no cell
    assert [row["substitutions: cut, 20%"] for row in written] == ["0", "1", "3", "1"]


def test_how_sure_a_model_was_is_exported_where_it_was_kept() -> None:
    outcomes = heard(["a cat", "a dog"], {"original": ["a cat", "a dog"], "cut": ["a", ""]})
    own, cut = outcomes.models
    results = (
        replace(cut.results[0], words=(("a", 0.5), ("cat", 0.9))),
        cut.results[1],
    )
    sure = replace(outcomes, models=(own, replace(cut, results=results)))
    table = UtteranceTable(sure).found([0, 1])
    [column] = [name for name in table if name.startswith("confidence: ")]
    assert column == f"confidence: {cut.name}"
    assert table[column].iloc[0] == pytest.approx(0.7)
    assert pd.isna(table[column].iloc[1]), "it wrote nothing"


def test_headings_of_the_export_are_no_formulas() -> None:
    table = UtteranceTable(heard(["a", "b"], {"original": ["a", "b"]}, [{"=1+1": "x"}] * 2))
    assert "'=1+1" in to_csv(table.found([0])).decode().splitlines()[0].split(",")


def test_columns_named_like_ours_are_kept_beside_ours() -> None:
    names = ("speaker", "speaker (table)", "errors: cut, 20%", "text: original", "reference")
    columns = [{name: f"{name} {place}" for name in names} for place in range(2)]
    table = UtteranceTable(heard(["a", "b"], {"original": ["a", "b"], "cut": ["a", "c"]}, columns))
    found = table.found([1]).iloc[0]
    assert found["speaker"] == "s1"
    assert found["errors: cut, 20%"] == 1
    assert found["text: original"] == "b"
    assert found["reference"] == "b"
    for name in names:
        assert f"{name} 1" in found.tolist(), "nothing of the manifest is lost"


def test_ten_thousand_rows_are_found_and_sorted_as_one_by_one() -> None:
    chance = random.Random(0)
    words = [f"w{number}" for number in range(40)]
    sentences = [" ".join(chance.choices(words, k=6)) for _ in range(300)]
    said = chance.choices(sentences, k=10_000)
    wrong = [text.replace("w3", "x3") for text in said]
    columns = [{"noise": str(chance.randrange(100))} for _ in said]
    table = UtteranceTable(heard(said, {"original": said, "cut": wrong}, columns, n_speakers=50))
    search = Search("w7", "new", 1, (Bound("noise", low=10, high=60),), order="noise")
    found = table.find(search)
    expected = [
        place
        for place, text in enumerate(said)
        if "w7" in text.split()
        and wrong[place] != text
        and 10 <= int(columns[place]["noise"]) <= 60
    ]
    assert sorted(found.tolist()) == expected
    noise = table.frame["noise"].to_numpy()[found]
    assert (noise[:-1] >= noise[1:]).all()


def test_ids_that_are_no_numbers_stay_as_they_are_written() -> None:
    columns = [
        {
            "session": f"9007199254740993{place}",
            "zip": f"0000{place}",
            "floor": f"-{place}",
            "snr": f"{place}.50",
            "gain": "1e3",
            "odd": "inf" if place else "1",
        }
        for place in range(6)
    ]
    said = ["a word"] * 6
    frame = UtteranceTable(heard(said, {"original": said}, columns)).frame
    for name in ("session", "zip", "odd"):
        assert frame[name].tolist() == [row[name] for row in columns]
    assert frame["floor"].tolist() == [0, -1, -2, -3, -4, -5]
    assert frame["snr"].tolist() == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]
    assert frame["gain"].tolist() == [1000] * 6


@pytest.mark.parametrize(
    ("ids", "short"),
    [
        (("a/b/1.flac", "a/c/2.flac"), ["1.flac", "2.flac"]),
        (("a/1.flac", "b/1.flac"), ["a/1.flac", "b/1.flac"]),
        (("a/1.flac", "a/1.flac"), ["1.flac", "1.flac"]),  # under two conditions
    ],
)
def test_names_are_short_where_that_leaves_them_apart(
    ids: tuple[str, str], short: list[str]
) -> None:
    outcomes = heard(["a", "b"], {"original": ["a", "b"]})
    utterances = tuple(
        replace(own, id=name) for own, name in zip(outcomes.utterances, ids, strict=True)
    )
    table = UtteranceTable(replace(outcomes, utterances=utterances))
    assert table.short_names.tolist() == short
