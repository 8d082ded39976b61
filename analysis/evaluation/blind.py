"""Blind comparison of two transcripts: what is shown in which order, and who wins."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import norm

from analysis.evaluation.outcomes import Outcomes
from analysis.evaluation.significance import LEVEL, Interval


@dataclass(frozen=True, slots=True)
class Trial:
    """Two transcripts of one utterance without names.

    Parameters
    ----------
    place : int
        Of the utterance.
    left, right : int
        Places of the models.
    """

    place: int
    left: int
    right: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a listener said of a trial.

    Parameters
    ----------
    trial : Trial
    better : int or None
        Place of the model whose transcript is better; None where both are equal.
    """

    trial: Trial
    better: int | None


@dataclass(frozen=True, slots=True)
class Standing:
    """How one model did against the other.

    Parameters
    ----------
    wins, losses, ties : int
    share : float
        Of wins among the trials that one of them won; NaN where none is decided.
    interval : Interval
        Of that share (Wilson).
    """

    wins: int
    losses: int
    ties: int
    share: float
    interval: Interval


def trials_of(outcomes: Outcomes, first: int, second: int, seed: int) -> list[Trial]:
    """The utterances of which two models wrote different words, in a drawn order.

    Parameters
    ----------
    outcomes : Outcomes
    first, second : int
        Places of the models; which stands on the left is drawn for each utterance.
    seed : int
    """
    chance = random.Random(seed)
    found = []
    pairs = zip(outcomes.models[first].scores, outcomes.models[second].scores, strict=True)
    for place, (one, two) in enumerate(pairs):
        swapped = chance.random() < 0.5
        if one.alignment != two.alignment:
            found.append(Trial(place, *((second, first) if swapped else (first, second))))
    chance.shuffle(found)
    return found


def standing(verdicts: Sequence[Verdict], model: int) -> Standing:
    """The score of a model.

    Parameters
    ----------
    verdicts : sequence of Verdict
    model : int
        Its place.
    """
    wins = sum(verdict.better == model for verdict in verdicts)
    ties = sum(verdict.better is None for verdict in verdicts)
    losses = len(verdicts) - wins - ties
    decided = wins + losses
    share = wins / decided if decided else math.nan
    return Standing(wins, losses, ties, share, wilson(wins, decided))


def wilson(wins: int, n: int) -> Interval:
    """Interval of a share (Wilson, J. American Statistical Association 22, 1927).

    Parameters
    ----------
    wins, n : int

    Examples
    --------
    >>> found = wilson(8, 10)
    >>> round(found.low, 3), round(found.high, 3)
    (0.49, 0.943)
    """
    if not n:
        return Interval(math.nan, math.nan, 0)
    z = float(norm.ppf((1 + LEVEL) / 2))
    share = wins / n
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return Interval(max(0.0, middle - half), min(1.0, middle + half), n)
