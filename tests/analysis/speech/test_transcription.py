"""Transcription against bare `transformers`: tiny models with random weights, a real Whisper."""

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.errors import Cancelled, UserError
from analysis.models.loading import load
from analysis.models.speech_model import SpeechModel
from analysis.progress import Watch
from analysis.speech.audio import SAMPLING_RATE, Audio, read_audio
from analysis.speech.transcription import TranscriptionOptions, transcribe, transcribe_batch
from tests.helpers.places import TESTBED
from tests.helpers.talking_models import CTC_FAMILIES, audio, tiny_ctc, tiny_whisper
from tests.helpers.transcribing import COLD, bare, calls_of, clips_of, telling

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


# --- batches ------------------------------------------------------------------------------------


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
        tiny_whisper(timestamps=0.05),
        audio(9),
        options,
        watch=Watch(lambda *step: heard.append(step)),
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
        watch=Watch(lambda done, total, _: heard.append((done, total))),
    )
    assert heard == [(0, 3), (1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("seconds", [1.0, 9.0])
def test_whisper_can_be_cancelled_between_tokens(seconds: float) -> None:
    model, clip = tiny_whisper(timestamps=0.05), audio(seconds)
    expected = transcribe(model, clip).text
    polls = iter([False] * 5)
    with calls_of(model.model.model.decoder) as shapes, pytest.raises(Cancelled):
        transcribe(model, clip, watch=Watch(should_cancel=lambda: next(polls, True)))
    assert 1 <= len(shapes) <= 8
    assert not model.lock.locked()
    assert transcribe(model, clip, watch=Watch(should_cancel=lambda: False)).text == expected


def test_ctc_and_batches_can_be_cancelled(tmp_path: Path) -> None:
    model = tiny_ctc(tmp_path, "hubert")
    for run in (
        lambda stop: transcribe(
            model, audio(71), replace(COLD, batch_size=1), watch=Watch(should_cancel=stop)
        ),
        lambda stop: transcribe_batch(
            model, clips_of(1.0, 1.1, 1.2), COLD, watch=Watch(should_cancel=stop)
        ),
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


@pytest.mark.slow
def test_real_speech_reads_as_in_the_pipeline(
    testbed_whisper: SpeechModel, speech: list[Audio]
) -> None:
    together = transcribe_batch(testbed_whisper, speech)
    for clip, result in zip(speech, together, strict=True):
        expected = bare(testbed_whisper, clip, generate_kwargs={"num_beams": 1})
        assert transcribe(testbed_whisper, clip).text == telling(expected)
        assert result.text == expected


@pytest.mark.slow
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
