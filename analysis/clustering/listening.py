"""The clips of an excitation as a model takes them, so that hooks can watch its units at work."""

import glob
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from transformers import PreTrainedModel

from analysis.cache import cache_folder, cached
from analysis.models.modules import share_modules
from analysis.models.speech_model import SpeechModel
from analysis.progress import UNWATCHED, Watch
from analysis.speech.audio import SAMPLING_RATE, Samples
from analysis.speech.excitation import Excitation
from analysis.speech.languages import language_tokens
from analysis.speech.recognition import TranscriptionOptions, configuration
from analysis.speech.seq2seq import Seq2SeqRecogniser
from analysis.speech.windows import quiet_windows

SHARED_FROM = 20.0
"""Seconds of a window that several clips may share."""

MOST_BATCH = 16
"""Windows whose words are written together, where memory holds them."""

_PADDING_SECONDS = 1.0  # of the silence behind a clip: Whisper pads, and that is where it ends
_GAP_SECONDS = 0.4  # between clips that share a window
_TOKENS_PER_SECOND = 8  # far more than are spoken: what goes beyond is a loop, and is cut
_TOKENS_AT_LEAST = 24
_MOST_BATCH_BYTES = 2 << 30  # of the states that a decoder looks back at, for all of them
_REVISION = "5"  # of how clips are laid out and measured; older results are not read


class Spoken(Protocol):
    """Sound, and the code of the language that is spoken; None where that is unknown."""

    @property
    def samples(self) -> Samples:
        """Mono at 16 kHz: float32, (n,)."""

    @property
    def language(self) -> str | None:
        """A code such as "en"."""


class Stop(Exception):
    """Ends a forward pass where nothing behind is asked for."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a clip of the excitation within a window.

    Parameters
    ----------
    start : int
        Its first sample in the window.
    clip : int
        Number of the clip.
    offset : int
        The same sample in the clip.
    """

    start: int
    clip: int
    offset: int


@dataclass(frozen=True, slots=True, eq=False)
class PreparedClip:
    """One clip as a model takes it.

    Parameters
    ----------
    arguments : mapping
        Of the forward pass.
    n_frames : int or None
        Encoder frames that count; None for all of them.
    n_prompt : int
        Tokens that the decoder is given before its first word; 0 where there is no decoder.
    seconds : float
        Of sound.
    half : int
        0 or 1: clips of one voice are all in the same half.
    samples : ndarray of float32, (n,)
        The sound itself.
    language : str or None
        Code of what is spoken; None where that is unknown.
    pieces : tuple of Piece
        What it is made of, in its order.
    """

    arguments: Mapping[str, Any]
    n_frames: int | None
    n_prompt: int
    seconds: float
    half: int
    samples: Samples
    language: str | None = None
    pieces: tuple[Piece, ...] = ()

    def origin(self, seconds: float) -> tuple[int, float]:
        """The clip of the excitation that sounds at a time, and the time within it, in seconds."""
        at = max(0, round(seconds * SAMPLING_RATE))
        piece = max((one for one in self.pieces if one.start <= at), key=lambda one: one.start)
        return piece.clip, (at - piece.start + piece.offset) / SAMPLING_RATE

    def run(self, module: PreTrainedModel) -> None:
        """One forward pass, until a hook stops it."""
        with torch.inference_mode():
            try:
                module(**self.arguments)
            except Stop:
                return

    def logits(self, module: PreTrainedModel) -> torch.Tensor:
        """Scores of every word of the decoder, or of every frame: (positions, vocabulary)."""
        found: torch.Tensor = module(**self.arguments).logits[0]
        return found[max(0, self.n_prompt - 1) :]

    def counted(self, states: torch.Tensor, stack: str) -> torch.Tensor:
        """Of states of a stack on this clip, (1, positions, width), those that count."""
        return states[0, : self.n_frames] if stack == "encoder" else states[0]


def beginning(clips: Sequence[PreparedClip], seconds: float) -> list[PreparedClip]:
    """The first clips that hold so many seconds of sound, or all where they hold less."""
    ends = np.cumsum([clip.seconds for clip in clips])
    return list(clips[: 1 + int(np.searchsorted(ends, seconds))])


class Listener:
    """Plays clips to a copy of a model's modules, for whose hooks `clip` is the one that is played.

    Parameters
    ----------
    model : SpeechModel
        Its lock is taken for each clip; the copy holds the same tensors.
    """

    clip: PreparedClip

    def __init__(self, model: SpeechModel) -> None:
        self.module = share_modules(model.model)
        self._lock = model.lock

    def play(
        self,
        clips: Sequence[PreparedClip],
        note: str,
        watch: Watch,
        through: Callable[[PreparedClip, PreTrainedModel], None] = PreparedClip.run,
    ) -> None:
        """Play clips, each reported with the note; `through` is how one is played.

        Raises
        ------
        Cancelled
        """
        for done, clip in enumerate(clips):
            watch.check()
            watch.progress(done, len(clips), note)
            self.clip = clip
            with self._lock:
                through(clip, self.module)
        watch.progress(len(clips), len(clips), note)


@dataclass(frozen=True, slots=True, eq=False)
class _Window:
    """What goes through a model in one piece: one clip, several, or a part of one."""

    samples: Samples
    language: str | None
    half: int
    pieces: tuple[Piece, ...]


def prepare(
    model: SpeechModel,
    excitation: Excitation,
    *,
    halved: bool = True,
    watch: Watch = UNWATCHED,
) -> list[PreparedClip]:
    """Turn clips into arguments; a decoder is given what the model itself writes, greedily.

    What it writes is kept on disk. Where a model's window is long, clips share it, since a window
    costs the same however full it is; small models lose the thread where several voices follow
    each other, so a short window holds one clip or a part of one.

    Parameters
    ----------
    model : SpeechModel
    excitation : Excitation
    halved : bool
        Whether the voices fall into two halves, to fit to one and try on the other.
    watch : Watch

    Raises
    ------
    Cancelled
    """
    extractor = model.processor.feature_extractor
    name = model.model.main_input_name
    if model.architecture.decoding != "seq2seq":
        prepared = []
        for window in _windows(excitation, None, halved=halved):
            inputs = extractor(window.samples, sampling_rate=SAMPLING_RATE, return_tensors="pt").to(
                device=model.device, dtype=model.dtype
            )
            seconds = len(window.samples) / SAMPLING_RATE
            prepared.append(
                PreparedClip(
                    {name: inputs[name]},
                    None,
                    0,
                    seconds,
                    window.half,
                    window.samples,
                    pieces=window.pieces,
                )
            )
        return prepared
    windows = _windows(excitation, extractor.n_samples, halved=halved)
    per_frame = extractor.n_samples / model.config.max_source_positions
    prepared = []
    written = _written(model, windows, excitation, watch)
    for window, tokens in zip(windows, written, strict=True):
        watch.check()
        inputs = extractor(window.samples, sampling_rate=SAMPLING_RATE, return_tensors="pt")
        heard = len(window.samples) + _PADDING_SECONDS * SAMPLING_RATE
        arguments = {
            name: inputs[name].to(device=model.device, dtype=model.dtype),
            "decoder_input_ids": torch.from_numpy(tokens[1:]).to(model.device)[None],
            "use_cache": False,
        }
        n_frames = min(model.config.max_source_positions, round(heard / per_frame))
        seconds = len(window.samples) / SAMPLING_RATE
        prepared.append(
            PreparedClip(
                arguments,
                n_frames,
                int(tokens[0]),
                seconds,
                window.half,
                window.samples,
                window.language,
                window.pieces,
            )
        )
    return prepared


def _windows(excitation: Excitation, longest: int | None, *, halved: bool) -> list[_Window]:
    """Lay out the clips in windows of at most `longest` samples; None: each clip is a window."""
    clips = excitation.clips
    voices = excitation.voices or tuple(str(number) for number in range(len(clips)))
    languages: Sequence[str | None] = excitation.languages or [None] * len(clips)
    turn = {voice: i % 2 if halved else 0 for i, voice in enumerate(dict.fromkeys(voices))}
    kinds = [(language, turn[voice]) for language, voice in zip(languages, voices, strict=True)]
    if longest is None:
        return [
            _Window(clip, *kind, (Piece(0, number, 0),))
            for number, (clip, kind) in enumerate(zip(clips, kinds, strict=True))
        ]
    shares = longest >= SHARED_FROM * SAMPLING_RATE
    room = longest - round(_PADDING_SECONDS * SAMPLING_RATE) if shares else longest
    gap = np.zeros(round(_GAP_SECONDS * SAMPLING_RATE), np.float32)
    laid: list[tuple[list[Samples], tuple[str | None, int], list[Piece]]] = []
    for number, (clip, kind) in enumerate(zip(clips, kinds, strict=True)):
        for cut in quiet_windows(clip, room):
            part = clip[cut.start : cut.stop]
            for parts, own, pieces in laid if shares else ():
                held = sum(len(one) for one in parts)
                if own == kind and held + len(gap) + len(part) <= room:
                    parts += [gap, part]
                    pieces.append(Piece(held + len(gap), number, cut.start))
                    break
            else:
                laid.append(([part], kind, [Piece(0, number, cut.start)]))
    return [_Window(np.concatenate(parts), *kind, tuple(pieces)) for parts, kind, pieces in laid]


def _written(
    model: SpeechModel,
    windows: Sequence[_Window],
    excitation: Excitation,
    watch: Watch,
) -> list[np.ndarray]:
    """For every window the length of the prompt, then the prompt and what the model writes."""
    names = [str(number) for number in range(len(windows))]

    def make() -> Mapping[str, np.ndarray]:
        rows = write_down(model, windows, watch=watch)
        return {
            name: np.array([n_prompt, *row])
            for name, (n_prompt, row) in zip(names, rows, strict=True)
        }

    path = statistics_folder(model, excitation) / "tokens.npz"
    kept = cached(path, dict.fromkeys(names, (None,)), make, watch)
    return [kept[name] for name in names]


def write_down(
    model: SpeechModel,
    windows: Sequence[Spoken],
    *,
    whole: bool = False,
    watch: Watch = UNWATCHED,
) -> list[tuple[int, list[int]]]:
    """What an encoder-decoder writes by itself, greedily, for each window.

    Parameters
    ----------
    model : SpeechModel
        Its lock is taken for each batch.
    windows : sequence of Spoken
        None longer than the model's window; a language that the model does not know is detected.
        They may have been prepared for another model of the same family.
    whole : bool
        See `analysis.speech.seq2seq.Seq2SeqRecogniser.tokens`.
    watch : Watch
        Reports windows.

    Returns
    -------
    list of tuple of int and list of int
        Of each window the length of the prompt, and the token ids of the prompt and the words.

    Raises
    ------
    Cancelled
    """
    size = _batch_size(model)
    written: dict[int, tuple[int, list[int]]] = {}
    for language in dict.fromkeys(window.language for window in windows):
        chosen = [i for i, window in enumerate(windows) if window.language == language]
        for start in range(0, len(chosen), size):
            watch.check()
            watch.progress(len(written), len(windows), "Writing down what the model hears")
            batch = chosen[start : start + size]
            clips = [windows[i].samples for i in batch]
            rows = _write_batch(model, clips, language, whole, watch)
            written.update(zip(batch, rows, strict=True))
    return [written[number] for number in range(len(windows))]


def _batch_size(model: SpeechModel) -> int:
    """Windows whose words are written together."""
    config = model.config
    looked_at = 2 * config.decoder_layers * config.max_source_positions * config.hidden_size
    return max(1, min(MOST_BATCH, _MOST_BATCH_BYTES // (looked_at * model.dtype.itemsize)))


def _write_batch(
    model: SpeechModel, clips: Sequence[Samples], language: str | None, whole: bool, watch: Watch
) -> list[tuple[int, list[int]]]:
    """As `write_down`, of clips in one language that lie in memory together."""
    longest = max(len(clip) for clip in clips) / SAMPLING_RATE
    token = f"<|{language}|>"
    known = token if token in language_tokens(model) else None
    options = TranscriptionOptions(
        num_beams=1,
        max_new_tokens=_TOKENS_AT_LEAST + round(_TOKENS_PER_SECOND * longest),
    )
    recogniser = Seq2SeqRecogniser(model, options, watch.should_cancel, known)
    with model.lock, torch.inference_mode():
        return recogniser.tokens(clips, whole=whole)


def statistics_folder(model: SpeechModel, excitation: Excitation) -> Path:
    """Where what a model does on an excitation is kept."""
    dtype = str(model.dtype).removeprefix("torch.")
    folder = cache_folder("contributions") / _REVISION / model.cache_name / dtype
    return folder / heard_identity(model, excitation)


def forget_sound(identity: str) -> None:
    """Delete what all models made of a sound: their words for it, and what was measured on it.

    Parameters
    ----------
    identity : str
        Of the excitation.
    """
    for folder in cache_folder("contributions").glob(f"*/*/*/{glob.escape(identity)}-*"):
        shutil.rmtree(folder, ignore_errors=True)


def heard_identity(model: SpeechModel, excitation: Excitation) -> str:
    """What a model makes of an excitation, beside its weights: the sound, and how it decodes."""
    return f"{excitation.identity}-{configuration(model)[:16]}"
