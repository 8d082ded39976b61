"""Audio in, text out, with what it cost: the one entrance to recognition for pages and sweeps."""

import threading
import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Literal, Self

import psutil
import torch

from analysis.errors import UserError
from analysis.models.speech_model import SpeechModel
from analysis.progress import (
    UNWATCHED,
    Progress,
    ShouldCancel,
    Watch,
    never_cancel,
    no_progress,
)
from analysis.speech.audio import SAMPLING_RATE, Audio
from analysis.speech.ctc import CtcRecogniser
from analysis.speech.languages import languages
from analysis.speech.recognition import Recogniser, TranscriptionOptions, Word
from analysis.speech.seq2seq import Seq2SeqRecogniser
from analysis.speech.windows import batches

__all__ = [
    "Transcript",
    "TranscriptionOptions",
    "Word",
    "languages",
    "transcribe",
    "transcribe_batch",
]

MemoryKind = Literal["process", "cuda", "none"]

_WARM_UP_SAMPLES = 2 * SAMPLING_RATE
_MEMORY_SAMPLE_SECONDS = 0.02

# Networks that have run before. Weak, so that a discarded variant can be freed.
_warm: weakref.WeakSet[torch.nn.Module] = weakref.WeakSet()


@dataclass(frozen=True, slots=True)
class Transcript:
    """What a model made of a clip, and what it cost.

    Parameters
    ----------
    audio, model : str
        Names, for people.
    text : str
        As the model wrote it, without white space around it.
    duration : float
        Seconds of audio.
    processing_time : float
        Seconds from samples to text, warm-up and waiting for the model left out. In a batch, the
        clip's share by duration.
    real_time_factor : float
        `processing_time` / `duration`; below 1 is faster than speech.
    peak_memory : int or None
        Bytes at the highest point while it ran; of the batch, in a batch.
    memory_kind : {"process", "cuda", "none"}
        What `peak_memory` counts: the resident memory of the whole process, loaded models included
        (CPU), or what PyTorch allocated on the GPU (CUDA). "none" where neither is known.
    n_windows : int
        Pieces in which the model heard the clip.
    notes : tuple of str
        Sentences that belong beside the text.
    words : tuple of Word
        The words of the text with their times; empty unless `word_times` was asked for.
    """

    audio: str
    model: str
    text: str
    duration: float
    processing_time: float
    real_time_factor: float
    peak_memory: int | None
    memory_kind: MemoryKind
    n_windows: int
    notes: tuple[str, ...]
    words: tuple[Word, ...] = ()


def transcribe(
    model: SpeechModel,
    audio: Audio,
    options: TranscriptionOptions | None = None,
    *,
    watch: Watch = UNWATCHED,
) -> Transcript:
    """Transcribe one clip of any length.

    Waits for the model while another thread uses it. Decodes as the checkpoint's own generation
    config says, so the text is that of a bare `transformers` pipeline with the same number of
    beams.

    Parameters
    ----------
    model : SpeechModel
    audio : Audio
    options : TranscriptionOptions, optional
    watch : Watch
        Long audio reports its windows; cancelling works between windows, with Whisper between
        tokens.

    Returns
    -------
    Transcript

    Raises
    ------
    UserError
        Where the model cannot follow the options.
    Cancelled
        Where the person stopped it.
    """
    options = options or TranscriptionOptions()
    recogniser = _recogniser(model, options, watch.should_cancel)
    with model.lock, torch.inference_mode():
        _warm_up(model, options, audio)
        return _timed(recogniser, model, [audio], watch.progress)[0]


def transcribe_batch(
    model: SpeechModel,
    audios: Sequence[Audio],
    options: TranscriptionOptions | None = None,
    *,
    watch: Watch = UNWATCHED,
) -> list[Transcript]:
    """Transcribe many clips, those of like length together; for evaluation.

    The texts are those that `transcribe` gives one by one (greedy decoding; where a beam search
    runs into the length limit, the words before it may differ). CTC models whose text depends on
    padding get batches of equal length only. The model's lock is released between batches.

    Parameters
    ----------
    model : SpeechModel
    audios : sequence of Audio
        Clips beyond the model's window go one by one.
    options : TranscriptionOptions, optional
        `batch_size` limits the clips in a batch.
    watch : Watch
        Reports clips.

    Returns
    -------
    list of Transcript
        In the order of `audios`.

    Raises
    ------
    UserError
        Where the model cannot follow the options.
    Cancelled
        Where the person stopped it.
    """
    options = options or TranscriptionOptions()
    recogniser = _recogniser(model, options, watch.should_cancel)
    lengths = [len(audio.samples) for audio in audios]
    results: dict[int, Transcript] = {}
    for batch in _short_and_long(recogniser, lengths, options.batch_size):
        watch.progress(len(results), len(audios), f"Transcribing clip {len(results) + 1}")
        watch.check()
        clips = [audios[index] for index in batch]
        with model.lock, torch.inference_mode():
            _warm_up(model, options, clips[0])
            transcripts = _timed(recogniser, model, clips, no_progress)
        results.update(zip(batch, transcripts, strict=True))
    watch.progress(len(audios), len(audios), "Transcribed")
    return [results[index] for index in range(len(audios))]


def _recogniser(
    model: SpeechModel, options: TranscriptionOptions, should_cancel: ShouldCancel
) -> Recogniser:
    trained_on = model.processor.feature_extractor.sampling_rate
    if trained_on != SAMPLING_RATE:
        raise UserError(
            f"{model.name} was trained on audio of {trained_on} Hz.",
            f"Choose a checkpoint for {SAMPLING_RATE} Hz, as nearly all are.",
        )
    kind = Seq2SeqRecogniser if model.architecture.decoding == "seq2seq" else CtcRecogniser
    return kind(model, options, should_cancel)


def _short_and_long(
    recogniser: Recogniser, lengths: Sequence[int], batch_size: int
) -> list[list[int]]:
    """Batches of what fits the window, then one by one what does not."""
    short = [index for index, length in enumerate(lengths) if length <= recogniser.longest]
    groups = batches(
        [lengths[index] for index in short],
        batch_size,
        recogniser.batch_samples,
        equal=recogniser.equal_lengths,
    )
    long = [[index] for index, length in enumerate(lengths) if length > recogniser.longest]
    return [[short[position] for position in group] for group in groups] + long


def _warm_up(model: SpeechModel, options: TranscriptionOptions, audio: Audio) -> None:
    """Let a network that never ran build its kernels and buffers outside the measured time."""
    if not options.warm_up or model.model in _warm:
        return
    brief = replace(options, max_new_tokens=2)
    _recogniser(model, brief, never_cancel).recognise([audio.samples[:_WARM_UP_SAMPLES]])
    _warm.add(model.model)


def _timed(
    recogniser: Recogniser, model: SpeechModel, audios: Sequence[Audio], progress: Progress
) -> list[Transcript]:
    """Recognise one batch, or one long clip, and say what it cost."""
    with _PeakMemory(model.device) as memory:
        started = time.perf_counter()
        if len(audios) == 1 and len(audios[0].samples) > recogniser.longest:
            recognised = [recogniser.recognise_long(audios[0].samples, progress)]
        else:
            recognised = recogniser.recognise([audio.samples for audio in audios])
        # No synchronising: text exists only after the last result has left the GPU.
        elapsed = time.perf_counter() - started
    real_time_factor = elapsed / sum(audio.duration for audio in audios)
    together = (f"Timed in a batch of {len(audios)} clips.",) if len(audios) > 1 else ()
    return [
        Transcript(
            audio=audio.name,
            model=model.name,
            text=result.text,
            duration=audio.duration,
            processing_time=real_time_factor * audio.duration,
            real_time_factor=real_time_factor,
            peak_memory=memory.peak,
            memory_kind=memory.kind,
            n_windows=result.n_windows,
            notes=result.notes + together,
            words=tuple(_within(word, audio.duration) for word in result.words),
        )
        for audio, result in zip(audios, recognised, strict=True)
    ]


def _within(word: Word, seconds: float) -> Word:
    """The same word; the last frame of a clip may reach beyond its end."""
    return replace(word, start=min(word.start, seconds), stop=min(word.stop, seconds))


class _PeakMemory:
    """Watches memory inside a `with` block.

    The operating system's own high-water mark cannot be used: it never falls, so that the second
    model of a session would be charged for the first.
    """

    peak: int | None = None
    kind: MemoryKind = "none"

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._done = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        if device.type in ("cpu", "cuda"):
            self.kind = "process" if device.type == "cpu" else "cuda"

    def __enter__(self) -> Self:
        if self.kind == "process":
            self._watcher.start()
        elif self.kind == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.kind == "process":
            self._done.set()
            self._watcher.join()
        elif self.kind == "cuda":
            self.peak = torch.cuda.max_memory_allocated(self._device)

    def _watch(self) -> None:
        process = psutil.Process()
        peak = process.memory_info().rss
        while not self._done.wait(_MEMORY_SAMPLE_SECONDS):
            peak = max(peak, process.memory_info().rss)
        self.peak = max(peak, process.memory_info().rss)
