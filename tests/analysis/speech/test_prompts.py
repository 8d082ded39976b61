"""What a checkpoint says about language and task holds, unless somebody asks otherwise."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch

from analysis.clustering.listening import prepare, statistics_folder
from analysis.errors import UserError
from analysis.models.speech_model import SpeechModel
from analysis.speech.audio import SAMPLING_RATE
from analysis.speech.excitation import Excitation
from analysis.speech.languages import presets
from analysis.speech.seq2seq import Seq2SeqRecogniser
from analysis.speech.transcription import transcribe
from analysis.speech.windows import quiet_windows
from tests.helpers.talking_models import WINDOW_SECONDS, audio, tiny_whisper
from tests.helpers.transcribing import COLD, telling

Change = Callable[[Any, dict[str, int]], None]


def _forced(*tokens: str | None) -> Change:
    def change(config: Any, ids: dict[str, int]) -> None:
        forced = [ids[token] if token else None for token in tokens]
        config.forced_decoder_ids = [list(pair) for pair in enumerate(forced, start=1)] or None

    return change


def _set(**fields: Any) -> Change:
    return lambda config, _: config.update(allow_custom_entries=True, **fields)


def _without(*fields: str) -> Change:
    def change(config: Any, ids: dict[str, int]) -> None:
        _forced("<|fr|>", "<|translate|>")(config, ids)
        for field in fields:
            delattr(config, field)

    return change


def _without_start(config: Any, ids: dict[str, int]) -> None:
    _forced("<|fr|>", "<|translate|>")(config, ids)
    config.decoder_start_token_id, config.bos_token_id = None, config.eos_token_id


PRESETS: dict[str, Change] = {
    "detected, then transcribe": lambda config, ids: None,
    "nothing": _forced(),
    "language and task": _set(language="french", task="translate"),
    "language": _set(language="<|de|>"),
    "task": _set(task="translate"),
    "forced language and task": _forced("<|fr|>", "<|translate|>"),
    "forced task": _forced(None, "<|translate|>"),
    "forced, no list of tasks": _without("task_to_id"),
    "forced, outdated": _without("task_to_id", "lang_to_id", "is_multilingual"),
    "forced, no start": _without_start,
}


def _model(preset: str, *, timestamps: float = -1.0) -> SpeechModel:
    model = tiny_whisper(multilingual=True, timestamps=timestamps, max_length=30)
    PRESETS[preset](model.model.generation_config, model.processor.tokenizer.get_vocab())
    return model


@contextmanager
def _prompts(model: SpeechModel) -> Iterator[list[list[int]]]:
    """What the decoder is given at the start of each window; detection sees the start alone."""
    found: list[list[int]] = []

    def note(_: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        rows = kwargs["input_ids"] if "input_ids" in kwargs else args[0]
        if rows.shape[1] > 1:
            found.extend(rows.tolist())

    network: Any = model.model
    handle = network.model.decoder.register_forward_pre_hook(note, with_kwargs=True)
    yield found
    handle.remove()


def _plain(model: SpeechModel, samples: Any, **settings: Any) -> tuple[list[list[int]], str]:
    """Prompts and text of `generate` without any argument about language and task."""
    features = model.processor.feature_extractor(
        samples, sampling_rate=SAMPLING_RATE, return_tensors="pt", return_attention_mask=True,
        **({"truncation": False, "padding": "longest"} if settings else {}),
    )  # fmt: skip
    network: Any = model.model
    with _prompts(model) as prompts, torch.inference_mode():
        ids = network.generate(**features, **settings)
    text = model.processor.tokenizer.decode(ids[0], skip_special_tokens=True)
    return prompts, text.strip()


@pytest.mark.parametrize("preset", PRESETS)
def test_a_short_clip_is_prompted_as_generate_does(preset: str) -> None:
    model, clip = _model(preset), audio(1.9)
    expected, text = _plain(model, clip.samples)
    with _prompts(model) as prompts:
        assert telling(transcribe(model, clip, COLD).text) == text
    assert prompts == expected
    recogniser = Seq2SeqRecogniser(model, COLD)
    with torch.inference_mode():
        [(n_prompt, written)] = recogniser.tokens([clip.samples])
    assert written[:n_prompt] == expected[0]


@pytest.mark.parametrize("preset", PRESETS)
def test_statistics_are_prompted_as_generate_does(preset: str) -> None:
    """A language that is known stands in for the detected one, and for no other."""
    model, clip = _model(preset), audio(1.9)
    [expected], _ = _plain(model, clip.samples)
    ids = {token: i for token, i in model.processor.tokenizer.get_vocab().items() if len(token) < 7}
    for language in (None, "en"):
        heard = Excitation("speech", (clip.samples,), ("a",), (language,) if language else ())
        [prepared] = prepare(model, heard)
        prompt = prepared.arguments["decoder_input_ids"][0, : prepared.n_prompt].tolist()
        detects = presets(model).language is None and preset != "forced, outdated"
        if language and detects:
            assert prompt == [
                ids["<|en|>"] if token in (ids["<|en|>"], ids["<|de|>"], ids["<|fr|>"]) else token
                for token in expected
            ]
        else:
            assert prompt == expected


@pytest.mark.parametrize("preset", PRESETS)
def test_a_long_clip_is_prompted_as_generate_does(preset: str) -> None:
    model, clip = _model(preset, timestamps=0.05), audio(5, seed=5)
    expected, text = _plain(model, clip.samples, return_timestamps=True)
    with _prompts(model) as prompts:
        by_timestamps = transcribe(model, clip, replace(COLD, long_form="timestamps"))
    assert by_timestamps.text == text
    assert prompts == expected
    first, *_ = quiet_windows(clip.samples, WINDOW_SECONDS * SAMPLING_RATE)
    (prompt, *_), _ = _plain(model, clip.samples[first.start : first.stop])
    with _prompts(model) as prompts:
        transcribe(model, clip, replace(COLD, long_form="windows"))
    assert {tuple(row) for row in prompts} == {tuple(prompt)}


def test_what_is_asked_for_replaces_what_is_preset_and_nothing_else() -> None:
    for preset in ("language and task", "forced language and task"):
        model, clip = _model(preset), audio(1.9)
        ids = model.processor.tokenizer.get_vocab()
        for asked, language, task in (
            (replace(COLD, language="german"), "<|de|>", "<|translate|>"),
            (replace(COLD, task="transcribe"), "<|fr|>", "<|transcribe|>"),
        ):
            with _prompts(model) as prompts:
                transcribe(model, clip, asked)
            assert prompts[0][1:3] == [ids[language], ids[task]]


def test_a_task_that_has_no_token_is_refused() -> None:
    model = _model("forced, no list of tasks")
    with pytest.raises(UserError, match="cannot be told a task"):
        transcribe(model, audio(1), replace(COLD, task="translate"))


def test_statistics_of_other_settings_are_others() -> None:
    """The same weights may say other words, so that neither reads what the other left."""
    sound = Excitation("speech", (audio(1).samples,), ("a",), ())
    folders = {statistics_folder(_model(preset), sound) for preset in PRESETS}
    assert len(folders) == len(PRESETS)
