"""What lies in a checkpoint folder, checked before anything is built or allocated from it."""

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from analysis.errors import UserError

PLAN_FILE = "coalesce.json"
"""The file in a compressed checkpoint that carries its plan."""

_PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_MAX_HEADER_BYTES = 100_000_000  # the limit of the safetensors library itself


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
    plan_text : str or None
        The plan inside coalesce.json, as JSON text.
    generation_config : bool
        Whether there is a generation_config.json.
    """

    folder: Path
    config: Mapping[str, Any]
    weights: tuple[Path, ...]
    plan_text: str | None
    generation_config: bool

    def hash_tensors(self) -> str:
        """SHA-256 over names, dtypes, shapes and bytes of the stored tensors.

        The same whatever dtype and device they are loaded to, and however they are split over
        files.

        Returns
        -------
        str
            64 hexadecimal digits.
        """
        where: dict[str, Path] = {}
        for path in self.weights:
            with safe_open(path, framework="pt") as file:
                where |= dict.fromkeys(file.keys(), path)
        digest = hashlib.sha256()
        for key, path in sorted(where.items()):
            with safe_open(path, framework="pt") as file:
                tensor = file.get_tensor(key)
            digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
        return digest.hexdigest()

    def read_tensors(
        self, shapes: Mapping[str, tuple[int, ...]], name: str
    ) -> dict[str, torch.Tensor]:
        """Read the tensors of a model, shapes checked before any is read.

        Parameters
        ----------
        shapes : mapping
            Expected shape by tensor name; others are left alone.
        name : str
            The model's name, for messages.

        Raises
        ------
        UserError
            When a tensor has another shape.
        """
        tensors: dict[str, torch.Tensor] = {}
        for path in self.weights:
            with safe_open(path, framework="pt") as file:
                for key in file.keys():  # noqa: SIM118  (safe_open is no mapping)
                    if key not in shapes:
                        continue
                    shape = tuple(file.get_slice(key).get_shape())
                    if shape != shapes[key]:
                        raise UserError(
                            f"{key} in {name} has shape {shape}, not {shapes[key]}.",
                            "Weights and configuration do not belong together; compress again.",
                        )
                    tensors[key] = file.get_tensor(key)
        return tensors


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
    config = _read_json(folder / "config.json", name)
    if config is None:
        raise UserError(f"{name} holds no config.json.", "Give a folder in save_pretrained layout.")
    weights = _find_weights(folder, name)
    for path in weights:
        _check_whole(path)
    carried = _read_json(folder / PLAN_FILE, name)
    plan_text = None
    if carried is not None:
        if not isinstance(carried.get("plan"), dict):
            raise UserError(
                f"{PLAN_FILE} in {name} carries no plan.", "Delete that file or compress again."
            )
        plan_text = json.dumps(carried["plan"])
    generation_config = (folder / "generation_config.json").is_file()
    return CheckpointFiles(folder, config, weights, plan_text, generation_config)


def _read_json(path: Path, name: str) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
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
    index = _read_json(folder / "model.safetensors.index.json", name)
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
    pickled = sorted(p.name for p in folder.iterdir() if p.suffix in _PICKLED)
    if pickled:
        raise UserError(
            f"The weights of {name} are pickled ({pickled[0]}); a pickle can run any program.",
            "Convert it to safetensors where you trust it (model.save_pretrained), then load that.",
        )
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
        raise UserError(
            f"{path.name} is not a whole safetensors file.", "Download it again.", str(error)
        ) from error
    if size != expected:
        raise UserError(
            f"{path.name} is {'cut short' if size < expected else 'too long'}: "
            f"{size:,} bytes, not {expected:,}.",
            "Download it again.",
        )
