"""Words that go round in circles are told from words that people say twice."""

import pytest

from analysis.speech.repetition import goes_in_circles, loop_start


@pytest.mark.parametrize("period", [1, 2, 5, 16])
def test_circles_are_found_wherever_they_lie(period: int) -> None:
    circle = [f"w{number}" for number in range(period)] * max(3, -(-16 // period))
    before, after = ["it", "was"], ["and", "so", "on"]
    assert goes_in_circles([*before, *circle])
    assert goes_in_circles([*before, *circle, *after])
    assert goes_in_circles([*circle, circle[0][:1]])  # the decoder was stopped within a word
    assert loop_start(range(len(circle))) is None


def test_what_people_repeat_is_no_circle() -> None:
    assert not goes_in_circles(["no", "no", "no", "no", "I", "said", "no", "no", "no"])
    assert not goes_in_circles(["a", "b"] * 7)  # fourteen words, and sixteen are asked for
    assert not goes_in_circles([])
