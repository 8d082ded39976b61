"""Whisper beyond one window, with timestamps and without, and where it does not end."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from analysis.errors import UserError
from analysis.speech.audio import SAMPLING_RATE, Audio
from analysis.speech.timestamps import timestamps_of
from analysis.speech.transcription import transcribe
from analysis.speech.windows import quiet_windows
from tests.helpers.talking_models import WINDOW_SECONDS, audio, sound, tiny_whisper
from tests.helpers.transcribing import COLD, calls_of, telling

# --- beyond one window --------------------------------------------------------------------------


def test_windows_are_the_clips_between_the_cuts() -> None:
    model = tiny_whisper(max_length=30)
    samples = sound(9)
    result = transcribe(model, Audio("long", samples, SAMPLING_RATE, 1), COLD)
    expected = [
        transcribe(model, Audio("short", samples[w.start : w.stop], SAMPLING_RATE, 1), COLD).text
        for w in quiet_windows(samples, WINDOW_SECONDS * SAMPLING_RATE)
    ]
    assert result.n_windows == len(expected) >= 5
    assert result.text == " ".join(telling(text) for text in expected)
    assert f"cut at pauses into {len(expected)}" in result.notes[0]


def test_silent_windows_are_left_out() -> None:
    model = tiny_whisper(max_length=30)
    samples = np.concatenate([sound(2), np.zeros(6 * SAMPLING_RATE, np.float32)])
    result = transcribe(model, Audio("long", samples, SAMPLING_RATE, 1), COLD)
    first = transcribe(model, Audio("short", samples[: 2 * SAMPLING_RATE], SAMPLING_RATE, 1), COLD)
    assert result.text == telling(first.text)
    assert any("3 silent windows" in note for note in result.notes)
    silence = Audio("silence", np.zeros(5 * SAMPLING_RATE, np.float32), SAMPLING_RATE, 1)
    assert transcribe(model, silence, COLD).text == ""


def test_timestamps_are_used_where_they_were_learned() -> None:
    model, clip = tiny_whisper(timestamps=0.05), audio(7, seed=5)
    features = model.processor.feature_extractor(
        clip.samples, sampling_rate=SAMPLING_RATE, return_tensors="pt",
        truncation=False, padding="longest", return_attention_mask=True,
    )  # fmt: skip
    calls: list[int] = []
    network: Any = model.model
    ids = network.generate(
        **features, return_timestamps=True, monitor_progress=lambda _: calls.append(1)
    )
    expected = model.processor.tokenizer.decode(ids[0], skip_special_tokens=True)
    for long_form in ("auto", "timestamps"):
        result = transcribe(model, clip, replace(COLD, long_form=long_form))
        assert result.text == expected
        assert len(result.text) > 10
        assert result.n_windows == len(calls)
        assert "by timestamps" in result.notes[0]
    assert "cut at pauses" in transcribe(model, clip, replace(COLD, long_form="windows")).notes[0]


def test_timestamps_are_not_used_where_they_were_not_learned() -> None:
    result = transcribe(tiny_whisper(timestamps=-1.0), audio(7), COLD)
    assert "cut at pauses" in result.notes[0]


def test_timestamps_that_hardly_advance_are_given_up() -> None:
    model, clip = tiny_whisper(timestamps=0.5, hesitation=0.05), audio(5)
    with calls_of(model.model.model.encoder) as shapes:
        result = transcribe(model, clip, COLD)
    assert len(shapes) <= 4 * 3 + 3
    assert "hardly advanced" in result.notes[0]
    assert "cut at pauses" in result.notes[1]
    assert result.text == transcribe(model, clip, replace(COLD, long_form="windows")).text


def test_a_model_without_timestamp_tokens_says_so() -> None:
    model = tiny_whisper()
    network: Any = model.model
    del network.generation_config.no_timestamps_token_id
    with pytest.raises(UserError, match="no timestamp tokens"):
        transcribe(model, audio(5), replace(COLD, long_form="timestamps"))
    assert "cut at pauses" in transcribe(model, audio(5), COLD).notes[0]


@pytest.mark.parametrize("place", ["behind the timestamps", "in their place"])
def test_a_word_is_not_taken_for_a_timestamp(place: str) -> None:
    """transformers takes every token behind <|notimestamps|> for a time."""
    model = tiny_whisper(timestamps=0.05)
    network: Any = model.model
    if place == "in their place":
        vocabulary = model.processor.tokenizer.get_vocab()
        network.generation_config.no_timestamps_token_id = vocabulary["<|nospeech|>"]
        word = "<|notimestamps|>"
    else:
        word = "coalesce"
        model.processor.tokenizer.add_tokens([word])
        network.resize_token_embeddings(len(model.processor.tokenizer))
    with pytest.raises(UserError, match=re.escape(f"has the word “{word}” where")):
        transcribe(model, audio(5), replace(COLD, long_form="timestamps"))
    assert "cut at pauses" in transcribe(model, audio(5), COLD).notes[0]


def test_rows_that_pad_a_vocabulary_are_no_timestamps() -> None:
    model = tiny_whisper(timestamps=-1.0)
    network: Any = model.model
    known = len(model.processor.tokenizer)
    network.resize_token_embeddings(known + 8)
    network.get_output_embeddings().weight.data[known:, 0] = 9.0  # likelier than anything
    assert timestamps_of(model).tokens.stop == known
    assert "cut at pauses" in transcribe(model, audio(5), COLD).notes[0]


# --- models that do not end ---------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "n_tokens"), [(0.5, 34), (1.0, 44), (2.0, 58)])
def test_a_model_that_does_not_end_is_stopped(seconds: float, n_tokens: int) -> None:
    # 24 tokens and 20 a second; at 2 s the 60 positions less a prompt of 2 are fewer.
    result = transcribe(tiny_whisper(end=False), audio(seconds), COLD)
    assert len(result.text) == n_tokens
    assert "did not come to an end" in result.notes[0]


def test_an_end_that_is_a_letter_stays_in_the_text() -> None:
    model = tiny_whisper()
    whole = transcribe(model, audio(1), COLD).text
    network: Any = model.model
    letter = model.processor.tokenizer.get_vocab()[whole[3]]
    network.generation_config.eos_token_id = [network.generation_config.eos_token_id, letter]
    cut = transcribe(model, audio(1), COLD)
    assert cut.text == whole[: whole.index(whole[3]) + 1]
    assert cut.notes == ()


def test_timestamps_that_nobody_asked_for_do_not_send_the_model_back() -> None:
    model = tiny_whisper(timestamps=3.0, hesitation=0.2, end=False)  # writes nothing else
    with calls_of(model.model.model.encoder) as calls:
        transcribe(model, audio(1.5), COLD)
    assert len(calls) == 1


def test_own_limits_are_the_lowest_that_hold() -> None:
    clip = audio(1.0)
    asked = replace(COLD, max_new_tokens=9)
    assert len(transcribe(tiny_whisper(end=False), clip, asked).text) == 9
    assert len(transcribe(tiny_whisper(end=False, max_length=7), clip, COLD).text) == 7
    model = tiny_whisper(end=False)
    model.model.generation_config.max_new_tokens = 12
    assert len(transcribe(model, clip, COLD).text) == 12
    assert len(transcribe(model, clip, asked).text) == 9
