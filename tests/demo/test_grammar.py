"""The demo models' domain: how it is spelled, and that tests never leak into training."""

import re
from collections.abc import Callable
from itertools import islice

import numpy as np
import pytest

from demo.grammar import (
    COMMON_PHRASES,
    KINDS,
    below_hundred,
    is_held_out,
    sentences,
    spell_number,
    spell_ordinal,
    vocabulary,
)


def draw(count: int, *, held_out: bool, seed: int = 11) -> list[tuple[str, str]]:
    return list(islice(sentences(np.random.default_rng(seed), held_out=held_out), count))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "zero"),
        (19, "nineteen"),
        (90, "ninety"),
        (100, "one hundred"),
        (101, "one hundred and one"),
        (1_000, "one thousand"),
        (1_005, "one thousand and five"),
        (20_300, "twenty thousand three hundred"),
        (999_999, "nine hundred and ninety nine thousand nine hundred and ninety nine"),
    ],
)
def test_numbers_are_spelled(value: int, words: str) -> None:
    assert spell_number(value) == words


def test_every_day_of_a_month_has_its_own_ordinal() -> None:
    ordinals = [spell_ordinal(day) for day in range(1, 32)]
    assert len(set(ordinals)) == 31
    assert ordinals[0] == "first"
    assert ordinals[20] == "twenty first"
    assert ordinals[29] == "thirtieth"


@pytest.mark.parametrize("spell", [below_hundred, spell_number, spell_ordinal])
def test_numbers_out_of_range_are_refused_with_the_range(spell: Callable[[int], str]) -> None:
    with pytest.raises(ValueError, match="not -1"):
        spell(-1)


def test_the_split_separates_sentences() -> None:
    trained = {text for _, text in draw(3_000, held_out=False)}
    tested = {text for _, text in draw(1_000, held_out=True)}
    assert not trained & tested
    assert not any(is_held_out(text) for text in trained)
    assert all(is_held_out(text) for text in tested)


def test_about_one_sentence_in_eight_is_held_out() -> None:
    texts = {f"{spell_number(value)} degrees" for value in range(100, 2_100)}
    share = sum(map(is_held_out, texts)) / len(texts)
    assert share == pytest.approx(1 / 8, abs=0.02)


def test_common_phrases_are_always_trainable() -> None:
    assert not any(map(is_held_out, COMMON_PHRASES))


def test_every_held_out_word_can_be_learned() -> None:
    words = {word for _, text in draw(3_000, held_out=True) for word in text.split()}
    assert words <= set(vocabulary(20_000))


def test_sentences_are_lower_case_words_of_every_kind() -> None:
    drawn = draw(2_000, held_out=False)
    assert {kind for kind, _ in drawn} == set(KINDS)
    assert all(re.fullmatch(r"[a-z']+( [a-z']+)*", text) for _, text in drawn)


def test_the_same_seed_gives_the_same_sentences() -> None:
    assert draw(50, held_out=False) == draw(50, held_out=False)
    assert draw(50, held_out=False) != draw(50, held_out=False, seed=12)
