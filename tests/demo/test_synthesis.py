"""Voices and recordings of the synthesiser: held-out ones stay apart, silence goes."""

import csv

import numpy as np
import pytest

from demo.grammar import is_held_out
from demo.synthesis import (
    HELD_OUT_ACCENTS,
    HELD_OUT_FLITE,
    HELD_OUT_VARIANTS,
    TRAIN_FLITE,
    TRAIN_VARIANTS,
    draw_voice,
    trim_silence,
)
from tests.helpers.places import DEMO


def test_held_out_voices_share_no_speaker_with_training_voices() -> None:
    assert not set(TRAIN_VARIANTS) & set(HELD_OUT_VARIANTS)
    assert not set(TRAIN_FLITE) & set(HELD_OUT_FLITE)
    rng = np.random.default_rng(0)
    for _ in range(200):
        voice = draw_voice(rng, held_out=True)
        assert voice.name in HELD_OUT_FLITE or voice.name.split("+")[1] in HELD_OUT_VARIANTS


def test_no_accent_is_one_whose_variants_espeak_ng_ignores() -> None:
    # all variants of "en-gb" are its default voice, hence the same in training and in tests
    assert "en-gb" not in HELD_OUT_ACCENTS


def test_silence_is_trimmed_but_for_its_margin() -> None:
    tone = np.sin(np.arange(8_000) / 5).astype(np.float32)
    silence = np.zeros(4_000, np.float32)
    trimmed = trim_silence(np.concatenate([silence, tone, silence]), margin=0.02)
    assert abs(len(trimmed) - (8_000 + 2 * 320)) <= 160


@pytest.mark.parametrize("folder", ["heldout", "clips"])
def test_shipped_recordings_are_held_out(folder: str) -> None:
    with (DEMO / folder / "metadata.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert all((DEMO / folder / row["file_name"]).is_file() for row in rows)
    # the long clip is many sentences, each held out; together they are none of the grammar
    texts = [row["transcription"] for row in rows if " " not in row["voice"]]
    assert len(texts) >= 11
    assert all(map(is_held_out, texts))
    for row in rows:
        for voice in row["voice"].split():
            name = voice.split(":")[1]
            assert name in HELD_OUT_FLITE or name.split("+")[1] in HELD_OUT_VARIANTS
