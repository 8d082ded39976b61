"""Whether a difference in WER is more than chance: intervals by bootstrap, and two tests.

All compare systems on the same utterances, so what makes an utterance hard for everybody cancels.
"""

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from analysis.evaluation.scoring import AlignedSpan

LEVEL = 0.95
"""Confidence of every interval."""

LEVEL_SHOWN = f"{100 * LEVEL:.0f} %"
"""The same, as people read it."""

N_RESAMPLES = 10_000
"""Bootstrap replicates; at 10,000 the limits of a 95 % interval move by a hundredth of its width
from seed to seed."""

MIN_GOOD_WORDS = 2
"""Correct words in a row, in both systems, that end a segment (NIST's `sc_stats`)."""

FEWEST_SEGMENTS = 10
"""Segments with errors from which MAPSSWE has a p: of fewer, the normal law is no good guess."""

_DRAWS_AT_A_TIME = 5_000_000  # 40 MB
_MANY_BLOCKS, _ALIKE = 2_000, 8  # from so many on, eight or more with the same counts

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval.

    Parameters
    ----------
    low, high : float
        Limits; NaN where there were no reference words.
    n_blocks : int
        Utterances or speakers that were drawn; with a handful, the interval is rough.
    """

    low: float
    high: float
    n_blocks: int


@dataclass(frozen=True, slots=True)
class Difference:
    """A system's WER minus another's, over the same utterances.

    Parameters
    ----------
    delta : float
        As a fraction; negative where the system is better than the other.
    low, high : float
        Limits of its `LEVEL` interval.
    improvement : float
        Share of the replicates in which the system was better, "probability of improvement".
    p_value : float
        Two-sided, of no difference, by `permutation_p`.
    n_blocks : int
        As in `Interval`.
    """

    delta: float
    low: float
    high: float
    improvement: float
    p_value: float
    n_blocks: int


@dataclass(frozen=True, slots=True)
class MatchedPairs:
    """What the matched-pairs sentence-segment word error test found.

    Parameters
    ----------
    n_segments : int
        Segments with an error of either system.
    mean : float
        Mean over segments of the system's errors minus the other's.
    standard_deviation : float
        Of that difference, with n - 1; NaN for fewer than two segments.
    z : float
        Mean over its standard error; 0 where no segment differs, NaN where the difference does not
        vary and so has no standard error.
    p_value : float
        Two-sided, from the normal distribution; 1 where no segment differs. NaN where z is, and
        where there are fewer than `FEWEST_SEGMENTS`.
    """

    n_segments: int
    mean: float
    standard_deviation: float
    z: float
    p_value: float


def wer_interval(
    errors: Sequence[int],
    words: Sequence[int],
    blocks: Sequence[Hashable] | None = None,
    *,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Percentile interval of a corpus WER (Bisani and Ney, ICASSP 2004, section 3).

    Parameters
    ----------
    errors, words : sequence of int, (n,)
        Word errors and reference words of each utterance.
    blocks : sequence of hashable, (n,), optional
        Speaker of each utterance: speakers are drawn whole, since one's utterances err alike
        (section 5 there). By default utterances are drawn.
    n_resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    Interval

    Raises
    ------
    ValueError
        Where the sequences differ in length or hold nothing.

    Examples
    --------
    >>> wer_interval([1, 1, 1], [4, 4, 4])
    Interval(low=0.25, high=0.25, n_blocks=3)
    """
    totals = _by_block([errors, words], blocks)
    rates = _resampled_rates(totals, n_resamples, seed)
    return Interval(*_limits(rates), n_blocks=totals.shape[1])


def wer_difference(
    errors: Sequence[int],
    other_errors: Sequence[int],
    words: Sequence[int],
    blocks: Sequence[Hashable] | None = None,
    *,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> Difference:
    """Difference of two WERs: interval by paired bootstrap, p by permutation over the same blocks.

    The interval is that of Bisani and Ney (ICASSP 2004, section 4). A p of the same replicates
    would be too small where the blocks are few: of five that all lose, none has another sign.

    Parameters
    ----------
    errors, other_errors : sequence of int, (n,)
        Word errors of the system and of the one that it is compared with, utterance by utterance.
    words : sequence of int, (n,)
        Reference words.
    blocks : sequence of hashable, (n,), optional
        As in `wer_interval`.
    n_resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    Difference

    Raises
    ------
    ValueError
        Where the sequences differ in length or hold nothing.

    Examples
    --------
    >>> same = wer_difference([1, 0, 2], [1, 0, 2], [5, 5, 5])
    >>> same.delta, same.p_value
    (0.0, 1.0)
    """
    extra = np.subtract(errors, other_errors).tolist()
    totals = _by_block([extra, words], blocks)
    rates = _resampled_rates(totals, n_resamples, seed)
    n_words = int(totals[1].sum())
    return Difference(
        float(totals[0].sum() / n_words) if n_words else math.nan,
        *_limits(rates),
        improvement=float(np.mean(rates < 0)) if len(rates) else math.nan,
        p_value=permutation_p(totals[0]) if n_words else math.nan,
        n_blocks=totals.shape[1],
    )


def permutation_p(differences: Counts) -> float:
    """Two-sided p of the exact paired permutation test (Fisher 1935; Noreen 1989, chapter 2).

    If two systems are equally good, each block could as well have come out the other way round.
    The p is the share of all ways to exchange them, block by block, in which the errors differ by
    as much as they do.

    Parameters
    ----------
    differences : ndarray of int64, (n_blocks,)
        Errors of the system minus the other's.

    Returns
    -------
    float
        At least 2 ** (1 - n) where n blocks differ.

    Examples
    --------
    >>> permutation_p(np.array([1, 1, 1, 1, 1])), permutation_p(np.array([2, -2, 0]))
    (0.0625, 1.0)
    """
    sizes = np.sort(np.abs(differences[differences != 0]))
    observed, most = abs(int(differences.sum())), int(sizes.sum())
    if not observed:
        return 1.0
    # chances of every sum of the blocks that keep their sign: blocks are added one by one
    chances = np.zeros(most + 1)
    chances[0] = 1.0
    reached = 0
    for size in sizes.tolist():
        chances[size : reached + size + 1] += chances[: reached + 1].copy()
        reached += size
        chances[: reached + 1] /= 2
    # a sum of T of them is a difference of 2 T - most; both tails are alike
    return float(min(1.0, 2 * chances[(most + observed + 1) // 2 :].sum()))


def mapsswe(
    alignments: Sequence[Sequence[AlignedSpan]], others: Sequence[Sequence[AlignedSpan]]
) -> MatchedPairs:
    """Matched-pairs sentence-segment word error test (Gillick and Cox, ICASSP 1989, section 4).

    Utterances are cut into segments whose errors may be taken as independent: between them,
    both systems get at least `MIN_GOOD_WORDS` words in a row right, as in NIST's `sc_stats`.

    Parameters
    ----------
    alignments, others : sequence of sequence of AlignedSpan
        Of the system and of the one that it is compared with, utterance by utterance, to the same
        references; from `analysis.evaluation.scoring.score`.

    Returns
    -------
    MatchedPairs

    Raises
    ------
    ValueError
        Where the utterances or their references differ.
    """
    segments = [
        segment
        for own, other in zip(alignments, others, strict=True)
        for segment in error_segments(own, other)
    ]
    differences = np.array([own - other for own, other in segments], dtype=np.float64)
    n_segments = len(differences)
    if not differences.any():
        return MatchedPairs(n_segments, 0.0, 0.0 if n_segments > 1 else math.nan, 0.0, 1.0)
    mean = float(differences.mean())
    deviation = float(differences.std(ddof=1)) if n_segments > 1 else math.nan
    z = mean / (deviation / math.sqrt(n_segments)) if deviation else math.nan
    p = float(2 * norm.sf(abs(z))) if n_segments >= FEWEST_SEGMENTS else math.nan
    return MatchedPairs(n_segments, mean, deviation, z, p)


def error_segments(
    alignment: Sequence[AlignedSpan], other: Sequence[AlignedSpan]
) -> list[tuple[int, int]]:
    """Errors of two systems in each segment of an utterance, those without errors left out.

    Parameters
    ----------
    alignment, other : sequence of AlignedSpan
        To the same reference.

    Returns
    -------
    list of (int, int)
        Errors of the first and of the second system.

    Examples
    --------
    >>> from analysis.evaluation.scoring import score
    >>> said = "a b c d e f"
    >>> first, second = score(said, "x b c d e y", "none"), score(said, "a b c e f", "none")
    >>> error_segments(first.alignment, second.alignment)
    [(1, 0), (1, 1)]
    """
    segments: list[tuple[int, int]] = []
    n_good = MIN_GOOD_WORDS
    for is_word, own, others in zip(*_slots(alignment, other), strict=True):
        if own or others:
            if n_good >= MIN_GOOD_WORDS:
                segments.append((0, 0))
            segments[-1] = (segments[-1][0] + own, segments[-1][1] + others)
            n_good = 0
        elif is_word:
            n_good += 1
    return segments


def _slots(
    alignment: Sequence[AlignedSpan], other: Sequence[AlignedSpan]
) -> tuple[list[bool], list[int], list[int]]:
    """Errors in every place where there can be any: gap, word, gap, …, word, gap."""
    own, theirs = errors_by_slot(alignment), errors_by_slot(other)
    if len(own) != len(theirs):
        raise ValueError("two alignments of one utterance differ in their reference")
    return [index % 2 == 1 for index in range(len(own))], own, theirs


def errors_by_slot(alignment: Sequence[AlignedSpan]) -> list[int]:
    """Errors in every place of an utterance where there can be any.

    Parameters
    ----------
    alignment : sequence of AlignedSpan

    Returns
    -------
    list of int, (2 * words + 1,)
        Of the gap before the first word, the first word, the gap after it, and so on.

    Examples
    --------
    >>> from analysis.evaluation.scoring import score
    >>> errors_by_slot(score("a b", "x b c d", "none").alignment)
    [0, 1, 0, 0, 2]
    """
    errors = [0]
    for span in alignment:
        if span.kind == "insert":
            errors[-1] += len(span.hypothesis)
        else:
            wrong = int(span.kind != "equal")
            for _ in span.reference:
                errors += [wrong, 0]
    return errors


def _by_block(counts: Sequence[Sequence[int]], blocks: Sequence[Hashable] | None) -> Counts:
    """Sums of each count over each block: (counts, blocks)."""
    columns = np.array(counts, dtype=np.int64)  # raises where they differ in length
    if not columns.size:
        raise ValueError("there are no utterances to compare")
    if blocks is None:
        return columns
    numbers = {block: number for number, block in enumerate(dict.fromkeys(blocks))}
    owners = np.array([numbers[block] for block in blocks])
    if len(owners) != columns.shape[1]:
        raise ValueError(f"{len(owners)} blocks for {columns.shape[1]} utterances")
    totals = np.zeros((len(columns), len(numbers)), dtype=np.int64)
    for total, column in zip(totals, columns, strict=True):
        np.add.at(total, owners, column)
    return totals


def _resampled_rates(totals: Counts, n_resamples: int, seed: int) -> npt.NDArray[np.float64]:
    """Errors over words in each replicate; replicates without a word have no rate."""
    sums = np.concatenate(list(_draws(totals, n_resamples, seed)), axis=1)
    spoken = sums[1] > 0
    rates: npt.NDArray[np.float64] = sums[0, spoken] / sums[1, spoken]
    return rates


def _draws(totals: Counts, n_resamples: int, seed: int) -> Iterator[Counts]:
    """Sums over blocks drawn with replacement, (counts, replicates) at a time."""
    generator = np.random.default_rng(seed)
    n_blocks = totals.shape[1]
    if n_blocks >= _MANY_BLOCKS:
        kinds, counts = np.unique(totals, axis=1, return_counts=True)
        if _ALIKE * kinds.shape[1] <= n_blocks:
            # how often each kind of block is drawn, all at once: the same distribution
            drawn = generator.multinomial(n_blocks, counts / n_blocks, size=n_resamples)
            yield kinds @ drawn.T
            return
    at_a_time = max(1, _DRAWS_AT_A_TIME // n_blocks)
    for start in range(0, n_resamples, at_a_time):
        size = (min(at_a_time, n_resamples - start), n_blocks)
        yield totals[:, generator.integers(n_blocks, size=size)].sum(axis=2)


def _limits(rates: npt.NDArray[np.float64]) -> tuple[float, float]:
    if not len(rates):
        return math.nan, math.nan
    low, high = np.quantile(rates, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
