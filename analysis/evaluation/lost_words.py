"""Which words are lost, what stands in their place, and which kinds of letters go wrong."""

import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import jiwer

from analysis.evaluation.outcomes import Outcomes
from analysis.evaluation.scoring import AlignedSpan

_VOWELS = frozenset("aeiouy")

CLASSES = ("vowels", "consonants", "other letters", "digits", "signs", "spaces")
"""Kinds of characters, of normalised texts."""


@dataclass(frozen=True, slots=True)
class WordLoss:
    """What happens to a word of the references.

    Parameters
    ----------
    word : str
        Normalised.
    n : int
        How often it is said.
    original_errors, errors : int
        How often the model that is compared with, and the model, get it wrong.
    lost, regained : int
        How often the model alone, and the other alone, get it wrong.
    places : tuple of int
        Utterances in which it is lost.
    """

    word: str
    n: int
    original_errors: int
    errors: int
    lost: int
    regained: int
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class NewError:
    """An error that a model makes where the other one is right.

    Parameters
    ----------
    said, written : str
        `written` is empty for a word that is left out, `said` for one that is put in.
    n : int
    places : tuple of int
        Utterances in which it is made.
    """

    said: str
    written: str
    n: int
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CharacterClass:
    """Errors in one kind of characters.

    Parameters
    ----------
    name : str
        One of `CLASSES`.
    n : int
        In the references.
    original_errors, errors : int
        Characters of the references that are missing or others, and characters that are put in.
    """

    name: str
    n: int
    original_errors: int
    errors: int


def lost_words(outcomes: Outcomes, model: int, base: int = 0) -> list[WordLoss]:
    """Every word of the references, those first that a model loses most often.

    Parameters
    ----------
    outcomes : Outcomes
    model, base : int
        Places of the model and of the one that it is compared with.

    Returns
    -------
    list of WordLoss
    """
    said: Counter[str] = Counter()
    own_errors: Counter[str] = Counter()
    their_errors: Counter[str] = Counter()
    regained: Counter[str] = Counter()
    lost: dict[str, list[int]] = {}
    for place, own, theirs in _pairs(outcomes, model, base):
        for (word, written), (_, other) in zip(_by_word(own), _by_word(theirs), strict=True):
            said[word] += 1
            own_errors[word] += written != word
            their_errors[word] += other != word
            regained[word] += written == word != other
            if other == word != written:
                lost.setdefault(word, []).append(place)
    found = [
        WordLoss(
            word,
            n,
            their_errors[word],
            own_errors[word],
            len(lost.get(word, ())),
            regained[word],
            tuple(dict.fromkeys(lost.get(word, ()))),
        )
        for word, n in said.items()
    ]
    return sorted(found, key=lambda one: (-one.lost, -one.lost / one.n, one.word))


def new_errors(outcomes: Outcomes, model: int, base: int = 0) -> list[NewError]:
    """Substitutions, omissions and insertions where the other model errs not, the most frequent
    first; parameters as of `lost_words`."""
    found: dict[tuple[str, str], list[int]] = {}
    for place, own, theirs in _pairs(outcomes, model, base):
        for (word, written), (_, other) in zip(_by_word(own), _by_word(theirs), strict=True):
            if other == word != written:
                found.setdefault((word, written), []).append(place)
        for added, others in zip(_insertions(own), _insertions(theirs), strict=True):
            for word in (Counter(added) - Counter(others)).elements():
                found.setdefault(("", word), []).append(place)
    errors = [
        NewError(*pair, len(places), tuple(dict.fromkeys(places))) for pair, places in found.items()
    ]
    return sorted(errors, key=lambda one: (-one.n, one.said, one.written))


def character_classes(outcomes: Outcomes, model: int, base: int = 0) -> list[CharacterClass]:
    """Errors by kind of character; parameters as of `lost_words`."""
    totals: Counter[str] = Counter()
    for score in outcomes.models[base].scores:
        totals.update(map(_class_of, " ".join(_said(score.alignment))))
    own, theirs = _character_errors(outcomes, model), _character_errors(outcomes, base)
    return [
        CharacterClass(name, totals[name], theirs[name], own[name])
        for name in CLASSES
        if totals[name] or own[name] or theirs[name]
    ]


def _pairs(
    outcomes: Outcomes, model: int, base: int
) -> Iterator[tuple[int, Sequence[AlignedSpan], Sequence[AlignedSpan]]]:
    scores, others = outcomes.models[model].scores, outcomes.models[base].scores
    for place, (own, theirs) in enumerate(zip(scores, others, strict=True)):
        yield place, own.alignment, theirs.alignment


def _by_word(alignment: Sequence[AlignedSpan]) -> list[tuple[str, str]]:
    """Each word of the reference with what stands for it; empty where nothing does."""
    found = []
    for span in alignment:
        if span.kind == "delete":
            found += [(word, "") for word in span.reference]
        elif span.kind != "insert":
            found += list(zip(span.reference, span.hypothesis, strict=True))
    return found


def _insertions(alignment: Sequence[AlignedSpan]) -> list[tuple[str, ...]]:
    """What is put in before each word of the reference, and behind the last one."""
    gaps: list[tuple[str, ...]] = [()]
    for span in alignment:
        if span.kind == "insert":
            gaps[-1] += span.hypothesis
        else:
            gaps += [()] * len(span.reference)
    return gaps


def _said(alignment: Sequence[AlignedSpan]) -> list[str]:
    return [word for span in alignment for word in span.reference]


def _character_errors(outcomes: Outcomes, model: int) -> Counter[str]:
    """Wrong characters of one model by class: of the reference, or of what was put in."""
    alignments = [score.alignment for score in outcomes.models[model].scores]
    said = [" ".join(_said(one)) for one in alignments]
    written = [" ".join(word for span in one for word in span.hypothesis) for one in alignments]
    errors: Counter[str] = Counter()
    output = jiwer.process_characters(said, written)
    for chunks, reference, text in zip(output.alignments, said, written, strict=True):
        for chunk in chunks:
            if chunk.type == "insert":
                errors.update(map(_class_of, text[chunk.hyp_start_idx : chunk.hyp_end_idx]))
            elif chunk.type != "equal":
                errors.update(map(_class_of, reference[chunk.ref_start_idx : chunk.ref_end_idx]))
    return errors


def _class_of(character: str) -> str:
    if character.isspace():
        return "spaces"
    if character.isdigit():
        return "digits"
    plain = unicodedata.normalize("NFD", character)[0].lower()
    if "a" <= plain <= "z":
        return "vowels" if plain in _VOWELS else "consonants"
    return "other letters" if character.isalpha() else "signs"
