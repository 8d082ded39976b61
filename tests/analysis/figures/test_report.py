"""What leaves as a file: whole, escaped, and asking nothing of a network."""

import base64
import html
import io
import json
import re

import numpy as np
import pytest
import soundfile
from PIL import Image, ImageFont

from analysis.errors import UserError
from analysis.evaluation.scoring import score
from analysis.figures import card
from analysis.figures.card import SIZE, check_letters, comparison_card
from analysis.figures.palette import ORIGINAL, VERMILLION
from analysis.figures.report import Compared, comparison_report
from analysis.figures.words import Lane, word_lanes
from analysis.speech.recognition import Word
from tests.helpers.talking_models import audio

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
SAID = "turn on the light"


def compared(name: str, color: str, text: str, plan: str = "") -> Compared:
    return Compared(name, color, text, score(SAID, text, "basic"), "reference", "20 MB", plan=plan)


MODELS = (
    compared("original", ORIGINAL, SAID),
    compared("merged", VERMILLION, "turn of the light now", json.dumps({"k": HOSTILE})),
)


def pixels(picture: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).astype(int)


def test_a_report_holds_sound_words_errors_and_plans() -> None:
    clip = audio(1.0)
    lanes = [Lane("original", ORIGINAL, (Word("turn", 0.1, 0.4, 0.9),))]
    report = comparison_report(clip, SAID, MODELS, lanes=word_lanes(lanes, 1.0, "#000000"))
    (coded,) = re.findall(r"src='data:audio/flac;base64,([^']+)'", report)
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(coded)), dtype="float32")
    assert rate == 16_000
    assert np.abs(samples - clip.samples).max() < 1e-3
    assert ">of</u><sup" in report
    assert "instead of on" in report
    assert "WER 50.0 % · S 1 · I 1 · D 0 of 4 · basic" in report
    assert html.escape(MODELS[1].plan) in report
    assert "plotly_click" in report
    assert report.count("plotly.js v") == 1, "the library comes along once"


def test_foreign_text_is_escaped_wherever_it_stands() -> None:
    clip = audio(0.5)
    object.__setattr__(clip, "name", HOSTILE)
    model = Compared(HOSTILE, ORIGINAL, HOSTILE, None, "", HOSTILE, (HOSTILE,), HOSTILE)
    scored = Compared(HOSTILE, ORIGINAL, "x", score(HOSTILE, "x", "none"), "reference", "")
    report = comparison_report(clip, HOSTILE, [model, scored])
    assert "<script>" not in report
    assert "<img" not in report
    assert html.escape(HOSTILE) in report


def test_a_report_names_no_address() -> None:
    report = comparison_report(audio(0.5), SAID, MODELS)
    assert "default-src 'none'" in report
    assert not re.findall(r"(?:src|href)\s*=\s*['\"](?!data:)[a-z/]", report)


def test_the_card_shows_every_model_and_its_errors() -> None:
    blank = pixels(comparison_card("clip", SAID, ()))
    card = pixels(comparison_card("clip", SAID, MODELS))
    assert card.shape == (SIZE[1], SIZE[0], 3)
    for color in (ORIGINAL, VERMILLION):
        own = [int(color[place : place + 2], 16) for place in (1, 3, 5)]
        assert (card == own).all(axis=-1).sum() > 100
        assert not (blank == own).all(axis=-1).any()
    right = pixels(comparison_card("clip", SAID, [MODELS[0], compared("merged", VERMILLION, SAID)]))
    assert (card != right).any(), "wrong words look otherwise"


def test_what_is_too_long_for_the_card_ends_inside_it() -> None:
    many = compared("n" * 300, VERMILLION, "word " * 500)
    card = pixels(comparison_card("t" * 300, "r " * 500, [many] * 6, "dark"))
    edge = card[:, -20:].reshape(-1, 3)
    assert (edge == edge[0]).all()


def test_a_letter_that_the_card_cannot_draw_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card, "_FACES", card._FACES[:1])
    with pytest.raises(UserError, match="“日”"):
        comparison_card("日", SAID, MODELS)


def test_letters_beyond_ascii_are_drawn_in_a_font_of_the_system() -> None:
    if find_font("DejaVuSans.ttf") is None:
        pytest.skip("this system has no DejaVu Sans")
    assert check_letters("Hauser - Dom", SAID, MODELS) == ""
    assert check_letters("Häuser – Дом", SAID, MODELS) == "DejaVuSans.ttf"
    one, other = (pixels(comparison_card(title, SAID, MODELS)) for title in ("Дом", "Дым"))
    assert (one != other).any(), "no two boxes, which are all alike"


def find_font(name: str) -> ImageFont.FreeTypeFont | None:
    try:
        return ImageFont.truetype(name, 20)
    except OSError:
        return None
