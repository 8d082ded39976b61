"""Differences are marked by tag, letter and ink; foreign words never become markup."""

from analysis.evaluation.scoring import score
from analysis.figures.marked_words import legend, marked_transcript, plain_transcript, scrolling
from analysis.figures.palette import BACKGROUNDS, DIFFERENCES, NEUTRAL, contrast_ratio


def test_each_kind_has_its_shape_and_letter() -> None:
    alignment = score("turn on the light in here", "turn the lights in here now", "none").alignment
    html = marked_transcript(alignment)
    assert html.count("<del ") == 1
    assert ">on</del><sup" in html
    assert ">D</sup>" in html
    assert html.count("<u ") == 1
    assert ">lights</u><sup" in html
    assert "instead of light" in html
    assert html.count("<ins ") == 1
    assert ">now</ins><sup" in html
    assert "underline" in html
    assert "line-through" in html
    assert "border:2px solid" in html


def test_lines_can_be_seen_in_both_themes_and_words_keep_the_pages_ink() -> None:
    assert "color:" not in legend()
    for color in DIFFERENCES.values():
        assert color in legend()
        for backgrounds in BACKGROUNDS.values():
            assert all(contrast_ratio(color, background) >= 3 for background in backgrounds)


def test_hostile_words_are_escaped_everywhere() -> None:
    hostile = "<img/src=x/onerror=alert(1)>\"'&"
    for reference, hypothesis in (
        (hostile, "a"),
        ("a", hostile),
        (hostile, hostile),
        ("", hostile),
    ):
        html = marked_transcript(score(reference, hypothesis, "none").alignment)
        assert "<img" not in html
        assert "&lt;img" in html
    assert "<img" not in plain_transcript(hostile)


def test_nothing_recognised_is_said() -> None:
    assert "nothing was recognised" in plain_transcript("")


def test_a_box_that_scrolls_is_reached_by_the_keyboard_and_has_a_name() -> None:
    box = scrolling(plain_transcript("one two"), 5, "<b>'Words'")
    assert "tabindex='0'" in box
    assert "role='region'" in box
    assert "aria-label='&lt;b&gt;&#x27;Words&#x27;'" in box
    assert plain_transcript("one two") in box


def test_errors_that_the_original_makes_too_are_marked_in_grey() -> None:
    original = score("a b c d", "a x c", "none").alignment
    own = score("a b c d", "q y c e d", "none").alignment
    html = marked_transcript(own, original)
    words = html.split("<span")[1:]
    grey = [NEUTRAL in word for word in words]
    assert [("instead of a" in w, "instead of b" in w) for w in words[:2]] == [
        (True, False),
        (False, True),
    ]
    assert grey == [False, True, False]  # the inserted e stands where the original lost nothing
    assert NEUTRAL not in marked_transcript(own)
