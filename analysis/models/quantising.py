"""Dynamic int8 for the CPU: the linear maps of a model with weights of one byte each.

PyTorch keeps each row's weights as int8 with a scale, and rounds what goes into the map while it
runs. It needs no data and no training. A map that shares its weights with the embedding stays as it
is: the embedding is needed anyway. A model in this form recognises speech; it can be neither
compressed nor saved: save the model it was made from, and take its int8 elsewhere as CTranslate2.
"""

import hashlib
import threading
import warnings
from dataclasses import replace

import torch
from torch import nn
from torch.ao.nn.quantized.dynamic import Linear as QuantisedLinear
from torch.ao.quantization import per_channel_dynamic_qconfig, quantize_dynamic
from transformers import PreTrainedModel

from analysis.errors import UserError
from analysis.models.modules import share_modules
from analysis.models.speech_model import SpeechModel

INT8 = "int8"
"""What this precision is called where a dtype is asked for."""

# PyTorch announces that its quantised tensors move to another package; the pinned versions have
# them, and whoever runs a command can do nothing about it.
warnings.filterwarnings("ignore", message=r"torch\.(quantize_per_|ao\.quantization is deprecated)")


def quantise(model: SpeechModel) -> SpeechModel:
    """Make a dynamically quantised model; the one it is made from stays as it is.

    Parameters
    ----------
    model : SpeechModel
        Original or compressed, on the CPU, in any dtype.

    Returns
    -------
    SpeechModel
        All that is not a linear map is shared with `model` where that is float32.

    Raises
    ------
    UserError
        On another device.
    """
    if model.device.type != "cpu":
        raise UserError("Dynamic int8 runs on the CPU only.", "Load the model on the CPU.")
    module = share_modules(model.model, _to_float32)
    embedded = {id(m.weight) for m in module.modules() if isinstance(m, nn.Embedding)}
    maps = {
        name: per_channel_dynamic_qconfig
        for name, child in module.named_modules()
        if type(child) is nn.Linear and id(child.weight) not in embedded
    }
    quantize_dynamic(module, maps, dtype=torch.qint8, inplace=True)
    digest = hashlib.sha256(f"{INT8} {model.weight_hash}".encode()).hexdigest()
    return replace(model, model=module, weight_hash=digest, health=None, lock=threading.Lock())


def is_quantised(module: PreTrainedModel) -> bool:
    """Whether a model came out of `quantise`."""
    return any(isinstance(child, QuantisedLinear) for child in module.modules())


def without_numbers(module: PreTrainedModel) -> PreTrainedModel:
    """A quantised model with plain linear maps of the same shapes, empty, on the meta device."""
    plain = share_modules(module)
    for name, child in module.named_modules():
        if isinstance(child, QuantisedLinear):
            bias = child.bias() is not None
            plain.set_submodule(
                name, nn.Linear(child.in_features, child.out_features, bias, device="meta")
            )
    return plain


def stored_bytes(module: PreTrainedModel) -> int:
    """Bytes of a quantised model: its int8 weights with scales and offsets, and all the rest."""
    total = sum(p.numel() * p.element_size() for p in module.parameters())
    for child in module.modules():
        if isinstance(child, QuantisedLinear):
            weight, bias = child.weight(), child.bias()
            parts = [weight, weight.q_per_channel_scales(), weight.q_per_channel_zero_points()]
            parts += [bias] if bias is not None else []
            total += sum(part.numel() * part.element_size() for part in parts)
    return total


def _to_float32(tensor: torch.Tensor) -> torch.Tensor:
    if tensor.dtype == torch.float32 or not tensor.is_floating_point():
        return tensor
    moved = tensor.detach().float()
    return nn.Parameter(moved, requires_grad=False) if isinstance(tensor, nn.Parameter) else moved
