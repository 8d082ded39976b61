"""What a model listens to, with the time of every position and the words that it heard there."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from transformers import WhisperForConditionalGeneration

from analysis.cache import cached
from analysis.clustering.listening import PreparedClip, beginning, prepare, statistics_folder
from analysis.models.speech_model import SpeechModel
from analysis.progress import UNWATCHED, Watch
from analysis.speech.audio import SAMPLING_RATE
from analysis.speech.ctc import samples_per_frame
from analysis.speech.excitation import Excitation
from analysis.speech.recognition import Word
from analysis.speech.word_times import SpelledWord, ctc_words, spelled_words

SECONDS = 300.0
"""Of sound that units are looked at on, at most."""

_COLUMNS = ("clip", "text", "start", "stop", "confidence", "first", "last")


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One clip, and what belongs to each position of a stack on it.

    Parameters
    ----------
    clip : PreparedClip
    words : tuple of Word
        The model's own words, with seconds from the start of the clip.
    frame_seconds : ndarray of float32, (frames,)
        The middle of each encoder frame that counts.
    token_seconds : ndarray of float32, (tokens,)
        When the word is said that the decoder writes at each position, from the last token of the
        prompt on; no entries without a decoder.
    read, written : tuple of str
        Of each of these positions the word that the decoder reads there, "" for the prompt, and
        the word that it writes next, "" for the end.
    """

    clip: PreparedClip
    words: tuple[Word, ...]
    frame_seconds: np.ndarray
    token_seconds: np.ndarray
    read: tuple[str, ...] = ()
    written: tuple[str, ...] = ()

    def seconds(self, stack: str) -> np.ndarray:
        """The time of each position of a stack: float32, (positions,)."""
        return self.frame_seconds if stack == "encoder" else self.token_seconds

    def counted(self, states: torch.Tensor, stack: str) -> torch.Tensor:
        """Of states on this clip, (1, positions, width), those that have a time."""
        if stack == "encoder":
            return states[0, : len(self.frame_seconds)]
        return states[0, self.clip.n_prompt - 1 :]

    def words_within(self, start: float, stop: float) -> tuple[Word, ...]:
        """The words that are at least partly said between two times, in seconds."""
        return tuple(word for word in self.words if word.stop > start and word.start < stop)


@dataclass(frozen=True, slots=True, eq=False)
class Soundtrack:
    """The clips that a model's units are looked at on.

    Parameters
    ----------
    excitation : Excitation
    tracks : tuple of Track
        At least one.
    """

    excitation: Excitation
    tracks: tuple[Track, ...]

    def seconds(self, stack: str) -> np.ndarray:
        """The time of every position within its clip: float32, (positions,)."""
        return np.concatenate([track.seconds(stack) for track in self.tracks])

    def clips(self, stack: str) -> np.ndarray:
        """The clip of every position: int32, (positions,)."""
        counts = [len(track.seconds(stack)) for track in self.tracks]
        return np.repeat(np.arange(len(counts), dtype=np.int32), counts)


def find_soundtrack(
    model: SpeechModel, excitation: Excitation, *, watch: Watch = UNWATCHED
) -> Soundtrack:
    """An excitation with the model's own words; these are kept on disk.

    Parameters
    ----------
    model : SpeechModel
        Waited for while another thread uses it; stays as it is.
    excitation : Excitation
        Its first five minutes are heard.
    watch : Watch
        Reports clips.

    Returns
    -------
    Soundtrack

    Raises
    ------
    Cancelled
    """
    clips = beginning(prepare(model, excitation, watch=watch), SECONDS)

    def make() -> Mapping[str, np.ndarray]:
        rows = []
        for number, clip in enumerate(clips):
            watch.check()
            watch.progress(number, len(clips), "Finding the time of every word")
            rows += [
                (number, w.word.text, w.word.start, w.word.stop, w.word.confidence, w.first, w.last)
                for w in _hear(model, clip)
            ]
        columns = list(zip(*rows, strict=True)) or [()] * len(_COLUMNS)
        kinds = (np.int32, np.str_, np.float32, np.float32, np.float32, np.int32, np.int32)
        return {
            name: np.array(column, kind)
            for name, column, kind in zip(_COLUMNS, columns, kinds, strict=True)
        }

    path = statistics_folder(model, excitation) / "words.npz"
    kept = cached(path, dict.fromkeys(_COLUMNS, (None,)), make, watch)
    spelled: list[list[SpelledWord]] = [[] for _ in clips]
    for number, text, start, stop, sure, first, last in zip(
        *(kept[name].tolist() for name in _COLUMNS), strict=True
    ):
        spelled[number].append(SpelledWord(Word(text, start, stop, sure), first, last))
    tracks = tuple(_track(model, clip, own) for clip, own in zip(clips, spelled, strict=True))
    return Soundtrack(excitation, tracks)


def frame_length(model: SpeechModel) -> float:
    """Samples from one frame of the encoder to the next."""
    if model.architecture.decoding == "ctc":
        return math.prod(model.config.conv_stride)
    window: int = model.processor.feature_extractor.n_samples
    return window / model.config.max_source_positions


def _hear(model: SpeechModel, clip: PreparedClip) -> Sequence[SpelledWord]:
    """The words of a clip; those of a CTC model have no tokens of their own."""
    tokenizer = model.processor.tokenizer
    with model.lock, torch.inference_mode():
        if model.architecture.decoding == "ctc":
            likely, tokens = clip.logits(model.model).float().softmax(dim=-1).max(dim=-1)
            step = samples_per_frame(model) / SAMPLING_RATE
            words = ctc_words(tokenizer, tokens.tolist(), likely.tolist(), step)
            return [SpelledWord(word, -1, -1) for word in words]
        ids = clip.arguments["decoder_input_ids"][0].tolist()
        hop = model.processor.feature_extractor.hop_length
        return spelled_words(
            cast(WhisperForConditionalGeneration, model.model),
            tokenizer,
            clip.arguments[model.model.main_input_name],
            math.ceil(len(clip.samples) / hop),
            ids[: clip.n_prompt],
            ids[clip.n_prompt :],
        )


def _track(model: SpeechModel, clip: PreparedClip, spelled: Sequence[SpelledWord]) -> Track:
    """Give every position its time and its words."""
    step = frame_length(model)
    words = tuple(found.word for found in spelled)
    if model.architecture.decoding == "ctc":
        n_frames = len(clip.samples)
        for kernel, stride in zip(model.config.conv_kernel, model.config.conv_stride, strict=True):
            n_frames = (n_frames - kernel) // stride + 1
        frames = (np.arange(n_frames) + 0.5) * step / SAMPLING_RATE
        return Track(clip, words, frames.astype(np.float32), np.zeros(0, np.float32))
    n_frames = max(1, round(len(clip.samples) / step))  # padding has no sound to be played
    frames = (np.arange(n_frames) + 0.5) * step / SAMPLING_RATE
    n_tokens = clip.arguments["decoder_input_ids"].shape[1]
    own = {place: found.word for found in spelled for place in range(found.first, found.last + 1)}
    places = range(clip.n_prompt - 1, n_tokens)
    seconds: list[float] = []
    for place in places:
        word = own.get(place + 1) or own.get(place)
        before = seconds[-1] if seconds else 0.0
        seconds.append(max(before, (word.start + word.stop) / 2) if word else before)

    def text_at(place: int) -> str:
        return own[place].text if place in own else ""

    return Track(
        clip,
        words,
        frames.astype(np.float32),
        np.array(seconds, np.float32),
        tuple(text_at(place) for place in places),
        tuple(text_at(place + 1) for place in places),
    )
