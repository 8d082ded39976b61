"""Results on disk come back as they were, whatever a model wrote."""

import json
from pathlib import Path

import pytest

from analysis.errors import UserError
from analysis.evaluation.results import ResultStore, Run, UtteranceResult

RUN = Run("tiny", "0" * 64, None, {})


@pytest.mark.parametrize("text", ["one\u2028two", "one\u0085two", "one\r\ntwo", "one\x0ctwo", "ß"])
def test_any_text_comes_back(tmp_path: Path, text: str) -> None:
    store = ResultStore(tmp_path)
    result = UtteranceResult(f"{text}.wav", "f" * 64, text, 0.5)
    store.append(RUN, [result])
    assert store.read(RUN) == {(result.utterance, result.digest): result}


def test_a_torn_last_line_costs_itself_only(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    first, second = (UtteranceResult(name, "f" * 64, "one", 0.5) for name in ("a.wav", "b.wav"))
    store.append(RUN, [first])
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes() + b'{"utterance": "torn')
    store.append(RUN, [second])
    assert list(store.read(RUN).values()) == [first, second]


def test_a_file_in_the_way_of_the_results(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("")
    with pytest.raises(UserError, match="cannot be made"):
        ResultStore(tmp_path / "results")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("text", None),
        ("text", 5),
        ("seconds", "1"),
        ("seconds", float("nan")),
        ("seconds", 10**400),
    ],
)
def test_a_line_of_another_kind_is_no_result(field: str, value: object, tmp_path: Path) -> None:
    run = Run("tiny", "f00d", None, {})
    store = ResultStore(tmp_path)
    store.append(run, [UtteranceResult("one", "beef", "one two", 0.5)])
    [path] = tmp_path.iterdir()
    line = {"utterance": "two", "digest": "beef", "text": "x", "seconds": 1} | {field: value}
    path.write_text(path.read_text() + json.dumps(line) + "\n")
    assert list(store.read(run)) == [("one", "beef")]
