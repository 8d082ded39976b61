"""A model and its processor made from checkpoint files that were checked against each other."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import torch
import transformers
from transformers import PretrainedConfig, PreTrainedModel, ProcessorMixin

from analysis.errors import UserError
from analysis.models import modeling_merged_units
from analysis.models.architectures import Architecture
from analysis.models.checkpoint_files import CheckpointFiles, read_json
from analysis.models.settings import extractor_file, find_culprit, wrong_setting
from analysis.models.unused_tensors import refuse_foreign_tensors, refuse_wrapped

MERGED_UNITS = "merged_units"
"""Field of `config.json`: a table of unit group id → K, for the groups that were made smaller."""

MERGED_RANKS = "merged_ranks"
"""Field of `config.json`: a table of attention group id → ranks that each of its heads keeps."""

# Of a bank of mel filters, made as soon as its settings are read; Whisper's has 201 x 80 or x 128.
_MOST_FILTER_NUMBERS = 10_000_000

# What some published checkpoints lack and only training reads: it masks stretches of the input.
_TRAINING_ONLY = "masked_spec_embed"

_LAYER = re.compile(r".*\.layers\.\d+(?=\.)")


def model_class(architecture: Architecture, *, merged: bool) -> type[PreTrainedModel]:
    """The class of a family's models: the library's own, or the one that merged units need."""
    if merged:
        found = getattr(modeling_merged_units, f"Merged{architecture.model_class}")
    else:
        found = getattr(transformers, architecture.model_class)
    assert issubclass(found, PreTrainedModel)
    return found


def is_merged(config: PretrainedConfig) -> bool:
    """Whether a configuration says that units were removed."""
    return any(getattr(config, field, None) for field in (MERGED_UNITS, MERGED_RANKS))


def read_config(files: CheckpointFiles, architecture: Architecture, name: str) -> PretrainedConfig:
    """The configuration, as the family's own type.

    Raises
    ------
    UserError
        When a field has the wrong type or makes no sense.
    """
    config_class = model_class(architecture, merged=False).config_class
    assert config_class is not None
    try:
        return config_class.from_pretrained(files.folder, local_files_only=True)
    except Exception as error:  # transformers raises many types for a bad field
        raise _bad_setting(
            "config.json", files.config, config_class.from_dict, name, error
        ) from error


def _bad_setting(
    file: str,
    settings: Mapping[str, Any],
    attempt: Callable[[dict[str, Any]], object],
    name: str,
    error: Exception,
) -> UserError:
    """A fault that names the setting of a file with which an attempt failed, where it is one."""
    culprit = find_culprit(settings, attempt)
    if not culprit:
        return _bad_configuration(name, error)
    fault = wrong_setting(culprit, settings[culprit], file, name)
    return UserError(fault.message, fault.remedy, f"{type(error).__name__}: {error}")


def _bad_configuration(name: str, error: Exception) -> UserError:
    return UserError(
        f"The configuration of {name} cannot be read.",
        "Get a fresh copy of config.json and generation_config.json.",
        f"{type(error).__name__}: {error}",
    )


def load_processor(
    files: CheckpointFiles, architecture: Architecture, config: PretrainedConfig, name: str
) -> ProcessorMixin:
    """Feature extractor and tokenizer.

    Raises
    ------
    UserError
        When a file of theirs is missing or cannot be read, or they do not fit the model.
    """
    _check_filters(files, name)
    processor_class = getattr(transformers, architecture.processor_class)
    try:
        processor = processor_class.from_pretrained(files.folder, local_files_only=True)
        # a token that is no text shows when it is written, which must not be after an hour
        processor.tokenizer.decode(list(range(len(processor.tokenizer)))).encode()
    except Exception as error:  # each tokenizer and extractor has its own ways to fail
        raise UserError(
            f"{name} has no usable processor (feature extractor and tokenizer).",
            "Put preprocessor_config.json and the tokenizer's files beside config.json.",
            f"{type(error).__name__}: {error}",
        ) from error
    extractor = processor.feature_extractor
    if architecture.decoding == "seq2seq":
        made = (extractor.feature_size, extractor.nb_max_frames)
        taken = (config.num_mel_bins, 2 * config.max_source_positions)
        if made != taken:  # recordings would be padded to whatever length it says
            raise UserError(
                f"The feature extractor of {name} makes {made[0]:,} mel bands x {made[1]:,} frames,"
                f" and the model takes {taken[0]:,} x {taken[1]:,}.",
                f"Get fresh copies of {extractor_file(files.folder)} and config.json.",
            )
    return processor


def _check_filters(files: CheckpointFiles, name: str) -> None:
    """Refuse a feature extractor that would fill the memory before anyone could look at it."""
    for file in ("preprocessor_config.json", "processor_config.json"):
        content = read_json(files.folder / file, name) or {}
        for settings in (content, content.get("feature_extractor")):
            if not isinstance(settings, dict):
                continue
            sizes = [settings.get("feature_size", 1), settings.get("n_fft", 1)]
            if all(isinstance(n, int) for n in sizes) and math.prod(sizes) > _MOST_FILTER_NUMBERS:
                raise UserError(
                    f"{file} of {name} announces {sizes[0]:,} features of {sizes[1]:,} samples.",
                    "Get a fresh copy of it.",
                )


def build(
    files: CheckpointFiles,
    architecture: Architecture,
    config: PretrainedConfig,
    dtype: torch.dtype,
    name: str,
) -> tuple[PreTrainedModel, set[str]]:
    """The model, its stored shapes checked against the configuration before any is read.

    Parameters
    ----------
    files : CheckpointFiles
    architecture : Architecture
    config : PretrainedConfig
        What `read_config` gave.
    dtype : torch.dtype
        Of the weights in memory.
    name : str
        Of the model, for messages.

    Returns
    -------
    tuple of PreTrainedModel and set of str
        With it the names of stored tensors that it does not use.

    Raises
    ------
    UserError
        When weights and configuration disagree, tensors are missing, or others are stored that
        would make another model.
    """
    found = model_class(architecture, merged=is_merged(config))
    _check_shapes(files, found, config, name)
    if files.generation_config:  # the library goes on without one that cannot be read
        file = "generation_config.json"
        said = read_json(files.folder / file, name) or {}
        read = transformers.GenerationConfig.from_dict
        try:
            read(said)
        except Exception as error:
            raise _bad_setting(file, said, read, name, error) from error
    try:
        loaded: Any = found.from_pretrained(  # with its info, which the annotation leaves out
            files.folder,
            dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    except Exception as error:  # a tensor of an odd dtype, for one
        raise _bad_configuration(name, error) from error
    model: PreTrainedModel = loaded[0]
    missing = set(loaded[1]["missing_keys"])
    unused = {key for key in missing if key.endswith(_TRAINING_ONLY)}
    for key in unused:
        # drawn at random otherwise, so that what is saved from it would differ each time
        model.get_parameter(key).data.zero_()
    if missing - unused:
        refuse_wrapped(files.shapes(), {key for key, _ in model.named_parameters()}, name)
    _require_complete(missing - unused, architecture, name)
    return model, set(loaded[1]["unexpected_keys"])


def _check_shapes(
    files: CheckpointFiles, found: type[PreTrainedModel], config: PretrainedConfig, name: str
) -> None:
    """Compare what the configuration announces with what is stored, before any of it is read."""
    stored = files.shapes()
    # each layer stores a tensor or more, so that more layers than tensors need not be tried
    for key, value in files.config.items():
        if key.endswith("layers") and isinstance(value, int) and value > len(stored):
            raise _misfit(name, f"{key} is {value:,}, and only {len(stored)} tensors are stored")
    held = sum(math.prod(shape) for shape in stored.values())
    # the masking vector is as long, and the library allocates it wherever it is told to build
    if config.hidden_size > held:
        raise _misfit(
            name,
            f"it announces a hidden size of {config.hidden_size:,}, and stores {held:,} numbers",
        )

    def build_empty(fields: Mapping[str, Any]) -> PreTrainedModel:
        with torch.device("meta"):
            return found._from_config(type(config).from_dict(dict(fields)))

    try:
        empty = build_empty(config.to_dict())
    except Exception as error:  # transformers raises many types for a bad field
        raise _bad_setting("config.json", files.config, build_empty, name, error) from error
    refuse_foreign_tensors(files.dtypes(), {key for key, _ in empty.named_parameters()}, name)
    for key, tensor in empty.state_dict().items():
        if key in stored and stored[key] != tuple(tensor.shape):
            raise _misfit(name, f"{key} has shape {stored[key]}, not {tuple(tensor.shape)}")
    announced = sum(parameter.numel() for parameter in empty.parameters())
    if announced > 2 * held:  # what is missing would be allocated before it is noticed
        raise _misfit(name, f"it announces {announced:,} parameters, and {held:,} are stored")


def _misfit(name: str, what: str) -> UserError:
    return UserError(
        f"The weights of {name} do not fit its configuration: {what}.",
        "Get a fresh copy of the checkpoint, or compress again.",
    )


def _require_complete(missing: set[str], architecture: Architecture, name: str) -> None:
    found = [_LAYER.match(key) for key in missing]
    if found and all(found):
        layers = {match[0] for match in found if match}
        raise UserError(
            f"{name} lacks {len(missing)} tensors of {len(layers)} layers that its config.json"
            " announces.",
            "Get a fresh copy of the checkpoint.",
            ", ".join(sorted(missing)),
        )
    if missing:
        head = " It may lack the speech recognition head." if "lm_head.weight" in missing else ""
        raise UserError(
            f"{name} lacks {len(missing)} of the tensors that {architecture.title} needs.{head}",
            "Choose a checkpoint that was fine-tuned for speech recognition.",
            ", ".join(sorted(missing)),
        )
