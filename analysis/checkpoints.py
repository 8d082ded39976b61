"""Loading: a bundled demo, a local folder or a hub id becomes a read-only `SpeechModel`."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import transformers
from transformers import PretrainedConfig, PreTrainedModel, ProcessorMixin

from analysis.architectures import ARCHITECTURES, Architecture
from analysis.checkpoint_files import PLAN_FILE, CheckpointFiles, inspect_folder
from analysis.errors import UserError
from analysis.hub import download
from analysis.plan import CompressionPlan
from analysis.units import locate_groups, resize_group

if TYPE_CHECKING:
    from analysis.units import UnitGroup

# Progress is reported through callables and faults as `UserError`; the library's own bars and
# warnings would run into them.
transformers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()

_ROOT = Path(__file__).resolve().parent.parent

DEMO_MODELS: Mapping[str, Path] = {
    "demo-whisper": _ROOT / "demo" / "whisper",
    "demo-hubert": _ROOT / "demo" / "hubert",
}
"""The bundled models, which need no network."""

MERGED_UNITS = "merged_units"
"""Field of `config.json` that holds K of the unit groups that were made smaller, by group id."""

DTYPES: Mapping[str, torch.dtype] = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}


# The library switches the process-wide default dtype and torch.nn.init while it builds a model; two
# threads at once may leave them switched for good.
_BUILDING = threading.Lock()

# What some published checkpoints lack and only training reads: it masks stretches of the input.
_TRAINING_ONLY = "masked_spec_embed"


@dataclass(frozen=True, slots=True, eq=False)
class SpeechModel:
    """A speech recogniser, shared by all who use it and never changed.

    Parameters
    ----------
    model : PreTrainedModel
        In evaluation mode, without gradients.
    processor : ProcessorMixin
        Its feature extractor and tokenizer.
    architecture : Architecture
        The family.
    name : str
        For people.
    source : str
        What `load` was given: a demo's name, an absolute folder, a hub id.
    revision : str or None
        Commit of the hub id.
    weight_hash : str
        SHA-256 over the tensors as they are stored, hexadecimal; of a model that was compressed
        here, over the original's hash and the plan.
    plan : CompressionPlan or None
        The recipe, if this is a compressed model.
    lock : threading.Lock
        Held while the model infers.
    """

    model: PreTrainedModel
    processor: ProcessorMixin
    architecture: Architecture
    name: str
    source: str
    revision: str | None
    weight_hash: str
    plan: CompressionPlan | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.model.device

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights."""
        return self.model.dtype

    @property
    def config(self) -> PretrainedConfig:
        """The model's configuration."""
        return self.model.config


def available_devices() -> tuple[str, ...]:
    """Devices that this machine has: "cpu", and "cuda" and "mps" where present."""
    devices = ["cpu"]
    if torch.cuda.is_available():
        devices.append("cuda")
    if torch.backends.mps.is_available():
        devices.append("mps")
    return tuple(devices)


def default_dtype(device: str) -> str:
    """float16 on CUDA, float32 elsewhere, where half precision is slow or incomplete."""
    return "float16" if device == "cuda" else "float32"


def load(
    source: str,
    *,
    revision: str | None = None,
    device: str = "cpu",
    dtype: str | None = None,
) -> SpeechModel:
    """Load a speech recogniser.

    Parameters
    ----------
    source : str
        A name of `DEMO_MODELS`, a folder in `save_pretrained` layout (also one that Coalesce
        wrote), or a hub id.
    revision : str, optional
        Branch, tag or commit of a hub id.
    device : {"cpu", "cuda", "mps"}
        Where to put the weights.
    dtype : {"float32", "float16", "bfloat16"}, optional
        Of the weights; by default what suits the device (`default_dtype`).

    Returns
    -------
    SpeechModel

    Raises
    ------
    UserError
        For an unknown family, a folder without weights, a truncated or pickled checkpoint, a hub
        id that cannot be reached, a device that is not there.
    """
    dtype = dtype or default_dtype(device)
    if device not in available_devices():
        raise UserError(
            f"This machine has no {device}.", f"Choose one of {', '.join(available_devices())}."
        )
    if dtype not in DTYPES:
        raise UserError(f"dtype is {dtype!r}.", f"Choose one of {', '.join(DTYPES)}.")
    folder, name, origin, revision = _resolve(source, revision)
    files = inspect_folder(folder, name)
    architecture = _architecture(files, name)
    config = _read_config(files, architecture, name)
    processor = _load_processor(files, architecture, name)
    merged = getattr(config, MERGED_UNITS, None)
    with _BUILDING:
        model = (
            _load_merged(files, architecture, config, merged, DTYPES[dtype], name)
            if merged
            else _load_stock(files, architecture, DTYPES[dtype], name)
        )
    model = model.to(device)  # type: ignore[arg-type]
    model.eval().requires_grad_(False)
    plan = _read_plan(files, locate_groups(model, architecture), name)
    return SpeechModel(
        model, processor, architecture, name, origin, revision, files.hash_tensors(), plan
    )


def _resolve(source: str, revision: str | None) -> tuple[Path, str, str, str | None]:
    """Folder, name for people, canonical source and commit of what the person typed."""
    source = source.strip()
    if source in DEMO_MODELS:
        return DEMO_MODELS[source], source, source, None
    try:
        folder = Path(source).expanduser()
        # nothing typed is the path of the working directory, which nobody meant
        is_folder, exists = bool(source) and folder.is_dir(), bool(source) and folder.exists()
    except (OSError, RuntimeError, ValueError) as error:  # too long, unreadable, no such home
        raise UserError(
            f"{source[:80]!r} cannot be looked up.",
            "Give a shorter path, or one that you may read.",
            str(error),
        ) from error
    if is_folder:
        resolved = folder.resolve()
        return resolved, resolved.name, str(resolved), None
    if exists:
        raise UserError(
            f"{source} is a file, not a model.", "Give the folder that holds config.json."
        )
    looks_like_path = folder.is_absolute() or source.startswith((".", "~")) or source.count("/") > 1
    if looks_like_path or not source:
        raise UserError(
            f"There is no folder {source!r}.",
            f"Give {', '.join(DEMO_MODELS)}, a folder with config.json, or a hub id.",
        )
    snapshot, commit = download(source, revision)
    return snapshot, source, source, commit


def _architecture(files: CheckpointFiles, name: str) -> Architecture:
    model_type = files.config.get("model_type")
    if not isinstance(model_type, str) or model_type not in ARCHITECTURES:
        families = ", ".join(family.title for family in ARCHITECTURES.values())
        raise UserError(
            f"{name} is of the family {model_type!r}, which Coalesce does not know.",
            f"Choose a checkpoint of {families}.",
        )
    return ARCHITECTURES[model_type]


def _read_plan(
    files: CheckpointFiles, groups: Sequence["UnitGroup"], name: str
) -> CompressionPlan | None:
    """The plan that a compressed checkpoint carries, if it is the plan of these weights."""
    if files.plan_text is None:
        return None
    plan = CompressionPlan.from_json(files.plan_text)
    for group in groups:
        if plan.n_clusters.get(group.id) != group.n_units:
            raise UserError(
                f"{PLAN_FILE} in {name} does not describe its weights: {group.id} has "
                f"{group.n_units} units, not {plan.n_clusters.get(group.id)}.",
                "Delete that file or compress again.",
            )
    return plan


def _read_config(files: CheckpointFiles, architecture: Architecture, name: str) -> PretrainedConfig:
    model_class = getattr(transformers, architecture.model_class)
    try:
        return model_class.config_class.from_pretrained(files.folder, local_files_only=True)
    except Exception as error:  # transformers raises many types for a bad field
        raise _bad_configuration(name, error) from error


def _bad_configuration(name: str, error: Exception) -> UserError:
    return UserError(
        f"The configuration of {name} cannot be read.",
        "Get a fresh copy of config.json and generation_config.json.",
        f"{type(error).__name__}: {error}",
    )


def _load_processor(
    files: CheckpointFiles, architecture: Architecture, name: str
) -> ProcessorMixin:
    processor_class = getattr(transformers, architecture.processor_class)
    try:
        return processor_class.from_pretrained(files.folder, local_files_only=True)
    except Exception as error:  # each tokenizer and extractor has its own ways to fail
        raise UserError(
            f"{name} has no usable processor (feature extractor and tokenizer).",
            "Put preprocessor_config.json and the tokenizer's files beside config.json.",
            f"{type(error).__name__}: {error}",
        ) from error


def _load_stock(
    files: CheckpointFiles, architecture: Architecture, dtype: torch.dtype, name: str
) -> PreTrainedModel:
    model_class = getattr(transformers, architecture.model_class)
    try:
        model, info = model_class.from_pretrained(
            files.folder,
            dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    except Exception as error:  # size mismatches, bad fields: all mean the files disagree
        raise UserError(
            f"The weights of {name} do not fit its configuration.",
            "Get a fresh copy of the checkpoint.",
            f"{type(error).__name__}: {error}",
        ) from error
    missing = set(info["missing_keys"])
    unused = {key for key in missing if key.endswith(_TRAINING_ONLY)}
    for key in unused:
        # drawn at random otherwise, so that what is saved from it would differ each time
        model.get_parameter(key).data.zero_()
    _require_complete(missing - unused, architecture, name)
    return model


def _load_merged(
    files: CheckpointFiles,
    architecture: Architecture,
    config: PretrainedConfig,
    merged: Mapping[str, Any],
    dtype: torch.dtype,
    name: str,
) -> PreTrainedModel:
    """Load a checkpoint whose groups have shapes of their own: built on meta, then filled."""
    if not isinstance(merged, Mapping):
        raise UserError(
            f"The configuration of {name} has a {MERGED_UNITS} that is no table.",
            "The checkpoint is damaged; compress it again.",
        )
    model_class = getattr(transformers, architecture.model_class)
    try:
        with torch.device("meta"):
            model: PreTrainedModel = model_class._from_config(config, dtype=dtype)
        if files.generation_config and architecture.decoding == "seq2seq":
            model.generation_config = transformers.GenerationConfig.from_pretrained(files.folder)
    except Exception as error:  # transformers raises many types for a bad field
        raise _bad_configuration(name, error) from error
    groups: dict[str, UnitGroup] = {g.id: g for g in locate_groups(model, architecture)}
    for group_id, k in merged.items():
        fits = isinstance(k, int) and not isinstance(k, bool)
        if group_id not in groups or not fits or not 1 <= k <= groups[group_id].n_units:
            raise UserError(
                f"The configuration of {name} gives {group_id} the size {k!r}.",
                "The checkpoint is damaged; compress it again.",
            )
        resize_group(model, groups[group_id], k)
    shapes = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
    tensors = files.read_tensors(shapes, name)
    missing, _ = model.load_state_dict(
        {key: tensor.to(dtype) for key, tensor in tensors.items()}, strict=False, assign=True
    )
    model.tie_weights()
    left = {key for key, tensor in model.named_parameters() if tensor.is_meta}
    _require_complete(left & set(missing), architecture, name)
    return model


def _require_complete(missing: set[str], architecture: Architecture, name: str) -> None:
    if missing:
        head = " It may lack the speech recognition head." if "lm_head.weight" in missing else ""
        raise UserError(
            f"{name} lacks {len(missing)} of the tensors that {architecture.title} needs.{head}",
            "Choose a checkpoint that was fine-tuned for speech recognition.",
            ", ".join(sorted(missing)),
        )
