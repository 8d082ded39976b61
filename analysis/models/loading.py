"""Loading: a bundled demo, a local folder or a hub id becomes a read-only `SpeechModel`."""

import errno
import threading
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
import transformers
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from analysis.errors import UserError
from analysis.files import PROJECT, absolute
from analysis.models.architectures import ARCHITECTURES, Architecture
from analysis.models.building import build, load_processor, model_class, read_config
from analysis.models.checkpoint_files import PLAN_FILE, CheckpointFiles, inspect_folder
from analysis.models.companions import COMPANIONS, find_companions
from analysis.models.foreign import refuse_file, refuse_foreign
from analysis.models.generation_settings import check_generation
from analysis.models.quantising import INT8, quantise
from analysis.models.settings import (
    check_config,
    check_files,
    check_numbers,
    check_processor,
)
from analysis.models.speech_model import DTYPES, SpeechModel, available_devices, default_dtype
from analysis.models.unit_groups import UnitGroup, locate_groups, with_ranks
from analysis.models.unused_tensors import note_unused
from analysis.models.weight_hash import combine, remember
from analysis.plan.choices import RANKS
from analysis.plan.compression_plan import CompressionPlan
from analysis.plan.health import Health
from analysis.plan.training_record import TrainingRecord

# Progress is reported through callables and faults as `UserError`; the library's own bars and
# warnings would run into them.
transformers.utils.logging.disable_progress_bar()

transformers.utils.logging.set_verbosity_error()

DEMO_MODELS: Mapping[str, Path] = {
    "demo-whisper": PROJECT / "demo" / "whisper",
    "demo-hubert": PROJECT / "demo" / "hubert",
}
"""The bundled models, which need no network."""

_CHANGED_SINCE = (
    f"The weights were changed since {PLAN_FILE} was written, so that the check in it is not theirs"
    " and was left out; its plan may not be, either."
)

_DEMO_LICENCE = "apache-2.0"  # they were made for this project and come under its licence


# The library switches the process-wide default dtype and torch.nn.init while it builds a model; two
# threads at once may leave them switched for good.
_BUILDING = threading.Lock()


def load(
    source: str | Path,
    *,
    revision: str | None = None,
    device: str = "cpu",
    dtype: str | None = None,
) -> SpeechModel:
    """Load a speech recogniser.

    Parameters
    ----------
    source : str or Path
        A name of `DEMO_MODELS`, a folder in `save_pretrained` layout (also one that Coalesce
        wrote), or a hub id.
    revision : str, optional
        Branch, tag or commit of a hub id.
    device : {"cpu", "cuda", "mps"}
        Where to put the weights.
    dtype : {"float32", "float16", "bfloat16", "int8"}, optional
        Of the weights in memory, and in what is saved; by default what suits the device
        (`default_dtype`), and what is saved has the dtype of the checkpoint. "int8" is the dynamic
        quantisation of `analysis.models.quantising`, to recognise speech with and nothing else.

    Returns
    -------
    SpeechModel

    Raises
    ------
    UserError
        For an unknown family, a folder without weights, a truncated or pickled checkpoint, a hub
        id that cannot be reached, a device that is not there.
    """
    asked, dtype = dtype, dtype or default_dtype(device)
    if device not in available_devices():
        raise UserError(
            f"This machine has no {device}.", f"Choose one of {', '.join(available_devices())}."
        )
    if dtype not in (*DTYPES, INT8):
        raise UserError(f"dtype is {dtype!r}.", f"Choose one of {', '.join((*DTYPES, INT8))}.")
    folder, name, origin, revision = _resolve(str(source), revision)
    files = inspect_folder(folder, name)
    architecture = _architecture(files, name)
    check_files(files, name)
    config = read_config(files, architecture, name)
    check_config(config, architecture, name)
    processor = load_processor(files, architecture, config, name)
    noise = check_processor(processor, config, architecture, folder, name)
    numbers = DTYPES.get(dtype, torch.float32)
    with _BUILDING:
        model, unused = build(files, architecture, config, numbers, name)
        notes = check_generation(model, processor.tokenizer, name)
    digests, dtypes = files.digests(partial(check_numbers, dtype=numbers, name=name))
    remember(model, digests, dtypes)
    companions, carried = find_companions(folder)
    model = model.to(device)  # type: ignore[arg-type]
    model.eval().requires_grad_(False)
    weight_hash = combine(digests)
    is_described = files.described_hash in (None, weight_hash)
    plans = _read_plans(files, locate_groups(model, architecture), name)
    loaded = SpeechModel(
        model,
        processor,
        architecture,
        name=name,
        source=origin,
        revision=revision,
        weight_hash=weight_hash,
        plan=plans[-1] if plans else None,
        earlier_plans=tuple(plans[:-1]),
        training=tuple(TrainingRecord.from_dict(record, name) for record in files.training),
        health=Health.from_dict(files.health, name) if files.health and is_described else None,
        licence=files.licence or (_DEMO_LICENCE if origin in DEMO_MODELS else None),
        stored_dtype=None if asked else files.main_dtype(),
        notes=(
            *(*note_unused(unused), *noise, *notes, *carried),
            *([] if is_described else [_CHANGED_SINCE]),
        ),
        companions=companions,
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
        refuse_file(folder)
    if source and folder.is_symlink():
        absolute(folder)  # tells of links in a circle
        raise UserError(
            f"{source} is a link to {folder.readlink()}, which is not there.", "Mend the link."
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
    said = ARCHITECTURES[model_type]
    keys = files.shapes()
    stored = {family.title for family in ARCHITECTURES.values() if _holds(keys, family)}
    if stored and said.title not in stored:
        raise UserError(
            f"config.json of {name} calls it {said.title}, and its tensors are those of"
            f" {' or '.join(sorted(stored))}.",
            "Correct “model_type”, or get a fresh copy of config.json.",
        )
    return said


def _holds(keys: Iterable[str], family: Architecture) -> bool:
    """Whether layers are stored that are called as a family calls them."""
    layers = f"{model_class(family, merged=False).base_model_prefix}.encoder.layers."
    return any(key.startswith(layers) for key in keys)


def _read_plans(
    files: CheckpointFiles, groups: Sequence[UnitGroup], name: str
) -> list[CompressionPlan]:
    """The plans that a compressed checkpoint carries, if the last is the plan of these weights."""
    try:
        plans = [CompressionPlan.from_json(text) for text in files.plan_texts]
    except UserError as error:
        raise UserError(
            f"The plan in {PLAN_FILE} of {name} cannot be read: {error.message}",
            f"{error.remedy} Or delete that file.".strip(),
            error.detail,
        ) from error
    for group in with_ranks(groups) if plans else ():
        if group.inside and RANKS not in plans[-1].recipe.components:
            continue
        if plans[-1].n_clusters.get(group.id) != group.n_units:
            raise UserError(
                f"{PLAN_FILE} in {name} does not describe its weights: {group.id} has "
                f"{group.n_units} units, not {plans[-1].n_clusters.get(group.id)}.",
                "Delete that file or compress again.",
            )
    return plans


_TIMEOUT_S = 10

_SMALL_FILES = ["*.json", "*.txt", "*.model", "README.md"]  # the last states the licence


def download(repository: str, revision: str | None) -> tuple[Path, str | None]:
    """Fetch a checkpoint, or find it in the local hub cache.

    Parameters
    ----------
    repository : str
        Hub id, e.g. ``"openai/whisper-tiny"``.
    revision : str or None
        Branch, tag or commit; None is the default branch.

    Returns
    -------
    tuple of Path and str
        The snapshot's folder, and the commit that it is of.

    Raises
    ------
    UserError
        When the id or revision does not exist, is gated, holds no safetensors, or cannot be
        reached.
    """
    where = f"{repository}@{revision}" if revision else repository
    try:
        # model_info asks once; listing the files would retry for half a minute when offline
        info = HfApi().model_info(repository, revision=revision, timeout=_TIMEOUT_S)
        names = [sibling.rfilename for sibling in info.siblings or ()]
        patterns = [*_SMALL_FILES, *COMPANIONS, *_weight_patterns(names, where)]
        folder = snapshot_download(repository, revision=info.sha, allow_patterns=patterns)
        return Path(folder), info.sha
    except GatedRepoError as error:
        raise UserError(
            f"{where} is gated.", "Accept its terms on the hub and log in.", str(error)
        ) from error
    except (RepositoryNotFoundError, RevisionNotFoundError, HFValidationError) as error:
        raise UserError(
            f"There is no model {where}, neither a folder nor on the hub.",
            "Check the spelling and the revision; for a private model log in.",
            str(error),
        ) from error
    except UserError:
        raise
    except Exception as error:  # the HTTP library's own types, which change between releases
        cached = _cached(repository, revision)
        if cached is not None:
            return cached, cached.name
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise UserError(
                f"The disk is full; {where} was not downloaded.",
                "Free some space, or move the hub's cache (HF_HOME).",
                str(error),
            ) from error
        raise UserError(
            f"The hub cannot be reached for {where}; this machine is offline or behind a firewall.",
            "Use a bundled demo model, or download it elsewhere and give its folder.",
            f"{type(error).__name__}: {error}",
        ) from error


def _weight_patterns(names: list[str], where: str) -> list[str]:
    """The weight files to fetch: one file, else the shards of the index; other formats stay."""
    if not any(name.endswith(".bin") and "pytorch" in name for name in names):
        refuse_foreign(names, where)
    if "model.safetensors" in names:
        return ["model.safetensors"]
    if "model.safetensors.index.json" in names:
        return ["model-*.safetensors"]
    raise UserError(
        f"{where} holds no model.safetensors; other formats are pickled and can run any program.",
        "Choose a revision with safetensors (often refs/pr/…), or convert it where you trust it.",
        ", ".join(names[:20]),
    )


def _cached(repository: str, revision: str | None) -> Path | None:
    try:
        return Path(snapshot_download(repository, revision=revision, local_files_only=True))
    except (LocalEntryNotFoundError, OSError):
        return None
