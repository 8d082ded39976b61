"""A checkpoint's settings, checked before anything is computed with them."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import (
    PretrainedConfig,
    ProcessorMixin,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2PhonemeCTCTokenizer,
)

from analysis.errors import UserError
from analysis.models.architectures import Architecture
from analysis.models.checkpoint_files import CheckpointFiles, read_json
from analysis.models.speech_model import dtype_name
from analysis.plan.validation import shown

_EXTRACTOR, _PROCESSOR = "preprocessor_config.json", "processor_config.json"
_SETTINGS = ("config.json", "generation_config.json", _EXTRACTOR)
_HERTZ = 16_000  # to which every sound is brought before a model hears it
_LARGEST = 2**63 - 1


def check_files(files: CheckpointFiles, name: str) -> None:
    """Check what can be told from the files of settings alone.

    Parameters
    ----------
    files : CheckpointFiles
    name : str
        The model's name, for messages.

    Raises
    ------
    UserError
        For a number that is none, for quantised weights, for an attention that is not installed.
    """
    for file in (*_SETTINGS, _PROCESSOR):
        _check_numbers(read_json(files.folder / file, name) or {}, f"{file} of {name}")
    quantised = files.config.get("quantization_config")
    if quantised is not None:
        method = quantised.get("quant_method") if isinstance(quantised, dict) else None
        raise UserError(
            f"The weights of {name} are quantised{f' ({method})' if method else ''}.",
            "Give the original, or call dequantize() of transformers and save that.",
        )
    for field in ("attn_implementation", "_attn_implementation"):
        asked = files.config.get(field)
        if isinstance(asked, str) and "flash" in asked:
            raise UserError(
                f"The configuration of {name} asks for flash attention ({field}: {asked}).",
                f"Take {field} out of config.json; the weights are the same without it.",
            )


def _check_numbers(value: object, where: str) -> None:
    if isinstance(value, Mapping):
        for key, item in value.items():
            _check_numbers(item, f"“{key}” in {where}" if not where.startswith("“") else where)
    elif isinstance(value, list):
        for item in value:
            _check_numbers(item, where)
    elif (isinstance(value, float) and not math.isfinite(value)) or (
        isinstance(value, int) and abs(value) > _LARGEST
    ):
        said = value if isinstance(value, float) else "a number of more than 64 bits"
        raise UserError(f"{where} is {said}.", "Get a fresh copy of that file.")


def check_config(config: PretrainedConfig, architecture: Architecture, name: str) -> None:
    """Check a configuration against what its family is.

    Raises
    ------
    UserError
        When it says that it decodes in another way, a token lies outside of the vocabulary, or a
        probability is none.
    """
    decodes = architecture.decoding == "seq2seq"
    if bool(config.is_encoder_decoder) != decodes:
        raise wrong_setting("is_encoder_decoder", config.is_encoder_decoder, "config.json", name)
    for field, value in vars(config).items():  # probabilities, of which torch asks that they are
        known = isinstance(value, int | float) and 0 <= value <= 1
        if field.endswith(("dropout", "layerdrop")) and not known:
            raise wrong_setting(field, value, "config.json", name)
    for field in ("pad_token_id", "decoder_start_token_id") if decodes else ("pad_token_id",):
        value = getattr(config, field, None)
        if value is not None and not is_token(value, config):
            raise wrong_setting(field, value, "config.json", name)


def extractor_file(folder: Path) -> str:
    """Name of the file that has the feature extractor's settings: newer checkpoints have another.

    Parameters
    ----------
    folder : Path
        Of the checkpoint.
    """
    return _EXTRACTOR if (folder / _EXTRACTOR).is_file() else _PROCESSOR


def check_processor(
    processor: ProcessorMixin,
    config: PretrainedConfig,
    architecture: Architecture,
    folder: Path,
    name: str,
) -> tuple[str, ...]:
    """Check that feature extractor and tokenizer are what the model was trained with.

    Returns
    -------
    tuple of str
        Sentences on what makes texts differ from run to run.

    Raises
    ------
    UserError
        For another sampling rate, settings of a wrong type, a tokenizer that is none of CTC, and
        for another blank of CTC.
    """
    extractor = processor.feature_extractor
    if extractor.sampling_rate != _HERTZ:
        raise UserError(
            f"{name} was trained on audio of {shown(extractor.sampling_rate)} Hz.",
            f"Choose a checkpoint for {_HERTZ} Hz, as nearly all are.",
        )
    file = extractor_file(folder)
    for field, usual in vars(type(extractor)()).items():
        value = getattr(extractor, field)
        wrong = isinstance(usual, bool | int | float) and not (
            isinstance(value, bool) == isinstance(usual, bool) and isinstance(value, int | float)
        )
        if wrong and not (value is None and field == "dither"):
            raise wrong_setting(field, value, file, name)
    if extractor.padding_side not in ("left", "right"):
        raise wrong_setting("padding_side", extractor.padding_side, file, name)
    if architecture.decoding == "ctc":
        kind = type(processor.tokenizer)
        if not issubclass(kind, Wav2Vec2CTCTokenizer | Wav2Vec2PhonemeCTCTokenizer):
            raise UserError(
                f"The tokenizer of {name} is a {kind.__name__}, and a CTC model writes letters.",
                "Put the files of the Wav2Vec2CTCTokenizer that it was trained with beside"
                " config.json (vocab.json, tokenizer_config.json).",
            )
        blank, padding = config.pad_token_id, processor.tokenizer.pad_token_id
        if blank != padding:
            raise UserError(
                f"Two files of {name} name two blanks of CTC: config.json says {blank}, the"
                f" tokenizer says {padding} (pad_token_id).",
                "Find out with which of them it was trained, and correct the other.",
            )
    if not getattr(extractor, "dither", 0):
        return ()
    return (
        f"{file} adds noise to all that the model hears (dither): texts differ from run to run.",
    )


def is_token(value: Any, config: PretrainedConfig) -> bool:
    """Whether a value is the number of a token of this vocabulary."""
    return type(value) is int and 0 <= value < config.vocab_size


def find_culprit(settings: Mapping[str, Any], attempt: Callable[[dict[str, Any]], object]) -> str:
    """The one setting without which an attempt does not fail; "" where none is.

    Parameters
    ----------
    settings : mapping
        With all of which the attempt fails.
    attempt : callable
        Takes settings, and raises whatever it likes.
    """
    for field in settings:
        try:
            attempt({key: value for key, value in settings.items() if key != field})
        except Exception:  # it may be anything, since a stranger wrote the settings
            continue
        return field
    return ""


def wrong_setting(field: str, value: object, file: str, name: str) -> UserError:
    """A fault that names a setting, what it says, and the file in which it stands."""
    said = repr(value)
    return UserError(
        f"“{field}” in {file} of {name} is {said[:60]}{'…' if len(said) > 60 else ''}, which it"
        " cannot be.",
        f"Correct it, or get a fresh copy of {file}.",
    )


def check_numbers(key: str, tensor: torch.Tensor, dtype: torch.dtype, name: str) -> None:
    """Refuse a stored tensor whose numbers are none, or do not fit the dtype asked for.

    Parameters
    ----------
    key : str
        Its name.
    tensor : torch.Tensor
        As it is stored.
    dtype : torch.dtype
        What it is loaded as.
    name : str
        The model's name, for messages.

    Raises
    ------
    UserError
    """
    if not tensor.is_floating_point() or not tensor.numel():
        return
    low, high = (float(end) for end in tensor.aminmax())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise UserError(
            f"The weights of {name} hold numbers that are none (NaN or infinite): {key}.",
            "Choose an earlier checkpoint of the same training, or get a fresh copy.",
        )
    if max(-low, high) > torch.finfo(dtype).max:
        raise UserError(
            f"{key} of {name} holds numbers up to {max(-low, high):.3g}, too large for"
            f" {dtype_name(dtype)}.",
            "Load it as float32 or bfloat16.",
        )
