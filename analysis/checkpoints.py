"""Loading: a bundled demo, a local folder or a hub id becomes a read-only `SpeechModel`."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import transformers
from transformers import PretrainedConfig, PreTrainedModel, ProcessorMixin

from analysis.architectures import ARCHITECTURES, Architecture
from analysis.building import build, load_processor, read_config
from analysis.checkpoint_files import PLAN_FILE, CheckpointFiles, inspect_folder
from analysis.errors import UserError
from analysis.hub import download
from analysis.plan import CompressionPlan
from analysis.quantising import INT8, quantise
from analysis.training_record import TrainingRecord
from analysis.units import locate_groups
from analysis.weight_hash import combine, remember

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

_DEMO_LICENCE = "apache-2.0"  # they were made for this project and come under its licence

DTYPES: Mapping[str, torch.dtype] = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}


# The library switches the process-wide default dtype and torch.nn.init while it builds a model; two
# threads at once may leave them switched for good.
_BUILDING = threading.Lock()


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
        here, as they would be stored.
    plan : CompressionPlan or None
        The recipe, if this is a compressed model.
    earlier_plans : tuple of CompressionPlan
        Where a compressed model was compressed again: the recipes before `plan`, first one first.
    training : tuple of TrainingRecord
        Training that it went through here, first run first.
    licence : str or None
        Of the weights, where their source states one, e.g. "apache-2.0".
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
    earlier_plans: tuple[CompressionPlan, ...] = ()
    training: tuple[TrainingRecord, ...] = ()
    licence: str | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def lineage(self) -> tuple[CompressionPlan, ...]:
        """All recipes that made this model, in the order in which they were applied."""
        return (*self.earlier_plans, self.plan) if self.plan is not None else ()

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
    dtype : {"float32", "float16", "bfloat16", "int8"}, optional
        Of the weights; by default what suits the device (`default_dtype`). "int8" is the dynamic
        quantisation of `analysis.quantising`, to recognise speech with and nothing else.

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
    if dtype not in (*DTYPES, INT8):
        raise UserError(f"dtype is {dtype!r}.", f"Choose one of {', '.join((*DTYPES, INT8))}.")
    folder, name, origin, revision = _resolve(source, revision)
    files = inspect_folder(folder, name)
    architecture = _architecture(files, name)
    config = read_config(files, architecture, name)
    processor = load_processor(files, architecture, config, name)
    with _BUILDING:
        model = build(files, architecture, config, DTYPES.get(dtype, torch.float32), name)
    digests, dtypes = files.digests()
    remember(model, digests, dtypes)
    model = model.to(device)  # type: ignore[arg-type]
    model.eval().requires_grad_(False)
    plans = _read_plans(files, locate_groups(model, architecture), name)
    loaded = SpeechModel(
        model,
        processor,
        architecture,
        name,
        origin,
        revision,
        combine(digests),
        plans[-1] if plans else None,
        tuple(plans[:-1]),
        tuple(TrainingRecord.from_dict(record, name) for record in files.training),
        files.licence or (_DEMO_LICENCE if origin in DEMO_MODELS else None),
    )
    return quantise(loaded) if dtype == INT8 else loaded


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


def _read_plans(
    files: CheckpointFiles, groups: Sequence["UnitGroup"], name: str
) -> list[CompressionPlan]:
    """The plans that a compressed checkpoint carries, if the last is the plan of these weights."""
    plans = [CompressionPlan.from_json(text) for text in files.plan_texts]
    for group in groups if plans else ():
        if plans[-1].n_clusters.get(group.id) != group.n_units:
            raise UserError(
                f"{PLAN_FILE} in {name} does not describe its weights: {group.id} has "
                f"{group.n_units} units, not {plans[-1].n_clusters.get(group.id)}.",
                "Delete that file or compress again.",
            )
    return plans
