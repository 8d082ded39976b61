"""What Whisper's `generate` is told about language and task, and what it makes of that.

What a checkpoint says holds, unless somebody asks otherwise.
"""

import copy
from typing import Any

import torch
from transformers import LogitsProcessor
from transformers.models.whisper.tokenization_whisper import TASK_IDS

from analysis.errors import UserError
from analysis.models.speech_model import SpeechModel
from analysis.speech.languages import language_token, language_tokens, presets
from analysis.speech.recognition import TranscriptionOptions


class PromptLength(LogitsProcessor):
    """Sees how many tokens `generate` puts before the first word."""

    length = 0

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """Count the tokens before the first word, and leave the scores as they are."""
        self.length = self.length or input_ids.shape[1]
        return scores


def has_choice(model: SpeechModel) -> bool:
    """Whether a Whisper was trained on more than one language."""
    return bool(language_tokens(model))


def check_language_and_task(model: SpeechModel, options: TranscriptionOptions) -> None:
    """Refuse a language or a task that a Whisper cannot follow.

    Raises
    ------
    UserError
        It names the languages that the model knows.
    """
    language_token(model, options.language)
    task = options.task
    if task not in (None, *TASK_IDS):
        raise UserError(f"There is no task “{task}”.", f"Choose one of {', '.join(TASK_IDS)}.")
    if task not in (None, "transcribe") and not has_choice(model):
        raise UserError(
            f"{model.name} cannot translate: it knows one language only.",
            "Choose the task “transcribe”, or a multilingual Whisper.",
        )
    config = model.model.generation_config
    if task is not None and not hasattr(config, "task_to_id") and has_choice(model):
        raise UserError(
            f"{model.name} cannot be told a task: its generation_config.json lists none.",
            "Leave the task open, or add task_to_id to that file.",
        )


def asked(
    model: SpeechModel, options: TranscriptionOptions, detected: str | None
) -> dict[str, Any]:
    """What `generate` is told about language and task; the checkpoint decides on the rest.

    Only where somebody names one of the two is a word said about them: from then on `generate`
    passes over the old `forced_decoder_ids`, so that what they say of the other is said again.

    Parameters
    ----------
    model : SpeechModel
        A Whisper.
    options : TranscriptionOptions
    detected : str or None
        Token of the language that is known to be spoken.

    Returns
    -------
    dict of str to object
        Arguments of `generate`.
    """
    own = presets(model)
    language, task = language_token(model, options.language), options.task
    if not has_choice(model):
        return {}
    if language or task:
        language, task = language or own.language or detected, task or own.task
        told = {"language": language, "task": task}
        return {name: value for name, value in told.items() if value}
    if detected is None or own.language:
        return {}
    config: Any = model.model.generation_config  # Whisper adds fields that it does not declare
    if getattr(config, "task", None):
        return {"language": detected}
    # named by itself, a language would bring the task along, which `generate` may leave out
    settings = copy.deepcopy(config)
    behind = own.forced[1:]
    forced = (language_tokens(model)[detected], *behind)
    settings.forced_decoder_ids = [list(place) for place in enumerate(forced, start=1)]
    return {"generation_config": settings}
