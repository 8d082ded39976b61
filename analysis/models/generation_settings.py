"""What a checkpoint says about decoding, checked before anything is decoded with it."""

import copy
from typing import Any

import torch
from transformers import (
    GenerationConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    WhisperForConditionalGeneration,
)
from transformers.models.whisper.tokenization_whisper import TASK_IDS, TO_LANGUAGE_CODE

from analysis.errors import UserError
from analysis.models.settings import find_culprit, is_token, wrong_setting

# What only one way of decoding reads. transformers saves no settings in which they stand beside
# another way, and plain decoding passes over them.
_SAMPLING_ONLY = (
    *("temperature", "top_p", "top_k", "min_p", "top_h", "typical_p"),
    *("epsilon_cutoff", "eta_cutoff"),
)
_BEAMS_ONLY = ("early_stopping", "length_penalty", "diversity_penalty", "num_beam_groups")
# What `generate` hands back beside the tokens.
_BESIDE = (
    *("return_dict_in_generate", "output_scores", "output_logits"),
    *("output_attentions", "output_hidden_states"),
)
_WHOLE_NUMBERS = (
    *("max_length", "max_new_tokens", "min_length", "min_new_tokens", "num_beams"),
    *("num_return_sequences", "no_repeat_ngram_size", "max_initial_timestamp_index"),
    *("decoder_start_token_id", "bos_token_id", "pad_token_id", "no_timestamps_token_id"),
    "prev_sot_token_id",
)
_YES_OR_NO = ("is_multilingual", "return_timestamps", "do_sample", "use_cache")
_TOKENS = ("decoder_start_token_id", "no_timestamps_token_id", "prev_sot_token_id")
_LIMITS = ("max_length", "max_new_tokens", "max_time")  # of which nothing is left to write at zero
MOST_BEAMS = 100
"""More make no better text, and take memory and time without an end."""
_FILE = "generation_config.json"
_SMALLEST = {
    **dict.fromkeys(("encoder_layers", "decoder_layers"), 1),
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 1),
    **dict.fromkeys(("d_model", "encoder_ffn_dim", "decoder_ffn_dim"), 8),
}


def check_generation(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str
) -> tuple[str, ...]:
    """Check the settings of decoding, and drop what nothing reads and no file may hold.

    Parameters
    ----------
    model : PreTrainedModel
        Just loaded; its generation config may be changed.
    tokenizer : PreTrainedTokenizerBase
        Of the same checkpoint.
    name : str
        For messages.

    Returns
    -------
    tuple of str
        Sentences on what was dropped, and on what makes texts differ from run to run.

    Raises
    ------
    UserError
        For a setting of a wrong type, a token outside of the vocabulary or of another word, a
        language or a task that the model does not know, and for settings that could not be saved
        again, or with which nothing can be decoded.
    """
    settings: GenerationConfig | None = getattr(model, "generation_config", None)
    if settings is None:
        return ()
    _check_types(settings, model.config, name)
    _check_named_tokens(settings, tokenizer, name)
    _check_presets(settings, model.config, name)
    dropped = [field for field in _BESIDE if getattr(settings, field, None)]
    for field in dropped:
        setattr(settings, field, getattr(GenerationConfig(), field))
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
        said = settings.to_diff_dict()
        if culprit := find_culprit(said, lambda rest: GenerationConfig(**rest).validate(True)):
            raise wrong_setting(culprit, said[culprit], _FILE, name) from error
        raise UserError(
            f"The settings in {_FILE} of {name} contradict each other.",
            "Correct that file.",
            str(error),
        ) from error
    if model.config.is_encoder_decoder:
        _try_to_decode(settings, model.config, name)
    notes = []
    if dropped:
        listed = ", ".join(dropped)
        notes.append(
            f"Settings that decoding does not read are left out of what is saved: {listed}."
        )
    if settings.max_time is not None:
        notes.append(
            f"{_FILE} ends each text after {settings.max_time:g} s of computing (max_time), so that"
            " texts depend on the machine."
        )
    return tuple(notes)


def _try_to_decode(settings: GenerationConfig, config: PretrainedConfig, name: str) -> None:
    """Write one token of two clips with a model of the same vocabulary, tiny and all zeros.

    What `generate` asks of its settings is known only to itself, and it says so after the encoder
    has run, which takes a large model minutes.
    """
    smallest = type(config).from_dict(config.to_dict() | _SMALLEST)
    with torch.device("meta"):
        trial = WhisperForConditionalGeneration._from_config(smallest)
    trial = trial.to_empty(device="cpu").float().eval()
    for tensor in trial.state_dict().values():
        tensor.zero_()
    frames = torch.zeros(2, config.num_mel_bins, 2 * config.max_source_positions)

    def attempt(fields: dict[str, Any]) -> None:
        trial.generation_config = GenerationConfig(**copy.deepcopy(fields))
        shortest = "max_length" if fields.get("max_new_tokens") is None else "max_new_tokens"
        trial.generate(
            frames,
            attention_mask=torch.ones_like(frames[:, 0]),
            force_unique_generate_call=True,
            **{shortest: 1},
        )

    fields = settings.to_dict()
    try:
        attempt(fields)
    except Exception as error:  # transformers raises many types for a bad setting
        if culprit := find_culprit(settings.to_diff_dict(), attempt):
            raise wrong_setting(culprit, fields[culprit], _FILE, name) from error
        raise UserError(
            f"transformers cannot decode with the settings in {_FILE} of {name}.",
            "Correct it, or get a fresh copy of that file.",
            f"{type(error).__name__}: {error}",
        ) from error


def _check_types(settings: GenerationConfig, config: PretrainedConfig, name: str) -> None:
    def wrong(field: str) -> UserError:
        return wrong_setting(field, getattr(settings, field), _FILE, name)

    for field in (*_WHOLE_NUMBERS, *_YES_OR_NO):
        value = getattr(settings, field, None)
        if value is not None and type(value) is not (bool if field in _YES_OR_NO else int):
            raise wrong(field)
    if (settings.num_beams or 1) > MOST_BEAMS:
        raise wrong("num_beams")
    for field in _TOKENS:
        value = getattr(settings, field, None)
        if value is not None and not is_token(value, config):
            raise wrong(field)
    for field in _LIMITS:
        value = getattr(settings, field, None)
        if value is not None and not (isinstance(value, int | float) and value > 0):
            raise wrong(field)
    ends = settings.eos_token_id
    for end in ends if isinstance(ends, list) else [ends]:
        if end is not None and not is_token(end, config):
            raise wrong("eos_token_id")
    starts = (settings.decoder_start_token_id, settings.bos_token_id)
    if config.is_encoder_decoder and starts == (None, None):
        raise UserError(
            f"{_FILE} of {name} does not say with which token a text begins"
            " (decoder_start_token_id).",
            "Add it, or get a fresh copy of that file.",
        )
    for field in ("suppress_tokens", "begin_suppress_tokens"):
        value = getattr(settings, field, None)
        if value is not None and not (
            isinstance(value, list) and all(type(token) is int for token in value)
        ):
            raise wrong(field)
    heads = getattr(settings, "alignment_heads", None)
    size = (config.decoder_layers, config.decoder_attention_heads) if heads else ()
    if heads is not None and not (
        isinstance(heads, list)
        and all(
            isinstance(head, list) and len(head) == 2 and all(map(_is_index, head, size))
            for head in heads
        )
    ):
        raise wrong("alignment_heads")
    for field in ("lang_to_id", "task_to_id"):
        value = getattr(settings, field, None)
        if value is not None and not (
            isinstance(value, dict) and all(is_token(token, config) for token in value.values())
        ):
            raise wrong(field)


def _is_index(value: object, n: int) -> bool:
    return type(value) is int and 0 <= value < n


def _check_named_tokens(
    settings: GenerationConfig, tokenizer: PreTrainedTokenizerBase, name: str
) -> None:
    """Whether languages and tasks have the tokens that the tokenizer knows by their names."""
    languages = getattr(settings, "lang_to_id", None) or {}
    tasks = getattr(settings, "task_to_id", None) or {}
    for field, named in (
        ("lang_to_id", languages),
        ("task_to_id", {f"<|{task}|>": token for task, token in tasks.items()}),
    ):
        for word, token in named.items():
            known = tokenizer.convert_ids_to_tokens(token)
            if known != word:
                raise UserError(
                    f"Two files of {name} differ: “{field}” in {_FILE} says that {word} is token"
                    f" {token}, which is {known} in the tokenizer.",
                    "Find out with which of them it was trained, and correct the other.",
                )


def _check_presets(settings: GenerationConfig, config: PretrainedConfig, name: str) -> None:
    """What is said about language and task, as `generate` will read it."""
    language, task = getattr(settings, "language", None), getattr(settings, "task", None)
    if language is not None:
        known = getattr(settings, "lang_to_id", None) or {}
        code = language.lower() if isinstance(language, str) else ""
        token = code if code in known else f"<|{TO_LANGUAGE_CODE.get(code, code)}|>"
        if token not in known:
            raise wrong_setting("language", language, _FILE, name)
    if task is not None and (
        task not in TASK_IDS or task not in (getattr(settings, "task_to_id", None) or {})
    ):
        raise wrong_setting("task", task, _FILE, name)
    forced = getattr(settings, "forced_decoder_ids", None)
    forced = forced or getattr(config, "forced_decoder_ids", None) or []
    if not isinstance(forced, list | tuple):
        raise wrong_setting("forced_decoder_ids", forced, _FILE, name)
    for place, pair in enumerate(forced, start=1):
        whole = isinstance(pair, list | tuple) and len(pair) == 2 and pair[0] == place
        if not whole or not (pair[1] is None or is_token(pair[1], config)):
            raise wrong_setting("forced_decoder_ids", forced, _FILE, name)
