"""Tables leave in three formats, from one place: none runs in a spreadsheet, none loses a type."""

import csv
import io
import json
import math
from pathlib import Path

import pandas as pd
import pytest

from analysis.tables import FORMATS, from_records

TABLE = pd.DataFrame(
    {
        "word": ["=1+1", "+a", "-b", "@c", "\td", "plain"],
        "rate": [-0.5, math.nan, 1.0, 2.0, 3.0, 1e-12],
        "mixed": ["a", 1, None, 2.5, "=x", -1],
        "=sum": range(6),
    }
)


def test_no_cell_of_a_csv_is_a_formula() -> None:
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"].write(TABLE).decode(), newline="")))
    assert [row["word"] for row in rows] == ["'=1+1", "'+a", "'-b", "'@c", "'\td", "plain"]
    assert [row["rate"] for row in rows] == ["-0.5", "", "1.0", "2.0", "3.0", "1e-12"]
    assert [row["mixed"] for row in rows] == ["a", "1", "", "2.5", "'=x", "-1"]
    assert rows[5]["'=sum"] == "5"


def test_a_line_break_in_a_cell_begins_no_row() -> None:
    said = ["one\r=1+1", "two\r\n@x", "\r=3", "\n=4", "five"]
    written = FORMATS["csv"].write(pd.DataFrame({"said": said, "place": range(5)}))
    assert b"\r" not in written
    back = pd.read_csv(io.BytesIO(written))
    assert back["place"].tolist() == list(range(5))
    assert back["said"].tolist() == ["one\n=1+1", "two\n@x", "'\n=3", "'\n=4", "five"]


def test_json_lines_hold_the_values_as_they_are() -> None:
    rows = [json.loads(line) for line in FORMATS["jsonl"].write(TABLE).decode().splitlines()]
    assert [row["word"] for row in rows] == TABLE["word"].tolist()
    assert rows[1] == {"word": "+a", "rate": None, "mixed": 1, "=sum": 1}
    assert rows[5]["rate"] == 1e-12


def test_parquet_keeps_types_and_takes_every_table() -> None:
    back = pd.read_parquet(io.BytesIO(FORMATS["parquet"].write(TABLE)))
    assert back["word"].tolist() == TABLE["word"].tolist()
    assert back["=sum"].tolist() == list(range(6))
    assert back["rate"].equals(TABLE["rate"])
    assert back["mixed"].fillna("none").tolist() == ["a", "1", "none", "2.5", "=x", "-1"]
    square = pd.DataFrame([[1.0, 2.0], [3.0, 4.0]], columns=["0.10", "0.10"])
    again = pd.read_parquet(io.BytesIO(FORMATS["parquet"].write(square)))
    assert list(again.columns) == ["0.10", "0.10 (2)"]
    numbered = pd.read_parquet(io.BytesIO(FORMATS["parquet"].write(pd.DataFrame([[1.0, 2.0]]))))
    assert list(numbered.columns) == ["0", "1"]


@pytest.mark.parametrize("kind", FORMATS)
def test_cells_of_every_kind_are_written(kind: str) -> None:
    rows = [
        {
            "huge": 2**63,
            "list": [0.5, math.nan, {"deep": math.inf}],
            "parts": [1, "two"],
            "path": Path("a/b"),
            "when": pd.Timestamp("2020-01-02"),
        },
        {"huge": 1, "list": [], "parts": [3], "path": None, "when": pd.NaT},
    ]
    written = FORMATS[kind].write(from_records(rows))
    if kind == "jsonl":
        first, second = (
            json.loads(line, parse_constant=pytest.fail) for line in written.splitlines()
        )
        assert first["list"] == [0.5, None, {"deep": None}]
        assert first["huge"] == 2**63
        assert first["path"] == str(Path("a/b"))
        assert first["when"].startswith("2020-01-02")
        assert second["when"] is None
    elif kind == "parquet":
        back = pd.read_parquet(io.BytesIO(written))
        assert [int(value) for value in back["huge"]] == [2**63, 1]
        assert back["path"][0] == str(Path("a/b"))
    else:
        assert str(2**63) in written.decode()


@pytest.mark.parametrize("kind", FORMATS)
def test_a_table_is_left_as_it_was_and_may_be_empty(kind: str) -> None:
    before = TABLE.copy()
    FORMATS[kind].write(TABLE)
    pd.testing.assert_frame_equal(TABLE, before)
    FORMATS[kind].write(pd.DataFrame())


def test_whole_numbers_stay_whole_where_some_are_missing() -> None:
    table = from_records([{"seed": 3, "wer": 50.0, "model": "a"}, {"seed": None, "wer": 25.0}])
    written = FORMATS["csv"].write(table).decode()
    assert written == "seed,wer,model\n3,50.0,a\n,25.0,\n"
    back = pd.read_parquet(io.BytesIO(FORMATS["parquet"].write(table)))
    assert back["seed"].tolist()[0] == 3
    assert back["wer"].dtype == float
