"""Transcription against bare `transformers`: tiny models with random weights, a real Whisper."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import pipeline

from analysis.errors import Cancelled, UserError
from analysis.models.loading import load
from analysis.models.speech_model import SpeechModel
from analysis.speech.audio import SAMPLING_RATE, Audio, Samples, read_audio
from analysis.speech.recognition import join_texts
from analysis.speech.transcription import (
    TranscriptionOptions,
    languages,
    transcribe,
    transcribe_batch,
)
from analysis.speech.windows import quiet_windows
from tests.helpers.places import TESTBED
from tests.helpers.talking_models import (
    CTC_FAMILIES,
    LANGUAGE_TOKENS,
    WINDOW_SECONDS,
    audio,
    sound,
    tiny_ctc,
    tiny_whisper,
)

COLD = TranscriptionOptions(warm_up=False)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny models gain nothing from a second thread, and wait for it where the machine is busy."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


def bare(model: SpeechModel, clip: Audio, **settings: Any) -> str:
    """What a `transformers` pipeline makes of a clip."""
    recogniser: Any = pipeline(
        "automatic-speech-recognition",
        model=model.model,
        tokenizer=model.processor.tokenizer,
        feature_extractor=model.processor.feature_extractor,
    )
    return recogniser(clip.samples.copy(), **settings)["text"].strip()


def telling(text: str) -> str:
    """Guard: comparing texts shows nothing where the models always write the same letter."""
    assert len(set(text)) >= 4, text
    return text


@contextmanager
def calls_of(module: torch.nn.Module) -> Iterator[list[tuple[int, ...]]]:
    """Shapes of what goes into a module."""
    shapes: list[tuple[int, ...]] = []

    def note(_: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        inputs = [*args, *kwargs.values()]
        shapes.append(tuple(next(x for x in inputs if torch.is_tensor(x)).shape))

    handle = module.register_forward_pre_hook(note, with_kwargs=True)
    yield shapes
    handle.remove()


# --- the same text as a bare pipeline -----------------------------------------------------------


@pytest.mark.parametrize("seconds", [0.5, 1.2, 2.0])
@pytest.mark.parametrize("num_beams", [1, 5])
def test_whisper_writes_what_the_pipeline_writes(seconds: float, num_beams: int) -> None:
    model, clip = tiny_whisper(max_length=30), audio(seconds)
    options = replace(COLD, num_beams=num_beams)
    # The pipeline's own default is 5 beams, a config's that says nothing is 1.
    expected = bare(model, clip, generate_kwargs={} if num_beams == 5 else {"num_beams": 1})
    assert transcribe(model, clip, options).text == telling(expected)
    if num_beams == 1:
        assert transcribe(model, clip, COLD).text == expected


@pytest.mark.parametrize("family", CTC_FAMILIES)
def test_ctc_writes_what_the_pipeline_writes(tmp_path: Path, family: str) -> None:
    model, clip = tiny_ctc(tmp_path, family), audio(3.3)
    assert transcribe(model, clip, COLD).text == telling(bare(model, clip))


def test_no_pass_through_the_model_is_wasted() -> None:
    model, clip = tiny_whisper(max_length=30), audio(1.2)
    network = model.model
    with calls_of(network.model.encoder) as encoder, calls_of(network.model.decoder) as decoder:
        transcribe(model, clip, COLD)
        ours = (len(encoder), len(decoder))
        bare(model, clip, generate_kwargs={"num_beams": 1})
    assert ours == (len(encoder) - ours[0], len(decoder) - ours[1])


def test_options_leave_the_model_as_it_was() -> None:
    model = tiny_whisper(multilingual=True, timestamps=0.05)
    before = model.model.generation_config.to_dict(), model.model.config.to_dict()
    for long_form in ("auto", "timestamps", "windows"):
        for language in (None, "german"):
            options = replace(COLD, long_form=long_form, language=language, max_new_tokens=20)
            transcribe(model, audio(2.5), options)
    assert (model.model.generation_config.to_dict(), model.model.config.to_dict()) == before


# --- language and task --------------------------------------------------------------------------


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


def detected(model: SpeechModel, samples: Samples) -> str:
    features = model.processor.feature_extractor(
        samples, sampling_rate=SAMPLING_RATE, return_tensors="pt"
    )
    network: Any = model.model
    found = network.detect_language(**features).item()
    return next(t for t, i in network.generation_config.lang_to_id.items() if i == found)


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


@pytest.mark.parametrize(
    ("multilingual", "settings", "message", "remedy"),
    [
        (True, {"language": "klingon"}, "klingon", "english, french, german"),
        (True, {"language": "spanish"}, "spanish", "english, french, german"),
        (False, {"language": "german"}, "german", "english"),
        (True, {"task": "summarise"}, "summarise", "translate, transcribe"),
        (False, {"task": "translate"}, "cannot translate", "multilingual"),
    ],
)
def test_what_a_whisper_cannot_do(
    multilingual: bool, settings: dict[str, Any], message: str, remedy: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        transcribe(tiny_whisper(multilingual=multilingual), audio(1), replace(COLD, **settings))
    assert remedy in caught.value.remedy


def test_what_ctc_cannot_do(tmp_path: Path) -> None:
    model = tiny_ctc(tmp_path, "hubert")
    for options in (replace(COLD, language="german"), replace(COLD, task="translate")):
        with pytest.raises(UserError, match="no choice of language or task"):
            transcribe(model, audio(1), options)


@pytest.mark.parametrize(
    "settings",
    [{"long_form": "magic"}, {"num_beams": 0}, {"max_new_tokens": 0}, {"batch_size": -1}],
)
def test_options_without_sense(settings: dict[str, Any]) -> None:
    with pytest.raises(UserError) as caught:
        TranscriptionOptions(**settings)
    assert caught.value.remedy.startswith("Choose")


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


@pytest.mark.parametrize("family", ["hubert", "wav2vec2, layer norm"])
def test_long_ctc_is_what_the_chunked_pipeline_writes(tmp_path: Path, family: str) -> None:
    model, clip = tiny_ctc(tmp_path, family), audio(71.3)
    result = transcribe(model, clip, COLD)
    expected = bare(model, clip, chunk_length_s=30, stride_length_s=5)
    assert result.text == telling(expected)
    assert result.n_windows == 4


@pytest.mark.parametrize("batch_size", [1, 3])
def test_ctc_windows_leave_no_seam(tmp_path: Path, batch_size: int) -> None:
    # Without attention a frame hears nothing that is more than 0.2 s away, so that windows must
    # give what one pass over everything gives.
    model = tiny_ctc(tmp_path, "wav2vec2, layer norm", num_hidden_layers=0, do_normalize=False)
    clip = audio(95.77)
    assert transcribe(model, clip, replace(COLD, batch_size=batch_size)).text == telling(
        bare(model, clip)
    )


def test_texts_are_joined_with_spaces_where_the_script_has_them() -> None:
    assert join_texts([" one", "", "  ", "two "]) == "one two"
    assert join_texts(["これは", "テスト。", "です"]) == "これはテスト。です"
    assert join_texts(["안녕", "하세요"]) == "안녕 하세요"
    assert join_texts(["これは", "ok"]) == "これは ok"
    assert join_texts([]) == ""


# --- models that do not end ---------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "n_tokens"), [(0.5, 34), (1.0, 44), (2.0, 58)])
def test_a_model_that_does_not_end_is_stopped(seconds: float, n_tokens: int) -> None:
    # 24 tokens and 20 a second; at 2 s the 60 positions less a prompt of 2 are fewer.
    result = transcribe(tiny_whisper(end=False), audio(seconds), COLD)
    assert len(result.text) == n_tokens
    assert "did not come to an end" in result.notes[0]


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


# --- batches ------------------------------------------------------------------------------------


def clips_of(*seconds: float) -> list[Audio]:
    return [audio(length, seed) for seed, length in enumerate(seconds)]


@pytest.mark.parametrize("end", [True, False])
def test_whisper_batches_change_no_text(end: bool) -> None:
    model = tiny_whisper(end=end, multilingual=True)
    clips = clips_of(1.9, 0.3, 1.1, 5.0, 1.1, 0.7, 2.0)
    with calls_of(model.model.model.encoder) as shapes:
        together = transcribe_batch(model, clips, replace(COLD, batch_size=4))
    assert max(shape[0] for shape in shapes) == 4
    alone = [transcribe(model, clip, COLD) for clip in clips]
    assert [result.text for result in together] == [result.text for result in alone]
    assert [result.audio for result in together] == [clip.name for clip in clips]
    assert len({result.text for result in alone}) == len(clips)


@pytest.mark.parametrize("family", CTC_FAMILIES)
def test_ctc_batches_change_no_text(tmp_path: Path, family: str) -> None:
    model = tiny_ctc(tmp_path, family)
    clips = clips_of(3.0, 1.0, 2.2, 1.0, 0.13, 31.0)
    with calls_of(model.model) as shapes:
        together = transcribe_batch(model, clips, COLD)
    padded = any(shape[0] == 5 for shape in shapes)
    assert padded == (family == "wav2vec2, layer norm")
    # The two clips of one second may always go together.
    assert padded or sorted(shape[0] for shape in shapes) == [1, 1, 1, 1, 1, 2]
    alone = [transcribe(model, clip, COLD).text for clip in clips]
    assert [result.text for result in together] == alone
    telling(alone[0])


def test_time_is_shared_out_by_duration() -> None:
    clips = clips_of(0.5, 1.5)
    results = transcribe_batch(tiny_whisper(), clips, COLD)
    assert results[0].real_time_factor == results[1].real_time_factor
    for result, clip in zip(results, clips, strict=True):
        assert result.duration == clip.duration
        assert result.processing_time == pytest.approx(result.real_time_factor * clip.duration)
    assert results[0].notes[-1] == "Timed in a batch of 2 clips."


def test_an_empty_batch() -> None:
    assert transcribe_batch(tiny_whisper(), []) == []


# --- cost, progress, threads --------------------------------------------------------------------


def test_the_warm_up_is_short_and_comes_once() -> None:
    model, clip = tiny_whisper(), audio(20)
    with calls_of(model.model.model.encoder) as shapes:
        transcribe(model, clip, COLD)
        cold = len(shapes)
        transcribe(model, clip)
        assert len(shapes) == 2 * cold + 1  # one window, not all ten again
        transcribe(model, clip)
        transcribe_batch(model, [clip])
        assert len(shapes) == 4 * cold + 1


def test_each_network_is_warmed_and_none_is_kept_alive() -> None:
    clip = audio(1)
    for _ in range(2):
        model = tiny_whisper()
        with calls_of(model.model.model.encoder) as shapes:
            transcribe(model, clip)
        assert len(shapes) == 2


def test_processing_time_is_the_time_it_takes() -> None:
    model, clip = tiny_whisper(), audio(1)
    handle = model.model.model.encoder.register_forward_pre_hook(lambda *_: time.sleep(0.3))
    started = time.perf_counter()
    result = transcribe(model, clip)  # 0.3 s of warm-up do not count
    elapsed = time.perf_counter() - started
    handle.remove()
    assert 0.3 <= result.processing_time <= elapsed - 0.3
    assert result.real_time_factor == pytest.approx(result.processing_time / clip.duration)


def test_peak_memory_sees_what_is_freed_before_the_end() -> None:
    model = tiny_whisper()

    def use_memory(*_: object) -> None:
        block = np.ones(200_000_000 // 8)
        time.sleep(0.1)
        del block

    quiet = transcribe(model, audio(1))
    handle = model.model.model.encoder.register_forward_pre_hook(use_memory)
    loud = transcribe(model, audio(1))
    handle.remove()
    after = transcribe(model, audio(1))
    assert quiet.memory_kind == "process"
    peaks = [result.peak_memory or 0 for result in (quiet, loud, after)]
    assert peaks[1] - peaks[0] > 150_000_000
    assert peaks[1] - peaks[2] > 150_000_000  # not a mark that never falls


@pytest.mark.parametrize("long_form", ["windows", "timestamps"])
def test_long_clips_report_progress(long_form: Any) -> None:
    heard: list[tuple[int, int, str]] = []
    options = TranscriptionOptions(long_form=long_form, batch_size=2)
    transcribe(
        tiny_whisper(timestamps=0.05), audio(9), options, progress=lambda *step: heard.append(step)
    )
    done = [step[0] for step in heard]
    assert done == sorted(done)
    assert done[0] == 0
    assert len(heard) >= 4
    assert all(step[0] <= step[1] and step[2].startswith("Transcrib") for step in heard)


def test_batches_report_progress(tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    transcribe_batch(
        tiny_ctc(tmp_path, "hubert"),
        clips_of(1.0, 1.1, 1.2),
        progress=lambda done, total, _: heard.append((done, total)),
    )
    assert heard == [(0, 3), (1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("seconds", [1.0, 9.0])
def test_whisper_can_be_cancelled_between_tokens(seconds: float) -> None:
    model, clip = tiny_whisper(timestamps=0.05), audio(seconds)
    expected = transcribe(model, clip).text
    polls = iter([False] * 5)
    with calls_of(model.model.model.decoder) as shapes, pytest.raises(Cancelled):
        transcribe(model, clip, should_cancel=lambda: next(polls, True))
    assert 1 <= len(shapes) <= 8
    assert not model.lock.locked()
    assert transcribe(model, clip, should_cancel=lambda: False).text == expected


def test_ctc_and_batches_can_be_cancelled(tmp_path: Path) -> None:
    model = tiny_ctc(tmp_path, "hubert")
    for run in (
        lambda stop: transcribe(model, audio(71), replace(COLD, batch_size=1), should_cancel=stop),
        lambda stop: transcribe_batch(model, clips_of(1.0, 1.1, 1.2), COLD, should_cancel=stop),
    ):
        polls = iter([False] * 2)
        with calls_of(model.model) as shapes, pytest.raises(Cancelled):
            run(lambda polls=polls: next(polls, True))
        assert len(shapes) == 2
        assert not model.lock.locked()


def test_one_thread_at_a_time() -> None:
    model, results = tiny_whisper(), []
    with model.lock:
        thread = threading.Thread(target=lambda: results.append(transcribe(model, audio(1))))
        thread.start()
        thread.join(timeout=0.5)
        assert thread.is_alive()
    thread.join(timeout=30)
    assert results[0].processing_time < 0.5  # waiting is not counted


def test_a_sampling_rate_that_is_not_ours(tmp_path: Path) -> None:
    model = tiny_ctc(tmp_path, "hubert")
    model.processor.feature_extractor.sampling_rate = 8000
    with pytest.raises(UserError, match="8000 Hz"):
        transcribe(model, audio(1))


# --- a real Whisper -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def testbed_whisper() -> SpeechModel:
    if not TESTBED.is_dir():
        pytest.skip("the testbed with real speech is not beside this checkout")
    return load(str(TESTBED / "whisper-tiny-en"), dtype="float32")


@pytest.fixture(scope="module")
def speech(testbed_whisper: SpeechModel) -> list[Audio]:
    names = ("1272-128104-0000.flac", "LJ002-0020.wav", "goforward.wav")
    return [read_audio(TESTBED / "clips" / name) for name in names]


def test_real_speech_reads_as_in_the_pipeline(
    testbed_whisper: SpeechModel, speech: list[Audio]
) -> None:
    together = transcribe_batch(testbed_whisper, speech)
    for clip, result in zip(speech, together, strict=True):
        expected = bare(testbed_whisper, clip, generate_kwargs={"num_beams": 1})
        assert transcribe(testbed_whisper, clip).text == telling(expected)
        assert result.text == expected


def test_real_long_speech_is_windowed_by_its_own_judgement(
    testbed_whisper: SpeechModel, speech: list[Audio]
) -> None:
    names = ("2412-153948-0000.flac", "84-121550-0000.flac")
    clips = [speech[0], *(read_audio(TESTBED / "clips" / name) for name in names)]
    samples = np.concatenate([clip.samples for clip in clips])
    result = transcribe(testbed_whisper, Audio("long", samples, SAMPLING_RATE, 1))
    assert samples.size > 25 * SAMPLING_RATE
    text = result.text.lower()
    for phrase in ("middle classes", "leave my native country", "ever bore a burden"):
        assert phrase in text
