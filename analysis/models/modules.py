"""A model's modules: a linear map by its path, a copy around the very same tensors."""

import copy
from collections.abc import Callable

import torch
from torch import nn
from transformers import PreTrainedModel

from analysis.errors import UserError


def linear_at(module: nn.Module, path: str) -> nn.Linear:
    """The linear map at `path`.

    Raises
    ------
    UserError
        When something else is there, e.g. a quantised layer.
    """
    found = module.get_submodule(path)
    if type(found).__module__.startswith("torch.ao."):
        raise UserError(
            "In int8 a model transcribes only: its units are read from unquantised weights.",
            "Load it with another dtype.",
        )
    if not isinstance(found, nn.Linear):
        raise UserError(
            f"{path} is a {type(found).__name__}, not a plain linear map.",
            "Load the checkpoint without quantisation or adapters.",
        )
    return found


def share_modules(
    model: PreTrainedModel, tensor_map: Callable[[torch.Tensor], torch.Tensor] | None = None
) -> PreTrainedModel:
    """Copy a model's modules and configuration around the very same tensors.

    Parameters
    ----------
    model : PreTrainedModel
    tensor_map : callable, optional
        Replaces each parameter and buffer; by default they are shared.

    Returns
    -------
    PreTrainedModel
    """
    tensors = (*model.parameters(), *model.buffers())
    memo = {id(tensor): tensor_map(tensor) if tensor_map else tensor for tensor in tensors}
    return copy.deepcopy(model, memo=memo)
