"""Error rates against alignments worked out by hand."""

import math
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.errors import UserError
from analysis.evaluation.scoring import (
    AlignedSpan,
    Score,
    corpus_score,
    normalise,
    score,
)
from analysis.plan.choices import NORMALISERS


def test_alignment_with_one_of_each_error() -> None:
    #  the quick brown fox      jumps over the dog
    #  the quick brawn fox then jumps      the dog      1 S, 1 I, 1 D over 8 words
    result = score(
        "the quick brown fox jumps over the dog", "the quick brawn fox then jumps the dog"
    )
    assert (result.substitutions, result.insertions, result.deletions) == (1, 1, 1)
    assert result.words == 8
    assert result.wer == 3 / 8
    assert result.alignment == (
        AlignedSpan("equal", ("the", "quick"), ("the", "quick")),
        AlignedSpan("substitute", ("brown",), ("brawn",)),
        AlignedSpan("equal", ("fox",), ("fox",)),
        AlignedSpan("insert", (), ("then",)),
        AlignedSpan("equal", ("jumps",), ("jumps",)),
        AlignedSpan("delete", ("over",), ()),
        AlignedSpan("equal", ("the", "dog"), ("the", "dog")),
    )


def test_characters_count_spaces() -> None:
    # "ab cd" -> "ab xd": one of five characters; "ab cd" -> "abcd": the space is missing.
    assert score("ab cd", "ab xd", "none").cer == 1 / 5
    assert score("ab cd", "abcd", "none").cer == 1 / 5
    assert score("ab cd", "abcd", "none").characters == 5


def test_alignment_spells_out_both_texts() -> None:
    reference, hypothesis = "one two two three five eight", "two one two tree five five"
    result = score(reference, hypothesis, "none")
    said = [word for span in result.alignment for word in span.reference]
    written = [word for span in result.alignment for word in span.hypothesis]
    assert said == reference.split()
    assert written == hypothesis.split()
    counts = {"equal": 0, "substitute": 0, "insert": 0, "delete": 0}
    for span in result.alignment:
        assert (span.reference == span.hypothesis) == (span.kind == "equal")
        counts[span.kind] += max(len(span.reference), len(span.hypothesis))
    errors = (result.substitutions, result.insertions, result.deletions)
    assert errors == (counts["substitute"], counts["insert"], counts["delete"])


def test_more_errors_than_words() -> None:
    result = score("yes", "no no no", "none")
    assert (result.substitutions, result.insertions, result.wer) == (1, 2, 3.0)


@pytest.mark.parametrize("nothing", ["", "   ", "(laughter)", "Uh, um,"])
def test_no_reference_words(nothing: str) -> None:
    invented = score(nothing, "thank you")
    assert math.isnan(invented.wer)
    assert math.isnan(invented.cer)
    assert (invented.insertions, invented.words, invented.characters) == (2, 0, 0)
    assert invented.alignment == (AlignedSpan("insert", (), ("thank", "you")),)
    both = score(nothing, "")
    assert (both.wer, both.cer, both.alignment) == (0, 0, ())


def test_empty_hypothesis_is_all_deletions() -> None:
    result = score("these words", "")
    assert (result.wer, result.cer, result.deletions) == (1, 1, 2)
    assert result.alignment == (AlignedSpan("delete", ("these", "words"), ()),)


def test_corpus_counts_words_not_utterances() -> None:
    references = ["a", "b c d e f g h i j"]
    hypotheses = ["x", "b c d e f g h i j"]
    result = corpus_score(references, hypotheses, "none")
    assert result.wer == 1 / 10  # the mean of the rates would be 1/2
    assert result.alignment == ()
    parts = [score(r, h, "none") for r, h in zip(references, hypotheses, strict=True)]
    assert result.words == sum(part.words for part in parts)
    assert result.characters == sum(part.characters for part in parts)


def test_corpus_with_a_speechless_utterance() -> None:
    result = corpus_score(["", "a b c d"], ["thank you", "a b c x"], "none")
    assert (result.insertions, result.substitutions, result.words) == (2, 1, 4)
    assert result.wer == 3 / 4


@pytest.mark.parametrize(("references", "hypotheses"), [(["a"], []), (["a"], ["a", "b"]), ([], [])])
def test_corpus_needs_pairs(references: list[str], hypotheses: list[str]) -> None:
    with pytest.raises(ValueError, match="references for"):
        corpus_score(references, hypotheses)


@pytest.mark.parametrize(
    ("text", "normaliser", "expected"),
    [
        ("Mr. Smith can't pay $2.50!", "whisper-english", "mister smith can not pay $2.50"),
        ("um, TWENTY  one [noise] dogs", "whisper-english", "21 dogs"),
        ("Ça va? (rires) Très bien.", "basic", "ça va très bien"),
        ("Mr. Smith", "basic", "mr smith"),
        ("हिन्दी में, क़लम!", "basic", "हिन्दी में क़लम"),
        ("สวัสดี ครับ", "basic", "สวัสดี ครับ"),
        ("شُكْرًا، می‌خواهم", "basic", "شُكْرًا می‌خواهم"),
        ("I ❤️ you 👍🏽 \u200eOK\u00adAY", "basic", "i you okay"),
        ("L’été, l'été", "basic", "l été l été"),
        ("Don’t; we‘ll; can`t", "whisper-english", "do not we will can not"),
        ("Crème brûlée", "whisper-english", "creme brulee"),
        ("Cre\u0300me", "none", "Crème"),
        ("It’s", "none", "It’s"),
        ("  Mr.\tSmith ", "none", "Mr. Smith"),
    ],
)
def test_normalisers(text: str, normaliser: str, expected: str) -> None:
    assert normalise(text, normaliser) == expected


def test_the_normaliser_is_applied_to_both_sides_and_named() -> None:
    said, written = "MISTER QUILTER IS TWENTY ONE", "Mr. Quilter is 21."
    assert score(said, written).wer == 0
    assert score(said, written).normaliser == "whisper-english"
    assert score(said, written, "none").wer == 1
    assert score(written, said).wer == 0


@pytest.mark.parametrize("normaliser", NORMALISERS)
def test_rates_never_depend_on_the_neighbours(normaliser: str) -> None:
    text = "Nothing changes here, not 1 word."
    assert corpus_score([text] * 3, [text] * 3, normaliser) == Score(
        wer=0,
        cer=0,
        substitutions=0,
        insertions=0,
        deletions=0,
        words=3 * len(normalise(text, normaliser).split()),
        characters=3 * len(normalise(text, normaliser)),
        normaliser=normaliser,
        alignment=(),
    )


def test_unknown_normaliser_names_the_known() -> None:
    with pytest.raises(UserError, match="german") as caught:
        score("a", "a", "german")
    assert all(name in caught.value.remedy for name in NORMALISERS)


def test_words_that_differ_in_their_marks_differ() -> None:
    # कि, की and कु are three words: with marks taken for spaces, all of them would be क.
    result = score("कि की कु में", "कु कि की में", "basic")
    assert (result.wer, result.words) == (2 / 4, 4)
    assert score("कि की कु", "का के को", "basic").wer == 1
    assert score("el niño está", "el nino esta", "basic").wer == 2 / 3


def test_a_typographic_apostrophe_is_an_apostrophe() -> None:
    said, written = "I don't know, we'll see, it's John's.", "I don’t know, we’ll see, it’s John’s."
    for normaliser in ("whisper-english", "basic"):
        assert score(said, written, normaliser).wer == 0


@pytest.mark.parametrize("normaliser", ["whisper-english", "basic"])
@pytest.mark.parametrize(
    "written", ["so … the coal…", "\ufeffso the co\u00adal", "so\u200b the coal.."]
)
def test_what_nobody_says_or_sees_is_no_word(written: str, normaliser: str) -> None:
    assert score("so the coal", written, normaliser).errors == 0


@given(st.text(), st.sampled_from(sorted(NORMALISERS)), st.sampled_from(["NFC", "NFD"]))
def test_how_letters_are_composed_changes_no_score(text: str, normaliser: str, form: str) -> None:
    composed = unicodedata.normalize(form, text)  # type: ignore[arg-type]
    assert normalise(composed, normaliser) == normalise(text, normaliser)
    result = score(composed, text, normaliser)
    assert (result.wer, result.cer) == (0, 0)


@given(st.text(st.characters(categories=["L", "M", "N", "P", "Zs"])))
def test_basic_keeps_letters_and_marks_and_changes_nothing_twice(text: str) -> None:
    once = normalise(text, "basic")
    assert normalise(once, "basic") == once
    assert not any(unicodedata.category(letter)[0] in "PS" for letter in once)


WORDS = st.lists(st.sampled_from(["ab", "cd", "ef", "कि", "की"]), max_size=8)


@given(WORDS, WORDS)
def test_counts_belong_together(said: list[str], written: list[str]) -> None:
    there = score(" ".join(said), " ".join(written), "basic")
    back = score(" ".join(written), " ".join(said), "basic")
    errors = there.errors
    assert errors == back.errors
    assert len(written) - len(said) == there.insertions - there.deletions
    assert abs(len(written) - len(said)) <= errors <= max(len(said), len(written))
    assert (errors == 0) == (said == written)
