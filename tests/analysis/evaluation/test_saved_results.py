"""Results come back as they were, on another machine too; anything else is refused."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.errors import Cancelled, UserError
from analysis.evaluation.corpora import Corpus
from analysis.evaluation.corpus_evaluation import compare_evaluations
from analysis.evaluation.json_pieces import pieces
from analysis.evaluation.outcomes import outcomes_of
from analysis.evaluation.saved_results import RESULTS_FILE, read_results, results_to_json
from analysis.evaluation.sweep import Row, sweep
from analysis.evaluation.sweep_spec import read_spec
from analysis.evaluation.sweep_tables import to_csv
from analysis.evaluation.utterances import UtteranceTable
from analysis.models.speech_model import SpeechModel
from analysis.progress import Watch
from tests.helpers.heard import rows_heard
from tests.helpers.sweeps import MINIMAL, OPTIONS


def test_a_sweep_under_stress_comes_back(
    hubert: SpeechModel, corpus: Corpus, tmp_path: Path
) -> None:
    spec = read_spec(MINIMAL | {"sparsity": 0.5, "method": "magnitude", "stress": "noise:10"})
    rows = sweep(hubert, spec.cells(), corpus, OPTIONS, "none", stress=spec.stress)
    conditions = [row.evaluation.corpus.condition for row in rows if isinstance(row, Row)]
    assert conditions == ["", "noise:10"] * 2
    (tmp_path / RESULTS_FILE).write_bytes(results_to_json(corpus, rows))
    found = read_results(tmp_path)
    assert found.corpus == corpus
    assert to_csv(found.rows) == to_csv(rows)
    evaluated = [row for row in found.rows if isinstance(row, Row)]
    # of so few segments p is NaN, which is unlike itself; the table above has it
    made = [row for row in rows if isinstance(row, Row)]
    alone = [[replace(row, against_original=None) for row in each] for each in (evaluated, made)]
    assert alone[0] == alone[1]
    table = UtteranceTable(outcomes_of(evaluated))
    assert table.outcomes.names == ["original", "magnitude, 50%"]
    assert table.frame["condition"].tolist() == ["clean"] * 3 + ["noise:10"] * 3
    assert table.frame["utterance"].nunique() == 3


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"format": 1}'])
def test_what_is_no_file_of_results_is_refused(content: bytes) -> None:
    with pytest.raises(UserError, match="holds no results"):
        read_results(content)


def test_results_that_lack_utterances_are_refused(tmp_path: Path) -> None:
    rows = rows_heard(["a", "b"], {"original": ["a", "b"]})
    written = json.loads(results_to_json(rows[0].evaluation.corpus, rows))
    written["rows"][0]["evaluation"]["results"].pop()
    with pytest.raises(UserError, match="whole results"):
        read_results(json.dumps(written).encode())
    with pytest.raises(UserError, match="can be read"):
        read_results(tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [("reference", ["dog"]), ("hypothesis", []), ("kind", "insert"), ("kind", "delete")],
)
def test_words_that_do_not_fit_their_alignment_are_refused(field: str, value: object) -> None:
    rows = rows_heard(["a cat"], {"original": ["a cat"], "cut": ["a hat"]})
    written = json.loads(results_to_json(rows[0].evaluation.corpus, rows))
    [score] = written["rows"][1]["evaluation"]["scores"]
    assert score["alignment"][1]["kind"] == "substitute"
    score["alignment"][1][field] = value
    with pytest.raises(UserError, match=r"not those of its alignment") as refusal:
        read_results(json.dumps(written).encode())
    assert "00000.wav" in refusal.value.message


@pytest.mark.parametrize(
    ("duration", "condition"),
    [(-1.0, ""), (0.0, ""), (math.nan, ""), (math.inf, ""), (1.0, "noise:10")],
)
def test_a_corpus_that_cannot_be_is_refused(duration: float, condition: str) -> None:
    rows = rows_heard(["a cat"], {"original": ["a cat"]})
    written = json.loads(results_to_json(rows[0].evaluation.corpus, rows))
    written["corpus"]["condition"] = condition
    written["corpus"]["utterances"][0]["duration"] = duration
    with pytest.raises(UserError, match="does not fit together"):
        read_results(json.dumps(written).encode())


@pytest.mark.parametrize(
    ("place", "field", "value"),
    [
        (("evaluation", "total"), "wer", 9.0),
        (("evaluation", "total"), "words", 9),
        (("evaluation", "scores", 0), "wer", 0.0),
        (("evaluation", "scores", 0), "cer", -0.5),
        (("evaluation", "scores", 0), "cer", 1e300),
        (("evaluation", "scores", 0), "characters", 99),
        (("evaluation", "scores", 0), "normaliser", "x"),
        (("evaluation", "total"), "cer", math.nan),
        (("evaluation", "total"), "cer", 0.9),
        (("evaluation", "results", 0), "seconds", math.nan),
        (("evaluation", "results", 0), "words", [["a", 1.0], ["hat", 5.0]]),
        (("against_original", "difference"), "delta", math.inf),
        (("against_original", "difference"), "low", 9.0),
        ((), "n_clusters", {"encoder.0.ffn": -4}),
        (("cost",), "parameters", 0),
        (("cost",), "encoder_macs", math.inf),
        ((), "achieved", -0.2),
    ],
)
def test_measures_that_cannot_be_are_refused(
    place: tuple[str | int, ...], field: str, value: object
) -> None:
    first, second = rows_heard(["a cat"], {"original": ["a cat"], "cut": ["a hat"]})
    compared = compare_evaluations(second.evaluation, first.evaluation)
    rows = [first, replace(second, against_original=compared)]
    read_results(results_to_json(first.evaluation.corpus, rows))
    written = json.loads(results_to_json(first.evaluation.corpus, rows))
    holder = written["rows"][1]
    for step in place:
        holder = holder[step]
    assert field in holder
    holder[field] = value
    with pytest.raises(UserError, match="cannot be"):
        read_results(json.dumps(written).encode())


def test_an_utterance_that_is_there_twice_is_refused() -> None:
    rows = rows_heard(["a cat", "a dog"], {"original": ["a cat", "a dog"]})
    written = json.loads(results_to_json(rows[0].evaluation.corpus, rows))
    first, second = written["corpus"]["utterances"]
    second["id"] = first["id"]
    with pytest.raises(UserError, match="one name twice"):
        read_results(json.dumps(written).encode())


def test_reading_tells_its_progress_and_can_be_cancelled() -> None:
    rows = rows_heard(["a"], {"original": ["a"], "cut": ["b"]})
    content = results_to_json(rows[0].evaluation.corpus, rows)
    told: list[tuple[int, int]] = []
    read_results(content, watch=Watch(lambda done, total, note: told.append((done, total))))
    assert told == sorted(told)
    assert len({done for done, _ in told}) == 1 + 2 + len(rows)  # nothing, format, corpus, rows
    assert {total for _, total in told} == {len(content)}
    with pytest.raises(Cancelled):
        read_results(content, watch=Watch(should_cancel=lambda: True))


def test_reading_is_cancelled_between_two_rows() -> None:
    """What follows is not even looked at."""
    rows = rows_heard(["a"], {"original": ["a"], "cut": ["b"]})
    content = results_to_json(rows[0].evaluation.corpus, rows)
    end = content.index(b'{"model"', content.index(b'{"model"') + 1)
    told: list[int] = []
    watch = Watch(
        lambda done, total, note: told.append(done), lambda: bool(told) and told[-1] > end - 9
    )
    with pytest.raises(Cancelled):
        read_results(content[:end] + b"{}, no JSON", watch=watch)


@pytest.mark.parametrize(
    "content",
    [b'{"format": 1,}', b'{"rows": [1,]}', b'{"rows": [1}', b'{"a": 1} 2', b"{1: 2}", b"{"],
)
def test_pieces_of_what_is_no_json_are_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"expect|Expect"):
        list(pieces(content.decode(), "rows"))


@pytest.mark.parametrize(
    "document", [{}, {"rows": []}, {"a": "}", "rows": [[], {"b": "],"}], "c": 1}]
)
def test_pieces_are_the_whole_document(document: dict[str, Any]) -> None:
    found: dict[str, Any] = {"rows": []} if "rows" in document else {}
    for name, text, _ in pieces(json.dumps(document, indent=1), "rows"):
        if name == "rows":
            found["rows"].append(json.loads(text))
        else:
            found[name] = json.loads(text)
    assert found == document
