"""Writing a compressed model to a folder, whole or not at all."""

import json
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fnmatch import fnmatch
from itertools import count
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn
from transformers import PreTrainedModel

from analysis import __version__
from analysis.compression.stock import stock_widths
from analysis.delivery.model_card import Measurement, model_card
from analysis.errors import UserError
from analysis.files import absolute, atomic_folder, clear_leftovers
from analysis.models.building import MERGED_RANKS, MERGED_UNITS, model_class
from analysis.models.checkpoint_files import PLAN_FILE
from analysis.models.companions import COMPANIONS, copy_companion
from analysis.models.footprint import footprint
from analysis.models.modules import share_modules
from analysis.models.quantising import is_quantised
from analysis.models.speech_model import DTYPES, SpeechModel, dtype_name
from analysis.models.weight_hash import model_hash
from analysis.plan.choices import SAVE_DTYPES, STORED

# What a saved or exported model consists of; all else in its folder is a person's own.
_PARTS = (
    *("*config.json", "*.safetensors", "*.safetensors.index.json", PLAN_FILE, "README.md"),
    *("tokenizer.json", "vocab.json", "merges.txt", "normalizer.json", "added_tokens.json"),
    *("special_tokens_map.json", "vocabulary.json", "model.bin", "*.onnx", "*.onnx.data"),
    "modeling_merged_units.py",  # which transformers copies from here
    *COMPANIONS,
)


def save(
    model: SpeechModel,
    folder: str | Path,
    *,
    dtype: str = STORED,
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
    folder : str or Path
        Where to; the parent must exist.
    dtype : {"stored", "float32", "float16", "bfloat16"}
        Of the weights in the file; see `analysis.plan.choices.SAVE_DTYPES`.
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
    folder = absolute(folder)
    check_target(folder, overwrite=overwrite)
    with atomic_folder(folder) as temporary:
        write_checkpoint(in_dtype(model, dtype), temporary, measured=measured)
    return folder


def free_place(folder: Path, *, overwrite: bool) -> Path:
    """Where a result can go whose place was free when its making began.

    Parameters
    ----------
    folder : Path
    overwrite : bool
        As `save` has it.

    Returns
    -------
    Path
        The folder; where something took it meanwhile, the first free one of `NAME-2`, `NAME-3`.
    """
    try:
        check_target(folder, overwrite=overwrite)
    except UserError:
        numbered = (folder.with_name(f"{folder.name}-{number}") for number in count(2))
        return next(path for path in numbered if not path.exists())
    return folder


def in_dtype(model: SpeechModel, dtype: str) -> SpeechModel:
    """A model that is to be saved in a dtype; in memory it stays as it is.

    Parameters
    ----------
    model : SpeechModel
    dtype : str
        Of `analysis.plan.choices.SAVE_DTYPES`.

    Raises
    ------
    UserError
        For a dtype that there is not.
    """
    if dtype not in SAVE_DTYPES:
        raise UserError(
            f"A checkpoint cannot be saved as {dtype!r}.",
            f"Choose one of {', '.join(SAVE_DTYPES)}.",
        )
    return model if dtype == STORED else replace(model, stored_dtype=DTYPES[dtype])


def _converted(model: SpeechModel) -> SpeechModel:
    """A model whose numbers lie in memory as they are to be saved."""
    wanted = model.saved_dtype
    tensors = [*model.model.parameters(), *model.model.buffers()]
    if all(tensor.dtype == wanted for tensor in tensors if tensor.is_floating_point()):
        return model

    def convert(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.dtype == wanted or not tensor.is_floating_point():
            return tensor
        moved = tensor.detach().to(wanted)
        if tensor.isfinite().all() and not moved.isfinite().all():
            raise UserError(
                f"{model.name} holds numbers that are too large for {dtype_name(wanted)}.",
                "Save it as float32 or bfloat16.",
            )
        return nn.Parameter(moved, requires_grad=False) if _is_weight(tensor) else moved

    module = share_modules(model.model, convert)
    return replace(model, model=module, weight_hash=model_hash(module), lock=threading.Lock())


def _is_weight(tensor: torch.Tensor) -> bool:
    return isinstance(tensor, nn.Parameter)


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
    model = _converted(model)
    with _refusing(model):
        _storable(model).save_pretrained(folder)
        model.processor.save_pretrained(folder)
    for weights in folder.glob("*.safetensors"):
        weights.chmod(0o644)  # safetensors makes private files; the others can be read by all
    for companion in model.companions:
        copy_companion(companion, folder)
    _drop_foreign_code(folder)
    (folder / "README.md").write_text(model_card(model, measured), encoding="utf-8")
    if model.plan is not None:
        text = json.dumps(_describe(model), indent=2) + "\n"
        (folder / PLAN_FILE).write_text(text, encoding="utf-8")


@contextmanager
def _refusing(model: SpeechModel) -> Iterator[None]:
    """Tell settings that transformers does not save: contradictions, names that point elsewhere."""
    try:
        yield
    except ValueError as error:
        raise UserError(
            f"The settings of {model.name} cannot be saved.",
            "Correct the generation_config.json or the tokenizer_config.json of the original.",
            str(error),
        ) from error


def check_settings(model: SpeechModel) -> None:
    """Refuse a model whose settings could not be saved, before anything is computed for it.

    Parameters
    ----------
    model : SpeechModel

    Raises
    ------
    UserError
    """
    settings = getattr(model.model, "generation_config", None)
    with tempfile.TemporaryDirectory() as scratch, _refusing(model):
        model.config.save_pretrained(scratch)
        model.processor.save_pretrained(scratch)
        if settings is not None:
            settings.save_pretrained(scratch)


def check_target(folder: str | Path, *, overwrite: bool) -> None:
    """Refuse a folder that a model cannot be saved to, before anything is computed for it.

    Parameters
    ----------
    folder : str or Path
    overwrite : bool
        Whether a checkpoint that is already there may be replaced.

    Raises
    ------
    UserError
        When it is taken, or its parent does not exist.
    """
    folder = absolute(folder)
    if not folder.parent.is_dir():
        raise UserError(f"There is no folder {folder.parent}.", "Make it first, or choose another.")
    clear_leftovers(folder.parent)
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
    others = [path.name for path in sorted(folder.iterdir()) if not _is_part(path)]
    if others:
        listed = f"{', '.join(others[:5])}{' …' if len(others) > 5 else ''}"
        raise UserError(
            f"{folder} holds more than a saved model, which would be lost: {listed}.",
            "Move it away, or choose another folder.",
        )


def _is_part(path: Path) -> bool:
    """Whether a file beside config.json is one of a saved or exported model."""
    return any(fnmatch(path.name, pattern.removesuffix("/*")) for pattern in _PARTS)


def _storable(model: SpeechModel) -> PreTrainedModel:
    """The same tensors under the class and the configuration that will read them back."""
    module = share_modules(model.model)
    widths = stock_widths(model)
    module.__class__ = model_class(model.architecture, merged=widths is None)
    config = module.config
    if hasattr(config, "auto_map"):  # code of the original, which does not come along
        del config.auto_map
    if widths is not None:
        for field in (MERGED_UNITS, MERGED_RANKS):
            if hasattr(config, field):
                delattr(config, field)
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
    """Content of coalesce.json: plans, health, training, sizes, and the versions that made it."""
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
        "plan": model.plan.to_dict(),
        "health": model.health.to_dict() if model.health else None,
        "earlier_plans": [plan.to_dict() for plan in model.earlier_plans],
        "training": [record.to_dict() for record in model.training],
    }
