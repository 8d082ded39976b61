"""Sentences of the excitation: grammatical forms, punctuation, and nothing said twice."""

import re

import numpy as np
import pytest

from demo.open_sentences import SentenceMaker, conjugate, plural


@pytest.mark.parametrize(
    ("verb", "past", "third", "gerund"),
    [
        ("carry", "carried", "carries", "carrying"),
        ("obey", "obeyed", "obeys", "obeying"),
        ("watch", "watched", "watches", "watching"),
        ("drag/dragged/dragged", "dragged", "drags", "dragging"),
        ("take/took/taken", "took", "takes", "taking"),
        ("flee/fled/fled", "fled", "flees", "fleeing"),
    ],
)
def test_verbs_are_conjugated(verb: str, past: str, third: str, gerund: str) -> None:
    assert [conjugate(verb, form) for form in ("past", "third", "gerund")] == [past, third, gerund]


def test_nouns_have_plurals() -> None:
    assert [plural(noun) for noun in ("ox", "diary", "monkey", "watch", "lamp")] == [
        "oxen", "diaries", "monkeys", "watches", "lamps",
    ]  # fmt: skip


def test_sentences_are_new_whole_and_well_written() -> None:
    maker = SentenceMaker(np.random.default_rng(0))
    source = iter(maker)
    texts = [next(source) for _ in range(1_500)]
    assert len(set(texts)) == len(texts)
    for text in texts:
        assert 2 <= len(text.split()) <= 30
        assert re.fullmatch(r'"?[A-Z][\w .,;:!?\'"-]*[.!?]"?', text), text
        assert text.count('"') % 2 == 0
        assert not re.search(r"\ba [aio]|\ban [bcdfgjklmnpqrstvwyz]|  | ,", text.lower()), text
    words = {word.strip('.,;:!?"').lower() for text in texts for word in text.split()}
    assert len(words) > 1_500


def test_equal_seeds_say_the_same() -> None:
    first, again = (SentenceMaker(np.random.default_rng(7)) for _ in range(2))
    assert [first.sentence() for _ in range(20)] == [again.sentence() for _ in range(20)]
