"""What exports to other runtimes share: the input they are checked on, what the check found."""

import importlib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from analysis.errors import UserError
from analysis.files import PROJECT
from analysis.models.modules import share_modules
from analysis.models.speech_model import SpeechModel
from analysis.speech.audio import SAMPLING_RATE, read_audio

TOLERANCE = 1e-4
"""Largest error that an export in float32 may have: norm of the difference to torch's float32
output, over that output's norm. Rounded weights are reported, not judged."""

CHECK_CLIP = PROJECT / "demo" / "clips" / "set.flac"
"""Synthesised speech that comes along: what exports are checked on."""


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison of an export with the model that it was made from.

    Parameters
    ----------
    output : str
        What was compared.
    error : float
        Norm of the difference over the norm of torch's output.
    precision : str
        Of the weights that were compared; in float32 the error is at most `TOLERANCE`.
    """

    output: str
    error: float
    precision: str


@dataclass(frozen=True, slots=True)
class Export:
    """A model as another runtime takes it.

    Parameters
    ----------
    folder : Path
    format : str
        See `EXPORT_FORMATS`.
    precision : str
        Of the stored weights.
    bytes : int
        Of all files in the folder.
    checks : tuple of Check
        An export that fails in float32 is not kept.
    """

    folder: Path
    format: str
    precision: str
    bytes: int
    checks: tuple[Check, ...]


def require(package: str) -> ModuleType:
    """Import a package that only exports need.

    Parameters
    ----------
    package : str

    Raises
    ------
    UserError
        When it is not installed.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise UserError(
            f"{package} is not installed.",
            "Install what exports need: pip install ctranslate2 onnx onnxruntime onnxscript.",
            str(error),
        ) from error


def float32_copy(model: SpeechModel) -> PreTrainedModel:
    """The model in float32 on the CPU, as a copy where it is not there already."""

    def convert(tensor: torch.Tensor) -> torch.Tensor:
        moved = tensor.detach().cpu()
        moved = moved.float() if moved.is_floating_point() else moved
        parameter = isinstance(tensor, nn.Parameter)
        return nn.Parameter(moved, requires_grad=False) if parameter else moved

    return share_modules(model.model, convert)


def check_input(model: SpeechModel, seconds: float = 3.0) -> np.ndarray:
    """Bundled speech as the model takes it: on noise, a model's output means nothing.

    Parameters
    ----------
    model : SpeechModel
    seconds : float
        Length of the clip; an encoder-decoder pads it to its window.

    Returns
    -------
    ndarray of float32, (1, mel bins, frames) or (1, samples)
    """
    samples = read_audio(CHECK_CLIP).samples[: round(seconds * SAMPLING_RATE)]
    features = model.processor.feature_extractor(
        samples, sampling_rate=SAMPLING_RATE, return_tensors="np"
    )
    found: np.ndarray = next(iter(features.values()))
    return found.astype(np.float32)


def compare_outputs(output: str, found: np.ndarray, expected: np.ndarray, precision: str) -> Check:
    """Measure the error of an output; in float32 refuse it beyond `TOLERANCE`.

    Parameters
    ----------
    output : str
        What is compared, for people.
    found, expected : ndarray
        Of the other runtime and of torch in float32.
    precision : str
        Of the weights behind `found`.

    Raises
    ------
    UserError
    """
    error = float(np.linalg.norm(found - expected) / np.linalg.norm(expected))
    if precision == "float32" and not error <= TOLERANCE:  # not-a-number fails as well
        raise UserError(
            f"The export's {output} differ from the model's by {error:.2%}, more than "
            f"{TOLERANCE:.2%}; it was not kept.",
            "Keep using transformers, and report this with the versions of the packages.",
        )
    return Check(output, error, precision)


def folder_bytes(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
