"""How wrong a transcript is: word and character error rate, and which words to mark.

A rate means nothing without the normaliser that both sides went through, so every `Score` names
its own. Alignment is jiwer's (minimum edit distance over words).
"""

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, cast

import jiwer
from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

from analysis.errors import UserError
from analysis.models.loading import DEMO_MODELS
from analysis.plan.choices import NORMALISERS
from analysis.speech.letters import one_apostrophe, same_letters

_REMARK = re.compile(r"[<\[][^>\]]*[>\]]|\([^)]+?\)")
_PAUSE = re.compile(r"…|\.{2,}")
"""What Whisper's rules for English leave a point of, which then counts as a word."""
_JOINERS = "\u200c\u200d"
"""Zero-width (non-)joiners: invisible, and part of the spelling of Persian and of Indic scripts."""

SpanKind = Literal["equal", "substitute", "insert", "delete"]


@dataclass(frozen=True, slots=True)
class AlignedSpan:
    """A run of words that the alignment treats alike.

    Parameters
    ----------
    kind : {"equal", "substitute", "insert", "delete"}
        What it takes to get from the reference to the hypothesis.
    reference, hypothesis : tuple of str
        Normalised words; empty on one side for insertions and deletions, as many on both sides
        for the others.
    """

    kind: SpanKind
    reference: tuple[str, ...]
    hypothesis: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Score:
    """Error rates of one transcript, or of a corpus as a whole.

    Parameters
    ----------
    wer : float
        Word error rate, (substitutions + insertions + deletions) / words, as a fraction; above 1
        where more words were wrongly inserted than there are. NaN where the reference has no words
        and the hypothesis has some; 0 where both have none.
    cer : float
        The same over characters, the spaces between words included.
    substitutions, insertions, deletions : int
        Of words.
    words, characters : int
        In the reference, after normalisation.
    normaliser : str
        Key of `NORMALISERS`.
    alignment : tuple of AlignedSpan
        From the first word to the last; empty for a corpus.
    """

    wer: float
    cer: float
    substitutions: int
    insertions: int
    deletions: int
    words: int
    characters: int
    normaliser: str
    alignment: tuple[AlignedSpan, ...]

    @property
    def errors(self) -> int:
        """Substitutions, insertions and deletions together."""
        return self.substitutions + self.insertions + self.deletions

    @property
    def adds_up(self) -> bool:
        """Whether the word error rate is that of the counts, and no count is less than nothing."""
        counts = (self.substitutions, self.insertions, self.deletions, self.words, self.characters)
        rate = _rate(self.errors, self.words)
        same = self.wer == rate or (math.isnan(self.wer) and math.isnan(rate))
        return same and min(counts) >= 0 and not self.cer < 0


def normalise(text: str, normaliser: str) -> str:
    """Bring a text into the form in which it is compared.

    Parameters
    ----------
    text : str
    normaliser : str
        Key of `NORMALISERS`.

    Raises
    ------
    UserError
        For a normaliser that does not exist; names those that do.

    Examples
    --------
    >>> normalise("Mr. Quilter's  twenty-one!", "whisper-english")
    'mister quilter is 21'
    >>> normalise("Well\\u2026 the co\\u00adal, he said\\u2026", "whisper-english")
    'well the coal he said'
    >>> normalise("Grüß Gott, (lacht) Anna!", "basic")
    'grüß gott anna'
    >>> normalise("हिन्दी में!", "basic")
    'हिन्दी में'
    >>> normalise(" As  it is. ", "none")
    'As it is.'
    """
    if normaliser not in NORMALISERS:
        raise UserError(
            f"There is no normaliser “{normaliser}”.", f"Choose one of {', '.join(NORMALISERS)}."
        )
    text = same_letters(text)
    if normaliser == "whisper-english":
        seen = "".join(letter for letter in text if not _is_unseen(letter))
        text = _whisper_english()(one_apostrophe(_PAUSE.sub(" ", seen)))
    elif normaliser == "basic":
        text = _basic(text)
    return " ".join(same_letters(text).split())


def _basic(text: str) -> str:
    """Whisper's rules for all languages, but for the marks, which it takes for punctuation.

    A mark belongs to the letter before it: an accent, a vowel sign, a virama. One that follows a
    symbol goes with the symbol.
    """
    kept: list[str] = []
    compatible = unicodedata.normalize("NFKC", _REMARK.sub("", text.lower())).lower()
    for letter in one_apostrophe(compatible):
        category = unicodedata.category(letter)
        if category[0] in "SPZ":
            kept.append(" ")
        elif category[0] == "M":
            kept.extend(letter if kept and kept[-1] != " " else "")
        elif not _is_unseen(letter):
            kept.append(letter)
    return "".join(kept)


def _is_unseen(letter: str) -> bool:
    """Whether nobody sees it: a soft hyphen, a zero-width space, the mark at a file's head."""
    return unicodedata.category(letter) == "Cf" and letter not in _JOINERS


def default_normaliser(source: str) -> str:
    """The normaliser that suits a model where nobody chose one.

    Parameters
    ----------
    source : str
        Demo name, folder or hub id.

    Returns
    -------
    str
        "basic" for the bundled models, which write numbers as words, as their references do; else
        "whisper-english", as in the papers' tables.

    Examples
    --------
    >>> default_normaliser("demo-whisper"), default_normaliser("openai/whisper-tiny.en")
    ('basic', 'whisper-english')
    """
    return "basic" if source in DEMO_MODELS else "whisper-english"


@cache
def _whisper_english() -> EnglishTextNormalizer:
    """Build the rules once; compiling them takes longer than using them.

    The map from British to American spelling is left empty: not every checkpoint carries one, and
    a score must not depend on whose tokenizer is loaded.
    """
    return EnglishTextNormalizer({})


def score(reference: str, hypothesis: str, normaliser: str = "whisper-english") -> Score:
    """Compare a transcript with what was said.

    Parameters
    ----------
    reference, hypothesis : str
        What was said, and what the model wrote. With the original model's transcript as reference
        this measures divergence, not error.
    normaliser : str
        Key of `NORMALISERS`; applied to both.

    Returns
    -------
    Score

    Raises
    ------
    UserError
        For a normaliser that does not exist.

    Examples
    --------
    >>> result = score("the cat sat", "the hat sat down")
    >>> result.substitutions, result.insertions, result.deletions, round(result.wer, 3)
    (1, 1, 0, 0.667)
    """
    return _score([reference], [hypothesis], normaliser, align=True)


def corpus_score(
    references: Sequence[str], hypotheses: Sequence[str], normaliser: str = "whisper-english"
) -> Score:
    """Compare many transcripts; every word counts alike, however long its utterance.

    Parameters
    ----------
    references, hypotheses : sequence of str
        As many of one as of the other, in the same order.
    normaliser : str
        Key of `NORMALISERS`.

    Returns
    -------
    Score
        Errors summed over the corpus against words summed over the corpus. An utterance without
        reference words adds its insertions to the errors and nothing to the words.

    Raises
    ------
    UserError
        For a normaliser that does not exist.
    ValueError
        Where there are not as many references as hypotheses, or none.

    Examples
    --------
    >>> corpus_score(["a", "b c d"], ["x", "b c d"], "none").wer
    0.25
    """
    if len(references) != len(hypotheses) or not references:
        raise ValueError(f"{len(references)} references for {len(hypotheses)} hypotheses")
    return _score(references, hypotheses, normaliser, align=False)


def _score(
    references: Sequence[str], hypotheses: Sequence[str], normaliser: str, *, align: bool
) -> Score:
    said = [normalise(text, normaliser) for text in references]
    written = [normalise(text, normaliser) for text in hypotheses]
    words = jiwer.process_words(said, written)
    characters = jiwer.process_characters(said, written)
    n_words = words.hits + words.substitutions + words.deletions
    n_characters = characters.hits + characters.substitutions + characters.deletions
    return Score(
        wer=_rate(words.substitutions + words.insertions + words.deletions, n_words),
        cer=_rate(
            characters.substitutions + characters.insertions + characters.deletions, n_characters
        ),
        substitutions=words.substitutions,
        insertions=words.insertions,
        deletions=words.deletions,
        words=n_words,
        characters=n_characters,
        normaliser=normaliser,
        alignment=_alignment(words) if align else (),
    )


def _alignment(words: jiwer.WordOutput) -> tuple[AlignedSpan, ...]:
    """Spell out the index ranges of the first utterance."""
    said, written = words.references[0], words.hypotheses[0]
    return tuple(
        AlignedSpan(
            cast(SpanKind, chunk.type),
            tuple(said[chunk.ref_start_idx : chunk.ref_end_idx]),
            tuple(written[chunk.hyp_start_idx : chunk.hyp_end_idx]),
        )
        for chunk in words.alignments[0]
    )


def _rate(errors: int, total: int) -> float:
    if total:
        return errors / total
    return math.nan if errors else 0.0
