"""Blind trials hide who wrote what, the same for the same seed; the scoreboard counts them."""

import math

from analysis.evaluation.blind import Verdict, standing, trials_of, wilson
from tests.helpers.heard import heard

SAID = [f"word{number} two" for number in range(60)]
SMALLER = [text if number % 3 == 0 else f"{text} more" for number, text in enumerate(SAID)]


def test_only_what_differs_is_asked_and_sides_are_drawn() -> None:
    outcomes = heard(SAID, {"original": SAID, "cut": SMALLER})
    trials = trials_of(outcomes, 0, 1, seed=1)
    assert sorted(one.place for one in trials) == [n for n in range(60) if n % 3]
    assert trials == trials_of(outcomes, 0, 1, seed=1) != trials_of(outcomes, 0, 1, seed=2)
    left = sum(one.left == 0 for one in trials)
    assert 10 < left < 30
    assert all({one.left, one.right} == {0, 1} for one in trials)


def test_the_scoreboard_counts_wins_losses_and_ties() -> None:
    outcomes = heard(SAID, {"original": SAID, "cut": SMALLER})
    first, second, third, *_ = trials_of(outcomes, 0, 1, seed=1)
    verdicts = [Verdict(first, 0), Verdict(second, 0), Verdict(third, None)]
    own = standing(verdicts, 0)
    assert (own.wins, own.losses, own.ties, own.share) == (2, 0, 1, 1.0)
    other = standing(verdicts, 1)
    assert (other.wins, other.losses, other.share) == (0, 2, 0.0)
    assert math.isclose(own.interval.low, 1 - other.interval.high)
    assert math.isnan(standing([], 0).share)


def test_wilson_is_that_of_the_book() -> None:
    found = wilson(81, 263)  # Newcombe, Statistics in Medicine 17, 1998, table I
    assert (round(found.low, 4), round(found.high, 4)) == (0.2553, 0.3662)
