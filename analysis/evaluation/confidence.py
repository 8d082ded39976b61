"""How sure a model is of its words, and whether it is right as often as it is sure."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np

from analysis.evaluation.blind import wilson
from analysis.evaluation.outcomes import Heard
from analysis.evaluation.scoring import AlignedSpan, normalise
from analysis.evaluation.significance import Interval

N_BINS = 10
"""Of equal width, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Words of which a model is about equally sure.

    Parameters
    ----------
    n : int
    confidence : float
        Their mean.
    right : float
        Share that stands in the reference at that place.
    """

    n: int
    confidence: float
    right: float

    @property
    def interval(self) -> Interval:
        """Of `right`; see `analysis.evaluation.blind.wilson`."""
        return wilson(round(self.right * self.n), self.n)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Confidence against correctness.

    Parameters
    ----------
    bins : tuple of Bin
        Those that hold a word, the least sure first.
    error : float
        Expected calibration error: the mean of \\|confidence - right\\| over all words.
    confidence, right : float
        Means over all words.
    n_words, n_left_out : int
        Words of the transcripts, and those without a confidence: the normaliser wrote them anew.
    """

    bins: tuple[Bin, ...]
    error: float
    confidence: float
    right: float
    n_words: int
    n_left_out: int

    def rows(self) -> list[dict[str, float]]:
        """The bins as a table: words, how sure of them, and how many are right, in per cent."""
        return [
            {
                "words": one.n,
                "sure": 100 * one.confidence,
                "right": 100 * one.right,
                "right_low": 100 * one.interval.low,
                "right_high": 100 * one.interval.high,
            }
            for one in self.bins
        ]


def calibration(heard: Heard) -> Calibration | None:
    """Compare how sure a model is with how often it is right.

    Parameters
    ----------
    heard : Heard

    Returns
    -------
    Calibration or None
        None where no confidence was kept.
    """
    sure: list[float] = []
    right: list[bool] = []
    n_words = 0
    for result, score in zip(heard.results, heard.scores, strict=True):
        flags = _right(score.alignment)
        n_words += len(flags)
        for place, confidence in _confidences(result.words, score.alignment, score.normaliser):
            sure.append(confidence)
            right.append(flags[place])
    if not sure:
        return None
    confidences, correct = np.array(sure), np.array(right, dtype=float)
    owners = np.minimum((confidences * N_BINS).astype(int), N_BINS - 1)
    bins = tuple(
        Bin(int(own.sum()), float(confidences[own].mean()), float(correct[own].mean()))
        for own in (owners == number for number in range(N_BINS))
        if own.any()
    )
    error = sum(one.n * abs(one.confidence - one.right) for one in bins) / len(sure)
    return Calibration(
        bins,
        float(error),
        float(confidences.mean()),
        float(correct.mean()),
        n_words,
        n_words - len(sure),
    )


def _right(alignment: Sequence[AlignedSpan]) -> list[bool]:
    """For each word of the transcript whether it stands in the reference."""
    return [span.kind == "equal" for span in alignment for _ in span.hypothesis]


def _confidences(
    words: Sequence[tuple[str, float]], alignment: Sequence[AlignedSpan], normaliser: str
) -> list[tuple[int, float]]:
    """Places in the normalised transcript with how sure the model was of the word there.

    The normaliser sees the whole text (“twenty one” becomes “21”), so that its words are found
    again by matching; those that it made out of several have no confidence.
    """
    own = [(part, sure) for text, sure in words for part in normalise(text, normaliser).split()]
    written = [word for span in alignment for word in span.hypothesis]
    matcher = SequenceMatcher(None, [part for part, _ in own], written, autojunk=False)
    return [
        (block.b + offset, own[block.a + offset][1])
        for block in matcher.get_matching_blocks()
        for offset in range(block.size)
    ]
