"""How far a changed model's words are from the original's: KL divergence, teacher-forced."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from transformers import PreTrainedModel

from analysis.cache import cached
from analysis.clustering.listening import PreparedClip, prepare, statistics_folder
from analysis.models.speech_model import SpeechModel
from analysis.progress import UNWATCHED, Watch
from analysis.speech.excitation import Excitation, check_excitation
from analysis.speech.languages import language_codes

CHECK_SECONDS = 75.0
"""Of the voices to check on: enough to tell one model from another."""


def check_clips(model: SpeechModel, *, watch: Watch = UNWATCHED) -> list[PreparedClip]:
    """Speech by voices that no fit heard, with the words that the model itself writes for it.

    Raises
    ------
    UserError
        When the speech to check on is not installed.
    Cancelled
    """
    return prepare(model, check_voices(model), halved=False, watch=watch)


def check_voices(model: SpeechModel) -> Excitation:
    """The speech of `check_clips`, in the languages that the model knows.

    Raises
    ------
    UserError
        When it is not installed.
    """
    return check_excitation(language_codes(model), seconds=CHECK_SECONDS)


def expected_words(
    model: SpeechModel, clips: Sequence[PreparedClip], *, watch: Watch = UNWATCHED
) -> list[torch.Tensor]:
    """What a model itself expects on the voices to check on, from disk where it was asked before.

    Parameters
    ----------
    model : SpeechModel
    clips : sequence of PreparedClip
        All that `check_clips` gave for it.
    watch : Watch

    Returns
    -------
    list of Tensor of float32, (words or frames, vocabulary)
        See `log_probabilities`.

    Raises
    ------
    Cancelled
    """
    shapes = {str(number): (None, None) for number in range(len(clips))}

    def make() -> Mapping[str, np.ndarray]:
        logs = log_probabilities(model, model.model, clips)
        return {name: own.cpu().numpy() for name, own in zip(shapes, logs, strict=True)}

    path = statistics_folder(model, check_voices(model)) / "expected.npz"
    kept = cached(path, shapes, make, watch)
    return [torch.from_numpy(kept[name]).to(model.device) for name in shapes]


def log_probabilities(
    model: SpeechModel, module: PreTrainedModel, clips: Sequence[PreparedClip]
) -> list[torch.Tensor]:
    """What a model expects at every word of every clip, or at every CTC frame.

    Parameters
    ----------
    model : SpeechModel
        Its lock is taken for each clip.
    module : PreTrainedModel
        Its own modules, or a changed copy of them.
    clips : sequence of PreparedClip

    Returns
    -------
    list of Tensor of float32, (words or frames, vocabulary)
        Natural logarithms.
    """
    found = []
    for clip in clips:
        with model.lock, torch.inference_mode():
            found.append(clip.logits(module).float().log_softmax(dim=-1))
    return found


def divergence(
    model: SpeechModel,
    module: PreTrainedModel,
    clips: Sequence[PreparedClip],
    original: Sequence[torch.Tensor],
) -> float:
    """KL divergence of a changed model's words from the original's, given the original's words.

    Parameters
    ----------
    model : SpeechModel
        The original; its lock is taken for each clip.
    module : PreTrainedModel
        The changed modules.
    clips : sequence of PreparedClip
    original : sequence of Tensor
        What `log_probabilities` gave for the original on these clips.

    Returns
    -------
    float
        Σ p·(log p - log q), nats per word or CTC frame; 0 for the original itself.
    """
    total, count = 0.0, 0
    for clip, logs in zip(clips, original, strict=True):
        [changed] = log_probabilities(model, module, [clip])
        with torch.inference_mode():  # in place: a vocabulary is wide
            moved = changed.neg_().add_(logs).mul_(logs.exp())
            total += float(moved.sum(dtype=torch.float64))
        count += len(logs)
    return max(0.0, total / max(1, count))
