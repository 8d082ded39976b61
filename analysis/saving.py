"""Writing a compressed model to a folder, whole or not at all."""

import errno
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError

from analysis import __version__
from analysis.checkpoint_files import PLAN_FILE
from analysis.checkpoints import SpeechModel
from analysis.errors import UserError
from analysis.footprint import footprint


def save(model: SpeechModel, folder: Path, *, overwrite: bool = False) -> Path:
    """Save a model in `save_pretrained` layout, with its plan in coalesce.json.

    Everything is written into a temporary sibling, which takes the folder's name at the end: a save
    that fails leaves what was there before.

    Parameters
    ----------
    model : SpeechModel
        Usually a compressed one.
    folder : Path
        Where to; the parent must exist.
    overwrite : bool
        Whether a checkpoint that is already there may be replaced.

    Returns
    -------
    Path
        The folder, absolute.

    Raises
    ------
    UserError
        When the folder is taken, cannot be written, or the disk is full.
    """
    folder = folder.expanduser().resolve()
    check_target(folder, overwrite=overwrite)
    temporary: Path | None = None
    try:
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        model.model.save_pretrained(temporary)
        model.processor.save_pretrained(temporary)
        if model.plan is not None:
            text = json.dumps(_describe(model), indent=2) + "\n"
            (temporary / PLAN_FILE).write_text(text, encoding="utf-8")
        temporary.chmod(0o755)  # mkdtemp makes private folders
        _put_in_place(temporary, folder)
    except (OSError, SafetensorError) as error:
        # safetensors has its own exception, which holds the number of the fault in its text only
        full = f"os error {errno.ENOSPC}" in str(error) or (
            isinstance(error, OSError) and error.errno == errno.ENOSPC
        )
        raise UserError(
            f"The disk is full; {folder.name} was not saved."
            if full
            else f"{folder} cannot be written.",
            "Free some space and save again." if full else "Choose another folder.",
            str(error),
        ) from error
    finally:
        if temporary is not None and temporary.exists():
            shutil.rmtree(temporary, ignore_errors=True)
    return folder


def check_target(folder: Path, *, overwrite: bool) -> None:
    """Refuse a folder that a model cannot be saved to, before anything is computed for it.

    Parameters
    ----------
    folder : Path
    overwrite : bool
        Whether a checkpoint that is already there may be replaced.

    Raises
    ------
    UserError
        When it is taken, or its parent does not exist.
    """
    folder = folder.expanduser().resolve()
    if not folder.parent.is_dir():
        raise UserError(f"There is no folder {folder.parent}.", "Make it first, or choose another.")
    if not folder.exists():
        return
    ours = folder.is_dir() and (folder / "config.json").is_file()
    empty = folder.is_dir() and not any(folder.iterdir())
    if not (empty or ours):
        raise UserError(
            f"{folder} exists and is no checkpoint; it is left alone.", "Choose another folder."
        )
    if ours and not overwrite:
        raise UserError(
            f"{folder} holds a checkpoint already.", "Choose another folder, or allow overwriting."
        )


def _put_in_place(temporary: Path, folder: Path) -> None:
    """Rename; what was there before is set aside first and put back if that fails."""
    if not folder.exists():
        temporary.replace(folder)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
    try:
        folder.replace(aside / folder.name)
        temporary.replace(folder)
    except OSError:
        if not folder.exists():
            (aside / folder.name).replace(folder)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _describe(model: SpeechModel) -> Mapping[str, Any]:
    """Content of coalesce.json: plan, sizes, and the versions that made it."""
    assert model.plan is not None
    cost = footprint(model)
    return {
        "coalesce": __version__,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "parameters": cost.parameters,
        "bytes": cost.bytes,
        "macs_per_second_of_audio": cost.macs,
        "plan": json.loads(model.plan.to_json()),
    }
