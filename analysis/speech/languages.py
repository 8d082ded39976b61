"""Which languages a multilingual Whisper knows, and how its vocabulary calls them."""

from dataclasses import dataclass

from transformers.models.whisper.tokenization_whisper import LANGUAGES, TO_LANGUAGE_CODE

from analysis.errors import UserError
from analysis.models.speech_model import SpeechModel


@dataclass(frozen=True, slots=True)
class Presets:
    """What a checkpoint itself says about language and task.

    Parameters
    ----------
    language : str or None
        The token; None where the language is to be detected.
    task : str or None
        "transcribe" or "translate"; None where nothing is said.
    forced : tuple of int or None
        Old checkpoints: the tokens behind the start; None is a language to be detected.
    """

    language: str | None = None
    task: str | None = None
    forced: tuple[int | None, ...] = ()


def presets(model: SpeechModel) -> Presets:
    """Read what a checkpoint says about language and task, as `generate` of transformers does.

    Parameters
    ----------
    model : SpeechModel

    Returns
    -------
    Presets
        Empty for models that say nothing, as CTC models do.
    """
    config = getattr(model.model, "generation_config", None)
    language, task = (getattr(config, name, None) for name in ("language", "task"))
    if language is None and task is None:  # the newer fields hide the older one
        pairs = getattr(config, "forced_decoder_ids", None)
        pairs = pairs or getattr(model.config, "forced_decoder_ids", None) or ()
        forced = tuple(pair[1] for pair in pairs)
        named = {index: token for token, index in language_tokens(model).items()}
        tasks = {index: name for name, index in (getattr(config, "task_to_id", None) or {}).items()}
        return Presets(
            next((named[index] for index in forced[:1] if index in named), None),
            next((tasks[index] for index in forced if index in tasks), None),
            forced,
        )
    return Presets(language_token(model, language), task)


def languages(model: SpeechModel) -> tuple[str, ...]:
    """Names of the languages that a multilingual Whisper knows; empty for any other model.

    Parameters
    ----------
    model : SpeechModel

    Returns
    -------
    tuple of str
        Lower case, alphabetical, as `TranscriptionOptions.language` takes them.
    """
    tokens = language_tokens(model)
    return tuple(sorted(name for code, name in LANGUAGES.items() if f"<|{code}|>" in tokens))


def language_name(token: str) -> str:
    """The name of a language that a vocabulary calls by a token.

    Examples
    --------
    >>> language_name("<|hi|>")
    'hindi'
    """
    code = token.removeprefix("<|").removesuffix("|>")
    return LANGUAGES.get(code, code)


def language_codes(model: SpeechModel) -> tuple[str, ...]:
    """Codes of the languages that a model knows, e.g. ``("en", "de")``; English where none is told.

    Parameters
    ----------
    model : SpeechModel
    """
    found = tuple(token.strip("<|>") for token in language_tokens(model))
    return found or ("en",)


def language_tokens(model: SpeechModel) -> dict[str, int]:
    """Token to id of each language, where the model was trained on more than one.

    Parameters
    ----------
    model : SpeechModel

    Returns
    -------
    dict of str to int
        ``{"<|en|>": 50259, ...}``; empty for models with one language.
    """
    config = getattr(model.model, "generation_config", None)  # CTC models have none
    if not getattr(config, "is_multilingual", True):
        return {}
    return getattr(config, "lang_to_id", None) or {}


def language_token(model: SpeechModel, language: str | None) -> str | None:
    """Find the token of a language that a person asked for.

    Parameters
    ----------
    model : SpeechModel
    language : str or None
        A name, a code or a token: "german", "de", "<|de|>".

    Returns
    -------
    str or None
        The token; None where no language was asked for, or English of a model that has one
        language only and no token for it.

    Raises
    ------
    UserError
        For a language that the model does not know; names those that it does.
    """
    if language is None:
        return None
    tokens = language_tokens(model)
    name = language.strip().lower().removeprefix("<|").removesuffix("|>")
    code = TO_LANGUAGE_CODE.get(name, name)
    if not tokens and code == "en":
        return None
    if f"<|{code}|>" not in tokens:
        known = ", ".join(languages(model)) or "english"
        raise UserError(
            f"{model.name} does not know the language “{language}”.",
            f"Leave the language open, or choose one of: {known}.",
        )
    return f"<|{code}|>"
