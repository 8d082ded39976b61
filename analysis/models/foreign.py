"""What is given for a checkpoint and is none: other formats, recognised by their files."""

import json
from collections.abc import Collection
from pathlib import Path

from analysis.errors import UserError

WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
"""The files of which a checkpoint has one."""

ADAPTER_FILE = "adapter_config.json"

PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".nemo")
"""Endings of files that can run any program when they are opened."""

MODEL_FILES = (*PICKLED, ".safetensors", ".gguf", ".onnx")
"""Endings of files that somebody means as a model, though a model is a folder here."""

_GGML = (b"lmgg", b"ggml", b"GGUF", b"tjgg")  # the first four bytes, in either order
_TAKE_ORIGINAL = "Give the checkpoint that it was made from, with its model.safetensors."


def refuse_foreign(names: Collection[str], name: str, folder: Path | None = None) -> None:
    """Refuse a folder that holds no checkpoint but something that can be told by its files.

    Parameters
    ----------
    names : collection of str
        Of the files in the folder.
    name : str
        Of the model, for messages.
    folder : Path, optional
        Where its files can be looked into.

    Raises
    ------
    UserError
        For an adapter, CTranslate2, ONNX, GGML and pickled weights; says what to give instead.
    """
    whole = any(file in names for file in WEIGHTS)
    if ADAPTER_FILE in names:
        base = _base_of(folder / ADAPTER_FILE) if folder else ""
        raise UserError(
            f"{name} carries an adapter (LoRA) that is not merged into its weights."
            if whole
            else f"{name} is an adapter (LoRA) of {base or 'another model'}, and no model.",
            "Merge it first: load both with peft, call merge_and_unload() and save_pretrained().",
        )
    if whole:
        return
    if "model.bin" in names and any(file.startswith("vocabulary.") for file in names):
        raise UserError(
            f"{name} is a CTranslate2 model (faster-whisper), which cannot be turned back.",
            _TAKE_ORIGINAL,
        )
    if any(file.endswith(".onnx") for file in names):
        raise UserError(f"{name} is an ONNX model, which cannot be turned back.", _TAKE_ORIGINAL)
    weights = sorted(file for file in names if file.endswith((*PICKLED, ".gguf")))
    for file in weights:
        if _is_ggml(file, folder / file if folder else None):
            raise _ggml(f"{name} holds {file}, which")
    if weights:
        raise UserError(
            f"The weights of {name} are pickled ({weights[0]}); a pickle can run any program.",
            "Convert it to safetensors where you trust it (model.save_pretrained), then load that.",
        )


def refuse_file(path: Path) -> None:
    """Refuse a file that was given for a model, by what it is.

    Raises
    ------
    UserError
        Always.
    """
    if _is_ggml(path.name, path):
        raise _ggml(path.name)
    if path.suffix in PICKLED:
        raise UserError(
            f"{path.name} is a pickled model, as openai-whisper and PyTorch write; a pickle can run"
            " any program.",
            "Give the same model in safetensors, e.g. openai/whisper-tiny of the hub, or convert it"
            " where you trust it and give the folder.",
        )
    raise UserError(f"{path} is a file, not a model.", "Give the folder that holds config.json.")


def _is_ggml(name: str, path: Path | None) -> bool:
    if name.endswith(".gguf") or (name.startswith("ggml-") and name.endswith(".bin")):
        return True
    if path is None or path.suffix not in (*PICKLED, ""):
        return False
    try:
        with path.open("rb") as file:
            return file.read(4) in _GGML
    except OSError:
        return False


def _ggml(what: str) -> UserError:
    return UserError(
        f"{what} is a GGML model (whisper.cpp), which cannot be turned back.", _TAKE_ORIGINAL
    )


def _base_of(path: Path) -> str:
    """The model that an adapter says it belongs to."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return ""
    base = content.get("base_model_name_or_path") if isinstance(content, dict) else None
    return base[:80] if isinstance(base, str) else ""
