"""Confidence is compared with correctness word by word, whatever the normaliser did."""

from dataclasses import replace

import pytest

from analysis.evaluation.confidence import calibration
from analysis.evaluation.loss_tables import loss_tables
from analysis.evaluation.outcomes import Heard
from analysis.evaluation.scoring import score
from analysis.evaluation.utterances import UtteranceTable
from tests.helpers.heard import heard


def with_words(said: str, words: list[tuple[str, float]], normaliser: str = "basic") -> Heard:
    text = " ".join(word for word, _ in words)
    own = heard([said], {"original": [text]}).models[0]
    result = replace(own.results[0], words=tuple(words))
    return replace(own, results=(result,), scores=(score(said, text, normaliser),))


def test_confidence_and_correctness_by_hand() -> None:
    found = calibration(with_words("a b c d", [("A,", 0.9), ("x", 0.2), ("c", 1.0), ("d.", 0.25)]))
    assert found is not None
    assert [(one.n, one.right) for one in found.bins] == [(2, 0.5), (2, 1.0)]
    assert [one.confidence for one in found.bins] == pytest.approx([0.225, 0.95])
    assert found.error == pytest.approx((2 * 0.275 + 2 * 0.05) / 4)
    assert (found.n_words, found.n_left_out) == (4, 0)


def test_words_that_the_normaliser_writes_anew_are_left_out() -> None:
    heard_words = [("I", 0.8), ("have", 0.7), ("twenty", 0.6), ("one", 0.5), ("cats", 0.4)]
    found = calibration(with_words("i have 21 cats", heard_words, "whisper-english"))
    assert found is not None
    assert (found.n_words, found.n_left_out) == (4, 1)
    assert found.confidence == pytest.approx((0.8 + 0.7 + 0.4) / 3)


def test_nothing_kept_is_no_calibration() -> None:
    assert calibration(heard(["a"], {"original": ["a"]}).models[0]) is None


def test_the_table_tells_of_both_models() -> None:
    first = with_words("a b", [("a", 0.9), ("b", 0.2)])
    second = replace(with_words("a b", [("a", 0.3), ("x", 0.35)]), name="cut")
    outcomes = replace(heard(["a b"], {"original": ["a b"]}), models=(first, second))
    table = loss_tables(UtteranceTable(outcomes), 1)["calibration"]
    assert table[["model", "words", "right"]].values.tolist() == [
        ["original", 1, 100.0],
        ["original", 1, 100.0],
        ["cut", 2, 50.0],
    ]
