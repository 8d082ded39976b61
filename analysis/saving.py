"""Writing a compressed model to a folder, whole or not at all."""

import errno
import json
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import torch
import transformers
from safetensors import SafetensorError
from transformers import PreTrainedModel

from analysis import __version__
from analysis.building import MERGED_UNITS, model_class
from analysis.checkpoint_files import PLAN_FILE
from analysis.checkpoints import SpeechModel
from analysis.errors import UserError
from analysis.footprint import footprint
from analysis.model_card import Measurement, model_card
from analysis.quantising import is_quantised
from analysis.stock import stock_widths
from analysis.units import share_modules


def save(
    model: SpeechModel,
    folder: Path,
    *,
    overwrite: bool = False,
    measured: Sequence[Measurement] = (),
) -> Path:
    """Save a model in `save_pretrained` layout, with its plan in coalesce.json and a model card.

    A model that stock classes can express is saved as one of theirs; any other takes the file with
    its model class along. Everything is written into a temporary sibling, which takes the folder's
    name at the end: a save that fails, or is killed, leaves what was there before.

    Parameters
    ----------
    model : SpeechModel
        Usually a compressed one.
    folder : Path
        Where to; the parent must exist.
    overwrite : bool
        Whether a checkpoint that is already there may be replaced.
    measured : sequence of Measurement
        Word error rates for the model card.

    Returns
    -------
    Path
        The folder, absolute.

    Raises
    ------
    UserError
        When the folder is taken, cannot be written, the disk is full, or the model is quantised.
    """
    if is_quantised(model.model):
        raise UserError(
            "A quantised model cannot be saved as a checkpoint.",
            "Save the model it was made from, or export that to CTranslate2 in int8.",
        )
    folder = folder.expanduser().resolve()
    check_target(folder, overwrite=overwrite)
    with atomic_folder(folder) as temporary:
        write_checkpoint(model, temporary, measured=measured)
    return folder


def replace_text(path: Path, text: str) -> None:
    """Write a file through a temporary sibling, so that it is never there in half."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def write_checkpoint(
    model: SpeechModel, folder: Path, *, measured: Sequence[Measurement] = ()
) -> None:
    """Write all files of a checkpoint into an empty folder; see `save`.

    Parameters
    ----------
    model : SpeechModel
    folder : Path
    measured : sequence of Measurement
    """
    try:
        _storable(model).save_pretrained(folder)
        model.processor.save_pretrained(folder)
    except ValueError as error:  # settings that contradict, names that point out of the folder
        raise UserError(
            f"The settings of {model.name} cannot be saved.",
            "Correct the generation_config.json or the tokenizer_config.json of the original.",
            str(error),
        ) from error
    _drop_foreign_code(folder)
    (folder / "README.md").write_text(model_card(model, measured), encoding="utf-8")
    if model.plan is not None:
        text = json.dumps(_describe(model), indent=2) + "\n"
        (folder / PLAN_FILE).write_text(text, encoding="utf-8")


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
    _clear_leftovers(folder)
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


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """A temporary sibling to write into, which becomes `folder` when all went well.

    Parameters
    ----------
    folder : Path
        Absolute.

    Raises
    ------
    UserError
        When it cannot be written, or the disk is full.
    """
    temporary: Path | None = None
    try:
        temporary = _sibling(folder, "new")
        yield temporary
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


def _sibling(folder: Path, purpose: str) -> Path:
    """A new folder beside `folder`, named after the process that writes it."""
    owner = f"{platform.node()}-{os.getpid()}"
    return Path(tempfile.mkdtemp(prefix=f".{folder.name}.{purpose}-{owner}-", dir=folder.parent))


def _put_in_place(temporary: Path, folder: Path) -> None:
    """Rename; what was there before is set aside first and put back if that fails."""
    if not folder.exists():
        temporary.replace(folder)
        return
    aside = _sibling(folder, "old")
    try:
        folder.replace(aside / folder.name)
        temporary.replace(folder)
    except OSError:
        if not folder.exists():
            (aside / folder.name).replace(folder)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _clear_leftovers(folder: Path) -> None:
    """Undo what a killed save of this machine left beside `folder`."""
    owner = re.escape(platform.node())
    pattern = re.compile(rf"\.{re.escape(folder.name)}\.(new|old)-{owner}-(\d+)-\w+")
    for path in folder.parent.iterdir():
        found = pattern.fullmatch(path.name)
        if found is None or psutil.pid_exists(int(found[2])):
            continue
        before = path / folder.name
        if found[1] == "old" and before.exists() and not folder.exists():
            before.replace(folder)  # killed between the two renames
        shutil.rmtree(path, ignore_errors=True)


def _storable(model: SpeechModel) -> PreTrainedModel:
    """The same tensors under the class and the configuration that will read them back."""
    module = share_modules(model.model)
    widths = stock_widths(model)
    module.__class__ = model_class(model.architecture, merged=widths is None)
    config = module.config
    if hasattr(config, "auto_map"):  # code of the original, which does not come along
        del config.auto_map
    if widths is not None:
        if hasattr(config, MERGED_UNITS):
            delattr(config, MERGED_UNITS)
        for field, width in widths.items():
            setattr(config, field, width)
    return module


def _drop_foreign_code(folder: Path) -> None:
    """Take the original's pointers to code for its processor out of the files just written.

    That code was not run here and does not come along; whoever trusts this folder's model class
    must not run it either.
    """
    for path in folder.glob("*_config.json"):  # config.json names code that is beside it
        content = json.loads(path.read_text(encoding="utf-8"))
        parts = [part for part in (content, *content.values()) if isinstance(part, dict)]
        if [part for part in parts if part.pop("auto_map", None) is not None]:
            path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")


def _describe(model: SpeechModel) -> Mapping[str, Any]:
    """Content of coalesce.json: plans, training, sizes, and the versions that made it."""
    assert model.plan is not None
    cost = footprint(model)
    return {
        "coalesce": __version__,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "parameters": cost.parameters,
        "bytes": cost.bytes,
        "macs_per_second_of_audio": cost.macs,
        "weight_hash": model.weight_hash,
        "plan": json.loads(model.plan.to_json()),
        "earlier_plans": [json.loads(plan.to_json()) for plan in model.earlier_plans],
        "training": [record.to_dict() for record in model.training],
    }
