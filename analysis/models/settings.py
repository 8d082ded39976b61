"""A checkpoint's settings, checked before anything is computed with them."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from transformers import GenerationConfig, PretrainedConfig, PreTrainedModel, ProcessorMixin
from transformers.models.whisper.tokenization_whisper import TASK_IDS, TO_LANGUAGE_CODE

from analysis.errors import UserError
from analysis.models.architectures import Architecture
from analysis.models.checkpoint_files import CheckpointFiles, read_json
from analysis.models.speech_model import dtype_name
from analysis.plan.validation import shown

_SETTINGS = ("config.json", "generation_config.json", "preprocessor_config.json")
_PROCESSOR = "processor_config.json"
_HERTZ = 16_000  # to which every sound is brought before a model hears it
_LARGEST = 2**63 - 1
# What only one way of decoding reads. transformers saves no settings in which they stand beside
# another way, and plain decoding passes over them.
_SAMPLING_ONLY = (
    *("temperature", "top_p", "top_k", "min_p", "top_h", "typical_p"),
    *("epsilon_cutoff", "eta_cutoff"),
)
_BEAMS_ONLY = ("early_stopping", "length_penalty", "diversity_penalty", "num_beam_groups")
_WHOLE_NUMBERS = (
    *("max_length", "max_new_tokens", "min_length", "min_new_tokens", "num_beams"),
    *("num_return_sequences", "no_repeat_ngram_size", "max_initial_timestamp_index"),
    *("decoder_start_token_id", "bos_token_id", "pad_token_id", "no_timestamps_token_id"),
    "prev_sot_token_id",
)
_YES_OR_NO = ("is_multilingual", "return_timestamps", "do_sample", "use_cache")
_TOKENS = ("decoder_start_token_id", "no_timestamps_token_id", "prev_sot_token_id")


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
        raise _wrong("is_encoder_decoder", config.is_encoder_decoder, "config.json", name)
    for field, value in vars(config).items():  # probabilities, of which torch asks that they are
        known = isinstance(value, int | float) and 0 <= value <= 1
        if field.endswith(("dropout", "layerdrop")) and not known:
            raise _wrong(field, value, "config.json", name)
    for field in ("pad_token_id", "decoder_start_token_id") if decodes else ("pad_token_id",):
        value = getattr(config, field, None)
        if value is not None and not _is_token(value, config):
            raise _wrong(field, value, "config.json", name)


def check_processor(
    processor: ProcessorMixin, config: PretrainedConfig, architecture: Architecture, name: str
) -> None:
    """Check that feature extractor and tokenizer are what the model was trained with.

    Raises
    ------
    UserError
        For another sampling rate, settings of a wrong type, another blank of CTC, and for words
        where the timestamps should be.
    """
    extractor = processor.feature_extractor
    if extractor.sampling_rate != _HERTZ:
        raise UserError(
            f"{name} was trained on audio of {shown(extractor.sampling_rate)} Hz.",
            f"Choose a checkpoint for {_HERTZ} Hz, as nearly all are.",
        )
    for field, usual in vars(type(extractor)()).items():
        value = getattr(extractor, field)
        wrong = isinstance(usual, bool | int | float) and not (
            isinstance(value, bool) == isinstance(usual, bool) and isinstance(value, int | float)
        )
        if wrong and not (value is None and field == "dither"):
            raise _wrong(field, value, "preprocessor_config.json", name)
    if extractor.padding_side not in ("left", "right"):
        raise _wrong("padding_side", extractor.padding_side, "preprocessor_config.json", name)
    if architecture.decoding == "ctc":
        blank, padding = config.pad_token_id, processor.tokenizer.pad_token_id
        if blank != padding:
            raise UserError(
                f"Two files of {name} name two blanks of CTC: config.json says {blank}, the"
                f" tokenizer says {padding} (pad_token_id).",
                "Find out with which of them it was trained, and correct the other.",
            )


def check_generation(model: PreTrainedModel, name: str) -> tuple[str, ...]:
    """Check the settings of decoding, and drop what nothing reads and no file may hold.

    Parameters
    ----------
    model : PreTrainedModel
        Just loaded; its generation config may be changed.
    name : str
        For messages.

    Returns
    -------
    tuple of str
        Sentences on what was dropped.

    Raises
    ------
    UserError
        For a setting of a wrong type, a token outside of the vocabulary, a language or a task that
        the model does not know, and for settings that could not be saved again.
    """
    settings: GenerationConfig | None = getattr(model, "generation_config", None)
    if settings is None:
        return ()
    _check_types(settings, model.config, name)
    _check_presets(settings, model.config, name)
    dropped = []
    try:
        settings.validate(strict=True)
    except ValueError:
        for fields, unread in (
            (_SAMPLING_ONLY, settings.do_sample is not True),
            (_BEAMS_ONLY, (settings.num_beams or 1) == 1),
        ):
            for field in fields if unread else ():
                if getattr(settings, field, None) is not None:
                    setattr(settings, field, None)
                    dropped.append(field)
    try:
        settings.validate(strict=True)
    except ValueError as error:
        raise UserError(
            f"The settings in generation_config.json of {name} contradict each other.",
            "Correct that file.",
            str(error),
        ) from error
    if not dropped:
        return ()
    listed = ", ".join(dropped)
    return (f"Settings that decoding does not read are left out of what is saved: {listed}.",)


def _check_types(settings: GenerationConfig, config: PretrainedConfig, name: str) -> None:
    def wrong(field: str) -> UserError:
        return _wrong(field, getattr(settings, field), "generation_config.json", name)

    for field in (*_WHOLE_NUMBERS, *_YES_OR_NO):
        value = getattr(settings, field, None)
        if value is not None and type(value) is not (bool if field in _YES_OR_NO else int):
            raise wrong(field)
    for field in _TOKENS:
        value = getattr(settings, field, None)
        if value is not None and not _is_token(value, config):
            raise wrong(field)
    ends = settings.eos_token_id
    for end in ends if isinstance(ends, list) else [ends]:
        if end is not None and type(end) is not int:
            raise wrong("eos_token_id")
    starts = (settings.decoder_start_token_id, settings.bos_token_id)
    if config.is_encoder_decoder and starts == (None, None):
        raise UserError(
            f"generation_config.json of {name} does not say with which token a text begins"
            " (decoder_start_token_id).",
            "Add it, or get a fresh copy of that file.",
        )
    for field in ("suppress_tokens", "begin_suppress_tokens"):
        value = getattr(settings, field, None)
        if value is not None and not (
            isinstance(value, list) and all(type(token) is int for token in value)
        ):
            raise wrong(field)
    for field in ("lang_to_id", "task_to_id"):
        value = getattr(settings, field, None)
        if value is not None and not (
            isinstance(value, dict) and all(_is_token(token, config) for token in value.values())
        ):
            raise wrong(field)


def _check_presets(settings: GenerationConfig, config: PretrainedConfig, name: str) -> None:
    """What is said about language and task, as `generate` will read it."""
    language, task = getattr(settings, "language", None), getattr(settings, "task", None)
    if language is not None:
        known = getattr(settings, "lang_to_id", None) or {}
        code = language.lower() if isinstance(language, str) else ""
        token = code if code in known else f"<|{TO_LANGUAGE_CODE.get(code, code)}|>"
        if token not in known:
            raise _wrong("language", language, "generation_config.json", name)
    if task is not None and (
        task not in TASK_IDS or task not in (getattr(settings, "task_to_id", None) or {})
    ):
        raise _wrong("task", task, "generation_config.json", name)
    forced = getattr(settings, "forced_decoder_ids", None)
    forced = forced or getattr(config, "forced_decoder_ids", None) or []
    if not isinstance(forced, list | tuple):
        raise _wrong("forced_decoder_ids", forced, "generation_config.json", name)
    for place, pair in enumerate(forced, start=1):
        whole = isinstance(pair, list | tuple) and len(pair) == 2 and pair[0] == place
        if not whole or not (pair[1] is None or _is_token(pair[1], config)):
            raise _wrong("forced_decoder_ids", forced, "generation_config.json", name)


def _is_token(value: Any, config: PretrainedConfig) -> bool:
    return type(value) is int and 0 <= value < config.vocab_size


def _wrong(field: str, value: object, file: str, name: str) -> UserError:
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
