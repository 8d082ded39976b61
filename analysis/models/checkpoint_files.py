"""What lies in a checkpoint folder, checked before anything is built or allocated from it."""

import json
import math
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import metadata_load
from safetensors import SafetensorError, safe_open

from analysis.errors import UserError
from analysis.files import read_settings
from analysis.models.foreign import refuse_foreign
from analysis.models.weight_hash import tensor_digest
from analysis.plan.validation import TwiceError, read_once

PLAN_FILE = "coalesce.json"
"""The file in a compressed checkpoint that carries its plan."""

_MAX_HEADER_BYTES = 100_000_000  # the limit of the safetensors library itself
_DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
_MAX_COMPRESSIONS = 100  # in a row; each lost units, so that a longer list is no lineage


@dataclass(frozen=True, slots=True)
class CheckpointFiles:
    """A checkpoint folder whose files are there, whole and readable.

    Parameters
    ----------
    folder : Path
    config : mapping
        Content of config.json.
    weights : tuple of Path
        The safetensors files.
    plan_texts : tuple of str
        The plans inside coalesce.json as JSON text, the first compression first.
    training : tuple of mapping
        The training records inside coalesce.json, unchecked.
    health : mapping or None
        The health inside coalesce.json, unchecked.
    described_hash : str or None
        The hash of the weights that coalesce.json describes.
    generation_config : bool
        Whether there is a generation_config.json.
    licence : str or None
        What README.md says in its front matter, as the hub does: e.g. "apache-2.0".
    """

    folder: Path
    config: Mapping[str, Any]
    weights: tuple[Path, ...]
    plan_texts: tuple[str, ...]
    training: tuple[Mapping[str, Any], ...]
    health: Mapping[str, Any] | None
    described_hash: str | None
    generation_config: bool
    licence: str | None

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every stored tensor by name; reads the headers only."""
        return {key: tuple(file.get_slice(key).get_shape()) for file, key in _stored(self.weights)}

    def dtypes(self) -> dict[str, str]:
        """Dtype of every stored tensor by name, e.g. "F16"; reads the headers only."""
        return {key: file.get_slice(key).get_dtype() for file, key in _stored(self.weights)}

    def main_dtype(self) -> torch.dtype | None:
        """In which most numbers are stored, of those that a model is saved in."""
        held: Counter[str] = Counter()
        shapes = self.shapes()
        for key, dtype in self.dtypes().items():
            held[dtype] += math.prod(shapes[key])
        known = [(count, _DTYPES[dtype]) for dtype, count in held.items() if dtype in _DTYPES]
        return max(known, key=lambda pair: pair[0])[1] if known else None

    def digests(
        self, check: Callable[[str, torch.Tensor], None] | None = None
    ) -> tuple[dict[str, bytes], dict[str, str]]:
        """Digest and dtype of every stored tensor by name; see `analysis.models.weight_hash`.

        The same whatever dtype and device they are loaded to, and however they are split over
        files.

        Parameters
        ----------
        check : callable, optional
            Is shown every tensor by its name, while it is read anyway.
        """
        digests, dtypes = {}, {}
        for file, key in _stored(self.weights):
            tensor: torch.Tensor = file.get_tensor(key)
            if check is not None:
                check(key, tensor)
            digests[key], dtypes[key] = tensor_digest(tensor), str(tensor.dtype)
        return digests, dtypes


def _stored(weights: tuple[Path, ...]) -> Iterator[tuple[Any, str]]:
    """Every stored tensor as an open safetensors file and its name there."""
    for path in weights:
        with safe_open(path, framework="pt") as file:
            for key in file.keys():  # noqa: SIM118  (safe_open is no mapping)
                yield file, key


def inspect_folder(folder: Path, name: str) -> CheckpointFiles:
    """Check a checkpoint folder.

    Parameters
    ----------
    folder : Path
    name : str
        The model's name, for messages.

    Returns
    -------
    CheckpointFiles

    Raises
    ------
    UserError
        When config.json is missing or broken, there are no weights, they are pickled, or a file is
        cut short.
    """
    refuse_foreign([path.name for path in folder.iterdir()], name, folder)
    config = read_json(folder / "config.json", name)
    if config is None:
        raise UserError(f"{name} holds no config.json.", "Give a folder in save_pretrained layout.")
    weights = _find_weights(folder, name)
    for path in weights:
        _check_whole(path)
    found = read_json(folder / PLAN_FILE, name)
    carried = found or {}
    described_hash = carried.get("weight_hash")
    generation_config = (folder / "generation_config.json").is_file()
    return CheckpointFiles(
        folder=folder,
        config=config,
        weights=weights,
        plan_texts=() if found is None else _plan_texts(found, name),
        training=_training(carried, name),
        health=_health(carried, name),
        described_hash=described_hash if isinstance(described_hash, str) else None,
        generation_config=generation_config,
        licence=read_licence(folder),
    )


def read_licence(folder: Path) -> str | None:
    """The licence in the front matter of a folder's README.md, if it states one as the hub does."""
    try:
        licence = (metadata_load(folder / "README.md") or {}).get("license")
    except Exception:  # no file, no YAML, or any YAML that a stranger wrote
        return None
    return licence if isinstance(licence, str) else None


def _plan_texts(carried: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """The plans in coalesce.json: those of earlier compressions, then the one that made it."""
    earlier = carried.get("earlier_plans", [])
    plans = [*earlier, carried.get("plan")] if isinstance(earlier, list) else [None]
    if len(plans) > _MAX_COMPRESSIONS or not all(isinstance(plan, dict) for plan in plans):
        raise UserError(
            f"{PLAN_FILE} in {name} carries no plan.", "Delete that file or compress again."
        )
    return tuple(json.dumps(plan) for plan in plans)


def _training(carried: Mapping[str, Any], name: str) -> tuple[Mapping[str, Any], ...]:
    """The training records in coalesce.json."""
    records = carried.get("training", [])
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise UserError(
            f"“training” in {PLAN_FILE} of {name} is no list of records.",
            "Delete it, or get a fresh copy.",
        )
    return tuple(records)


def _health(carried: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """The health in coalesce.json, if it was measured."""
    found = carried.get("health")
    if found is not None and not isinstance(found, dict):
        raise UserError(
            f"“health” in {PLAN_FILE} of {name} cannot be read.", "Delete it, or get a fresh copy."
        )
    return found


def read_json(path: Path, name: str) -> dict[str, Any] | None:
    """Read a small JSON object.

    Parameters
    ----------
    path : Path
    name : str
        The model's name, for messages.

    Returns
    -------
    dict or None
        None where there is no such file.

    Raises
    ------
    UserError
        When it is no JSON object, or larger than any of its kind.
    """
    if not path.is_file():
        return None
    try:
        content = read_once(read_settings(path))
    except TwiceError as error:
        raise UserError(
            f"{path.name} of {name} says {error} twice.", "Take one of the two out of the file."
        ) from error
    except (ValueError, OSError, RecursionError) as error:
        raise UserError(
            f"{path.name} of {name} cannot be read as JSON.",
            "Get a fresh copy of the file.",
            str(error),
        ) from error
    if not isinstance(content, dict):
        raise UserError(f"{path.name} of {name} is not a JSON object.", "Get a fresh copy of it.")
    return content


def _find_weights(folder: Path, name: str) -> tuple[Path, ...]:
    """One safetensors file, or the shards that its index names."""
    single = folder / "model.safetensors"
    if single.is_file():
        return (single,)
    index = read_json(folder / "model.safetensors.index.json", name)
    if index is not None:
        named = index.get("weight_map")
        shards = set(named.values()) if isinstance(named, dict) else set()
        # a shard is a plain file name: an index must not point outside the folder
        if not all(isinstance(shard, str) and Path(shard).name == shard for shard in shards):
            raise UserError(
                f"The index of {name} names weight files outside of its folder.",
                "Get a fresh copy of the checkpoint.",
            )
        paths = tuple(folder / shard for shard in sorted(shards))
        missing = [path.name for path in paths if not path.is_file()]
        if missing or not paths:
            raise UserError(
                f"{name} lacks the weight files {', '.join(missing) or 'that its index names'}.",
                "Download the missing files.",
            )
        return paths
    raise UserError(f"{name} holds no weights.", "Put model.safetensors beside config.json.")


def _check_whole(path: Path) -> None:
    """Compare a safetensors file's length with what its header announces."""
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            (header_size,) = struct.unpack("<Q", file.read(8))
            if header_size > min(_MAX_HEADER_BYTES, size):
                raise ValueError(f"header of {header_size} bytes in a file of {size}")
            header = json.loads(file.read(header_size))
        ends = [entry["data_offsets"][1] for key, entry in header.items() if key != "__metadata__"]
        expected = 8 + header_size + max(ends, default=0)
    except (
        *(OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError),
        struct.error,
    ) as error:
        raise _not_whole(path, error) from error
    if size != expected:
        raise UserError(
            f"{path.name} is {'cut short' if size < expected else 'too long'}: "
            f"{size:,} bytes, not {expected:,}.",
            "Download it again.",
        )
    try:
        with safe_open(path, framework="pt"):
            pass  # the library checks that names, dtypes, shapes and places fit each other
    except (SafetensorError, OSError) as error:
        raise _not_whole(path, error) from error


def _not_whole(path: Path, error: Exception) -> UserError:
    return UserError(
        f"{path.name} is not a whole safetensors file.", "Download it again.", str(error)
    )
