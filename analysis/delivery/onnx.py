"""CTC models and Whisper's encoder as ONNX, checked with onnxruntime before they are kept."""

import contextlib
import io
import logging
import threading
import warnings
from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedModel

from analysis.delivery.export_checks import (
    Check,
    Export,
    check_input,
    compare_outputs,
    float32_copy,
    folder_bytes,
    require,
)
from analysis.delivery.saving import check_target
from analysis.files import absolute, atomic_folder
from analysis.models.speech_model import SpeechModel

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
"""What the export needs beside torch."""

# A protocol buffer holds 2 GiB; larger weights lie in a file beside the graph.
_MOST_BYTES_INSIDE = 1_900_000_000

# torch.export patches modules of the process while it traces.
_TRACING = threading.Lock()


class _FirstOutput(nn.Module):
    """A model whose forward pass takes and gives one tensor: logits, or hidden states."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.model(inputs)[0]
        return output


def export_onnx(model: SpeechModel, folder: Path, *, overwrite: bool = False) -> Export:
    """Export in float32, check the result, and keep it if it computes the same.

    The graph takes any batch size; a CTC model's also any length of audio. Each layer keeps its own
    number of heads and channels: ONNX holds any compressed model.

    Parameters
    ----------
    model : SpeechModel
        Original or compressed.
    folder : Path
        Where to; written whole or not at all. The graph is `model.onnx` (CTC: input_values →
        logits) or `encoder.onnx` (Whisper: input_features → last_hidden_state).
    overwrite : bool
        Whether a model that is already there may be replaced.

    Returns
    -------
    Export

    Raises
    ------
    UserError
        When the packages are not installed, or the graph computes something else.
    """
    for package in PACKAGES:
        require(package)
    folder = absolute(folder)
    check_target(folder, overwrite=overwrite)
    module = float32_copy(model)
    with atomic_folder(folder) as temporary:
        graph = temporary / graph_name(model)
        _trace(model, module, graph)
        module.config.save_pretrained(temporary)
        model.processor.save_pretrained(temporary)
        checks = _check(model, _plain(module), graph)
        size = folder_bytes(temporary)
    return Export(folder, "onnx", "float32", size, checks)


def graph_name(model: SpeechModel) -> str:
    """File name of the graph."""
    return "model.onnx" if model.architecture.decoding == "ctc" else "encoder.onnx"


def _plain(module: PreTrainedModel) -> nn.Module:
    encoder_only = module.config.is_encoder_decoder
    return _FirstOutput(module.get_encoder() if encoder_only else module).eval()


def _trace(model: SpeechModel, module: PreTrainedModel, graph: Path) -> None:
    ctc = model.architecture.decoding == "ctc"
    any_size = torch.export.Dim.DYNAMIC
    # a batch of one would be taken for a constant
    example = torch.from_numpy(check_input(model)).repeat(2, *[1] * (1 if ctc else 2))
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    with _TRACING, warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        logger.setLevel(logging.ERROR)  # it names every optional package that is not there
        try:
            program = torch.onnx.export(
                _plain(module),
                (example,),
                dynamo=True,
                dynamic_shapes=({0: any_size, 1: any_size} if ctc else {0: any_size},),
                input_names=["input_values" if ctc else "input_features"],
                output_names=["logits" if ctc else "last_hidden_state"],
                verbose=False,
            )
        finally:
            logger.setLevel(level)
    assert program is not None
    stored = sum(p.numel() * p.element_size() for p in module.parameters())
    program.save(str(graph), external_data=stored > _MOST_BYTES_INSIDE)


def _check(model: SpeechModel, expected: nn.Module, graph: Path) -> tuple[Check, ...]:
    """Two clips of other lengths than the one that was traced."""
    onnxruntime = require("onnxruntime")
    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    what = "logits" if model.architecture.decoding == "ctc" else "encoder outputs"
    checks = []
    for seconds in (1.5, 2.2):
        inputs = check_input(model, seconds)
        (found,) = session.run(None, {given.name: inputs})
        with torch.inference_mode():
            wanted = expected(torch.from_numpy(inputs)).numpy()
        checks.append(compare_outputs(f"{what} of {seconds} s", found, wanted, "float32"))
    return tuple(checks)
