"""The clips of an excitation as a model takes them, so that hooks can watch its units at work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from analysis.cache import cache_folder, cached
from analysis.models.modules import share_modules
from analysis.models.speech_model import SpeechModel
from analysis.progress import (
    UNWATCHED,
    Watch,
)
from analysis.speech.audio import SAMPLING_RATE
from analysis.speech.excitation import Excitation
from analysis.speech.recognition import TranscriptionOptions
from analysis.speech.seq2seq import Seq2SeqRecogniser

_PADDING_SECONDS = 1.0  # of the silence behind a clip: Whisper pads, and that is where it ends


class Stop(Exception):
    """Ends a forward pass where nothing behind is asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class PreparedClip:
    """One clip as a model takes it.

    Parameters
    ----------
    arguments : mapping
        Of the forward pass.
    n_frames : int or None
        Encoder frames that count; None for all of them.
    """

    arguments: Mapping[str, Any]
    n_frames: int | None

    def run(self, module: PreTrainedModel) -> None:
        """One forward pass, until a hook stops it."""
        with torch.inference_mode():
            try:
                module(**self.arguments)
            except Stop:
                return

    def counted(self, states: torch.Tensor, stack: str) -> torch.Tensor:
        """Of states of a stack on this clip, (1, positions, width), those that count."""
        return states[0, : self.n_frames] if stack == "encoder" else states[0]


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
    ) -> None:
        """Play clips, each reported with the note.

        Raises
        ------
        Cancelled
        """
        for done, clip in enumerate(clips):
            watch.check()
            watch.progress(done, len(clips), note)
            self.clip = clip
            with self._lock:
                clip.run(self.module)
        watch.progress(len(clips), len(clips), note)


def prepare(
    model: SpeechModel,
    excitation: Excitation,
    *,
    watch: Watch = UNWATCHED,
) -> list[PreparedClip]:
    """Turn clips into arguments; a decoder is given what the model itself writes, greedily.

    What it writes is kept on disk. Clips are not joined to fill a window: small models lose the
    thread where several voices follow each other, and the decoder's statistics with it.

    Raises
    ------
    Cancelled
    """
    extractor = model.processor.feature_extractor
    recogniser = None
    written: Mapping[str, np.ndarray] = {}
    if model.architecture.decoding == "seq2seq":
        recogniser = Seq2SeqRecogniser(
            model, TranscriptionOptions(num_beams=1), watch.should_cancel
        )
        written = _written(model, recogniser, excitation, watch)
    prepared = []
    for done, clip in enumerate(excitation.clips):
        watch.check()
        watch.progress(done, len(excitation.clips), "Preparing what the model listens to")
        inputs = extractor(clip, sampling_rate=SAMPLING_RATE, return_tensors="pt")
        name = model.model.main_input_name
        arguments: dict[str, Any] = {name: inputs[name].to(device=model.device, dtype=model.dtype)}
        n_frames = None
        if recogniser is not None:
            samples = clip[: recogniser.longest]
            tokens = torch.from_numpy(written[str(done)]).to(model.device)
            arguments["decoder_input_ids"] = tokens[None]
            arguments["use_cache"] = False
            per_frame = extractor.n_samples / model.config.max_source_positions
            n_frames = round((len(samples) + _PADDING_SECONDS * SAMPLING_RATE) / per_frame)
        prepared.append(PreparedClip(arguments, n_frames))
    return prepared


def _written(
    model: SpeechModel,
    recogniser: Seq2SeqRecogniser,
    excitation: Excitation,
    watch: Watch,
) -> Mapping[str, np.ndarray]:
    """The tokens that the model itself writes on every clip, by the clip's number."""
    numbers = [str(number) for number in range(len(excitation.clips))]

    def make() -> Mapping[str, np.ndarray]:
        tokens: dict[str, np.ndarray] = {}
        for number, clip in zip(numbers, excitation.clips, strict=True):
            watch.check()
            watch.progress(len(tokens), len(numbers), "Writing down what the model hears")
            with model.lock, torch.inference_mode():
                tokens[number] = np.array(recogniser.tokens(clip[: recogniser.longest]))
        return tokens

    path = statistics_folder(model, excitation) / "tokens.npz"
    return cached(path, dict.fromkeys(numbers, (None,)), make)


def statistics_folder(model: SpeechModel, excitation: Excitation) -> Path:
    """Where what a model does on an excitation is kept."""
    dtype = str(model.dtype).removeprefix("torch.")
    return cache_folder("contributions") / model.weight_hash / dtype / excitation.identity
