"""How long a training run takes, told before it starts."""

from analysis.compression.effort import training_seconds, transcription_seconds
from analysis.models.footprint import Footprint
from analysis.models.speech_model import SpeechModel
from analysis.plan.training_settings import HELD_BACK
from analysis.speech.excitation import check_seconds
from analysis.speech.languages import language_codes
from analysis.training.own_words import foreseen_pieces

_START_SECONDS = 10.0  # of a process, until it has the model


def foresee_training(
    model: SpeechModel,
    cost: Footprint,
    n_clips: int,
    sound: float,
    *,
    epochs: int,
    taught: bool,
) -> float:
    """Foreseen seconds of a run on data, the validation after each epoch included.

    Parameters
    ----------
    model : SpeechModel
    cost : Footprint
        Of the model.
    n_clips : int
        Of the data; one in `HELD_BACK` is for the validation.
    sound : float
        Seconds of all clips together.
    epochs : int
    taught : bool
        Whether the original teaches, too.
    """
    validated = max(1, n_clips // HELD_BACK) / n_clips
    learned = 1 - validated
    once = training_seconds(model, cost, learned * n_clips, learned * sound, taught=taught)
    once += transcription_seconds(model, cost, validated * sound)
    return _START_SECONDS + epochs * once


def foresee_without_data(
    model: SpeechModel, cost: Footprint, *, epochs: int, limit: int | None = None
) -> float:
    """Foreseen seconds of a run without data; what the original wrote before takes less.

    Parameters
    ----------
    model : SpeechModel
    cost : Footprint
        Of the model.
    epochs : int
    limit : int, optional
        Pieces at most.
    """
    n_pieces, sound = foreseen_pieces(model, limit=limit)
    checked = check_seconds(language_codes(model))
    once = training_seconds(model, cost, n_pieces, sound, taught=True)
    once += transcription_seconds(model, cost, checked)
    written = transcription_seconds(model, cost, sound + checked)
    return _START_SECONDS + written + epochs * once
