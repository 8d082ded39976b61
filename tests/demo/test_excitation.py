"""The shipped excitation: new sentences, voices kept apart, varied from its beginning."""

import csv
from collections import Counter

import numpy as np
import pytest

from analysis.speech.audio import SAMPLING_RATE, read_audio
from demo.excitation import COLUMNS, VOICE_SEPARATOR, Talk, set_level
from demo.excitation_voices import (
    CHECK_FAMILIES,
    CHECK_KOKORO,
    ESPEAK_LANGUAGES,
    FAMILIES,
    draw_english,
    draw_foreign,
)
from demo.synthesis import HELD_OUT_FLITE, HELD_OUT_VARIANTS
from tests.helpers.places import DEMO

FOLDER = DEMO / "excitation"
MOST_BYTES = 6_000_000
MOST_SECONDS = 28.0


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with (FOLDER / "metadata.csv").open(newline="") as file:
        reader = csv.DictReader(file)
        assert tuple(reader.fieldnames or ()) == COLUMNS
        return list(reader)


def voices(rows: list[dict[str, str]]) -> set[str]:
    return {voice for row in rows for voice in row["voice"].split(VOICE_SEPARATOR)}


def speaker(voice: str) -> str:
    """Engine and variant, without the language or accent that they speak."""
    engine, name = voice.split(":")
    return f"{engine}:{name.split('+')[-1].split('/', 1)[-1]}"


def seconds(rows: list[dict[str, str]], *, english: bool, part: str) -> float:
    return sum(
        float(row["seconds"])
        for row in rows
        if (row["language"] == "en") is english and row["part"] == part
    )


def test_every_clip_can_be_read_and_is_within_whispers_window(rows: list[dict[str, str]]) -> None:
    assert {path.name for path in FOLDER.iterdir()} == {
        "metadata.csv",
        *(row["file_name"] for row in rows),
    }
    for row in rows:
        samples = read_audio(FOLDER / row["file_name"]).samples
        assert len(samples) / SAMPLING_RATE == pytest.approx(float(row["seconds"]), abs=0.05)
        assert len(samples) <= MOST_SECONDS * SAMPLING_RATE
        assert 0.02 < np.abs(samples).max() < 1.0


def test_it_is_small_and_long(rows: list[dict[str, str]]) -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= MOST_BYTES
    assert seconds(rows, english=True, part="fit") >= 24 * 60
    assert seconds(rows, english=True, part="check") >= 2.5 * 60
    assert seconds(rows, english=False, part="fit") >= 4.5 * 60
    assert seconds(rows, english=False, part="check") >= 45
    assert {row["language"] for row in rows} == {"en", *ESPEAK_LANGUAGES}


def test_no_text_is_said_twice(rows: list[dict[str, str]]) -> None:
    texts = Counter(row["transcription"] for row in rows)
    assert max(texts.values()) == 1
    english = " ".join(row["transcription"] for row in rows if row["language"] == "en").split()
    runs = Counter(tuple(english[i : i + 12]) for i in range(len(english) - 12))
    assert max(runs.values()) == 1


def test_nobody_speaks_in_both_parts_and_nobody_of_the_demo_models_tests(
    rows: list[dict[str, str]],
) -> None:
    fit = {speaker(v) for v in voices([row for row in rows if row["part"] == "fit"])}
    check = {speaker(v) for v in voices([row for row in rows if row["part"] == "check"])}
    assert len(fit) > 50
    assert len(check) > 10
    assert not fit & check
    assert not any(name in voice for voice in fit for name in CHECK_KOKORO)
    kept_out = {f"espeak-ng:{name}" for name in HELD_OUT_VARIANTS}
    kept_out |= {f"flite:{name}" for name in HELD_OUT_FLITE}
    assert not (fit | check) & kept_out


@pytest.mark.parametrize(("limit", "least_voices"), [(120.0, 8), (300.0, 18)])
def test_any_beginning_is_varied(
    rows: list[dict[str, str]], limit: float, least_voices: int
) -> None:
    ends = np.cumsum([float(row["seconds"]) for row in rows])
    beginning = [row for row, end in zip(rows, ends, strict=True) if end <= limit]
    assert len(voices(beginning)) >= least_voices
    assert {voice.split(":")[0] for voice in voices(beginning)} == {
        "espeak-ng", "flite", "festival", "hibari", "kokoro",
    }  # fmt: skip
    conditions = {row["condition"].split(" ")[0].rstrip(",") for row in beginning}
    assert conditions == {"clean", "noise", "room", "telephone"}
    lengths = [float(row["seconds"]) for row in beginning]
    assert min(lengths) < 8 < 12 < max(lengths)


@pytest.mark.parametrize("check", [False, True])
def test_voices_are_drawn_from_their_side_of_the_split(check: bool) -> None:
    rng = np.random.default_rng(0)
    families = CHECK_FAMILIES if check else FAMILIES
    drawn = [draw_english(rng, f, check=check) for f in families for _ in range(60)]
    drawn += [draw_foreign(rng, f, check=check, neural=True) for f in ESPEAK_LANGUAGES]
    other = [draw_english(rng, f, check=not check) for f in CHECK_FAMILIES for _ in range(60)]
    assert not {speaker(v.label) for v in drawn} & {speaker(v.label) for v in other}


def test_a_talk_begins_and_ends_with_silence_and_keeps_its_sentences_apart() -> None:
    talk = Talk(np.random.default_rng(1))
    for text in ("One.", "Two."):
        talk.add(text, np.ones(1_000, np.float32))
    sound = talk.waveform()
    edges = np.flatnonzero(np.diff(sound))
    assert len(edges) == 4  # up and down, twice
    pause = edges[2] - edges[1]
    assert 0.2 * SAMPLING_RATE <= pause <= 1.5 * SAMPLING_RATE
    assert sound[0] == sound[-1] == 0


def test_peaks_lie_between_30_and_1_decibels_below_full_scale() -> None:
    rng = np.random.default_rng(2)
    peaks = [
        np.abs(set_level(rng.normal(0, 1, 100).astype(np.float32), rng)).max() for _ in "a" * 99
    ]
    assert 10 ** (-30 / 20) * 0.999 <= min(peaks) < 0.1
    assert 0.5 < max(peaks) <= 10 ** (-1 / 20) * 1.001
