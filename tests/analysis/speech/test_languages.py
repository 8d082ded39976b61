"""Language and task: asked for, detected, or taken for granted."""

from dataclasses import replace

import pytest

from analysis.speech.audio import SAMPLING_RATE
from analysis.speech.transcription import languages, transcribe
from analysis.speech.windows import quiet_windows
from tests.helpers.talking_models import LANGUAGE_TOKENS, WINDOW_SECONDS, audio, tiny_whisper
from tests.helpers.transcribing import COLD, bare, detected, telling


@pytest.mark.parametrize("language", ["german", "de", "<|de|>", " German "])
@pytest.mark.parametrize("task", ["transcribe", "translate"])
def test_language_and_task_reach_a_multilingual_model(language: str, task: str) -> None:
    model, clip = tiny_whisper(multilingual=True, max_length=30), audio(2)
    asked = {"language": "german", "task": task, "num_beams": 1}
    written = transcribe(model, clip, replace(COLD, language=language, task=task)).text
    assert written == telling(bare(model, clip, generate_kwargs=asked))
    other_language = replace(COLD, language="french", task=task)
    opposite = "translate" if task == "transcribe" else "transcribe"
    other_task = replace(COLD, language=language, task=opposite)
    assert written != transcribe(model, clip, other_language).text
    assert written != transcribe(model, clip, other_task).text


def test_an_open_language_is_detected() -> None:
    model, clip = tiny_whisper(multilingual=True, max_length=30), audio(2)
    texts = {
        language: transcribe(model, clip, replace(COLD, language=language)).text
        for language in (None, *LANGUAGE_TOKENS)
    }
    assert len(set(texts.values())) == 3
    assert texts[None] == texts[detected(model, clip.samples)]


def test_a_long_clip_keeps_the_language_of_its_start() -> None:
    model, clip = tiny_whisper(multilingual=True, max_length=30), audio(9)
    first, *others = (
        detected(model, clip.samples[w.start : w.stop])
        for w in quiet_windows(clip.samples, WINDOW_SECONDS * SAMPLING_RATE)
    )
    assert set(others) - {first}  # else there were nothing to keep
    written = transcribe(model, clip, COLD).text
    assert written == telling(transcribe(model, clip, replace(COLD, language=first)).text)


def test_languages_that_a_model_knows() -> None:
    assert languages(tiny_whisper(multilingual=True)) == ("english", "french", "german")
    assert languages(tiny_whisper()) == ()


def test_an_english_model_takes_english_for_granted() -> None:
    model, clip = tiny_whisper(), audio(1)
    assert (
        transcribe(model, clip, replace(COLD, language="en")).text
        == transcribe(model, clip, COLD).text
    )
