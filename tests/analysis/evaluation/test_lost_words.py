"""Words that are lost, errors that appear, kinds of letters: counted by hand."""

import pytest

from analysis.evaluation.lost_words import character_classes, lost_words, new_errors
from analysis.evaluation.outcomes import Outcomes
from tests.helpers.heard import heard

SAID = ["the cat sat", "the cat ran", "the dog"]
ORIGINAL = ["the cat sat", "the hat ran", "a dog"]
SMALLER = ["the bat sat down", "the cat", "a dog"]


@pytest.fixture(scope="module")
def outcomes() -> Outcomes:
    return heard(SAID, {"original": ORIGINAL, "cut": SMALLER})


def test_lost_and_regained_words_are_told_apart(outcomes: Outcomes) -> None:
    found = {one.word: one for one in lost_words(outcomes, 1)}
    cat, the, ran = found["cat"], found["the"], found["ran"]
    assert (cat.n, cat.original_errors, cat.errors, cat.lost, cat.regained) == (2, 1, 1, 1, 1)
    assert cat.places == (0,)
    assert (the.n, the.original_errors, the.errors, the.lost) == (3, 1, 1, 0)
    assert (ran.lost, ran.places) == (1, (1,))
    assert [one.word for one in lost_words(outcomes, 1)][:2] == ["ran", "cat"]  # all, then half
    swapped = {one.word: one for one in lost_words(outcomes, 0, 1)}
    assert (swapped["cat"].lost, swapped["ran"].regained) == (1, 1)


def test_errors_that_appear_name_what_was_said_and_written(outcomes: Outcomes) -> None:
    found = {(one.said, one.written): (one.n, one.places) for one in new_errors(outcomes, 1)}
    assert found == {
        ("", "down"): (1, (0,)),
        ("cat", "bat"): (1, (0,)),
        ("ran", ""): (1, (1,)),
    }


def test_an_insertion_that_the_original_makes_too_is_not_new() -> None:
    outcomes = heard(["a b"], {"original": ["a x b"], "cut": ["a x x b"]})
    assert [(one.written, one.n) for one in new_errors(outcomes, 1)] == [("x", 1)]


def test_characters_by_kind() -> None:
    outcomes = heard(["abé 12 я's"], {"original": ["abé 12 я's"], "cut": ["xbé 13 я's"]})
    found = {
        one.name: (one.n, one.original_errors, one.errors) for one in character_classes(outcomes, 1)
    }
    assert found["vowels"] == (2, 0, 1)
    assert found["consonants"][0] == 2
    assert found["digits"] == (2, 0, 1)
    assert found["other letters"] == (1, 0, 0)
