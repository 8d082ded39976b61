"""A model as it leaves: the checkpoint or export that was chosen, in a folder or in one archive."""

import io
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from analysis.delivery.ctranslate2 import export_ctranslate2, most_heads
from analysis.delivery.export_checks import require
from analysis.delivery.model_card import Measurement
from analysis.delivery.onnx import PACKAGES as ONNX_PACKAGES
from analysis.delivery.onnx import export_onnx
from analysis.delivery.saving import save
from analysis.errors import UserError
from analysis.models.speech_model import SpeechModel
from analysis.plan.choices import EXPORT_FORMATS, EXPORT_PRECISIONS, SAVE_DTYPES

CHECKPOINT = "transformers"

FORMATS: Mapping[str, str] = {
    CHECKPOINT: "A checkpoint in save_pretrained layout, with its recipe and a model card.",
    **EXPORT_FORMATS,
}
"""What a model can leave as, in one sentence each."""

_PACKAGES: Mapping[str, tuple[str, ...]] = {
    "ctranslate2": ("ctranslate2",),
    "onnx": ONNX_PACKAGES,
}

_LEFT_OUT = 1980, 1, 1, 0, 0, 0  # no clock in the archive: the same model is the same file


def precisions(format_name: str) -> tuple[str, ...]:
    """Precisions that a format can be written in, the usual one first."""
    return {
        CHECKPOINT: tuple(SAVE_DTYPES),
        "ctranslate2": EXPORT_PRECISIONS,
        "onnx": ("float32",),
    }.get(format_name, ())


def require_format(model: SpeechModel, format_name: str) -> None:
    """Refuse a format that cannot hold a model, before anything is computed for it.

    Parameters
    ----------
    model : SpeechModel
    format_name : str
        See `FORMATS`.

    Raises
    ------
    UserError
        With the reason; also when a package that the format needs is not installed.
    """
    if format_name not in FORMATS:
        raise UserError(
            f"There is no format {format_name!r}.", f"Choose one of {', '.join(FORMATS)}."
        )
    if format_name == "ctranslate2":
        most_heads(model)
    for package in _PACKAGES.get(format_name, ()):
        require(package)


def deliver(
    model: SpeechModel,
    folder: Path,
    format_name: str,
    precision: str = "",
    *,
    overwrite: bool = False,
    measured: Sequence[Measurement] = (),
) -> Path:
    """Write a model in a format, whole or not at all.

    Parameters
    ----------
    model : SpeechModel
    folder : Path
        Where to; the parent must exist.
    format_name : str
        See `FORMATS`.
    precision : str
        Of the weights, one of `precisions`; by default the first.
    overwrite : bool
        Whether a model that is already there may be replaced.
    measured : sequence of Measurement
        Word error rates for the model card of a checkpoint.

    Returns
    -------
    Path
        The folder, absolute.

    Raises
    ------
    UserError
        When the format cannot hold the model, the folder is taken or the disk is full.
    """
    require_format(model, format_name)
    precision = precision or precisions(format_name)[0]
    if format_name == "ctranslate2":
        return export_ctranslate2(model, folder, precision=precision, overwrite=overwrite).folder
    if format_name == "onnx":
        return export_onnx(model, folder, overwrite=overwrite).folder
    return save(model, folder, dtype=precision, overwrite=overwrite, measured=measured)


def archive(
    model: SpeechModel,
    name: str,
    format_name: str = CHECKPOINT,
    precision: str = "",
    *,
    measured: Sequence[Measurement] = (),
) -> io.BufferedReader:
    """Write a model into a ZIP file, through the disk and never through memory.

    Parameters
    ----------
    model : SpeechModel
    name : str
        Of the one folder in the archive.
    format_name, precision, measured
        See `deliver`.

    Returns
    -------
    file
        Open at its start; it has no name and is gone when it is closed.

    Raises
    ------
    UserError
        See `deliver`.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = deliver(model, Path(scratch) / name, format_name, precision, measured=measured)
        packed = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  (its reader closes it)
        try:
            _pack(folder, name, packed)
        except OSError as error:
            packed.close()
            raise UserError(
                "The archive cannot be written.",
                "Free some space for temporary files and try again.",
                str(error),
            ) from error
    packed.seek(0)
    return io.BufferedReader(packed)


def _pack(folder: Path, name: str, packed: IO[bytes]) -> None:
    """All files of a folder, stored as they are: weights do not shrink."""
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as together:
        for path in sorted(folder.rglob("*")):
            if not path.is_file():
                continue
            entry = zipfile.ZipInfo(f"{name}/{path.relative_to(folder).as_posix()}", _LEFT_OUT)
            entry.external_attr = 0o644 << 16
            entry.file_size = path.stat().st_size  # beyond 4 GiB the format needs to know before
            with path.open("rb") as source, together.open(entry, "w") as target:
                while block := source.read(1 << 20):
                    target.write(block)
