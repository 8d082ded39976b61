"""The weights of a group of units: read, resized, written.

An FFN channel is treated as a head with one row, so that one piece of code serves both: a unit
owns `rows` rows of each input projection (Q, K, V; or the FFN's first matrix), their biases, and
`rows` columns of the output projection (O; or the FFN's second matrix). A rank owns one row of Q
and K in every head, and no column.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from analysis.models.architectures import Attention
from analysis.models.modeling_merged_units import RankedLinear
from analysis.models.modules import linear_at
from analysis.models.unit_groups import UnitGroup


@dataclass(frozen=True, slots=True, eq=False)
class UnitWeights:
    """The weights of a group with the unit axis first; n units of `rows` rows, hidden size d.

    Parameters
    ----------
    inputs : mapping of str to Tensor
        Role → (n, rows, d); queries and keys of heads that lost ranks have fewer rows.
    biases : mapping of str to Tensor
        Role → (n, rows); a role without bias (Whisper's key) is absent.
    output : Tensor
        (n, rows, d): the columns of the output projection, as rows; (n, rows, 0) for ranks.
    output_bias : Tensor or None
        (d,): replaces the bias of the output projection, which belongs to no unit; None leaves it.
    """

    inputs: Mapping[str, torch.Tensor]
    biases: Mapping[str, torch.Tensor]
    output: torch.Tensor
    output_bias: torch.Tensor | None = None

    @property
    def n_units(self) -> int:
        """Units held."""
        return int(self.output.shape[0])

    def take(self, index: torch.Tensor) -> "UnitWeights":
        """The units at `index`."""
        return UnitWeights(
            {role: weight[index] for role, weight in self.inputs.items()},
            {role: bias[index] for role, bias in self.biases.items()},
            self.output[index],
        )

    def clone(self) -> "UnitWeights":
        """A copy that can be written to."""
        return UnitWeights(
            {role: weight.clone() for role, weight in self.inputs.items()},
            {role: bias.clone() for role, bias in self.biases.items()},
            self.output.clone(),
        )

    def vectors(self) -> torch.Tensor:
        """Concatenate all that a unit owns: (n, unit_dim)."""
        parts = [*self.inputs.values(), *self.biases.values(), self.output]
        return torch.cat([part.reshape(self.n_units, -1) for part in parts], dim=1)


def read_units(module: nn.Module, group: UnitGroup) -> UnitWeights:
    """Copy a group's weights out of a model, in float32.

    Parameters
    ----------
    module : torch.nn.Module
        The model; it stays as it is.
    group : UnitGroup

    Returns
    -------
    UnitWeights
        On the model's device.
    """
    n, rows = group.n_units, group.rows
    inputs: dict[str, torch.Tensor] = {}
    biases: dict[str, torch.Tensor] = {}
    for role, path in group.input_paths.items():
        linear = linear_at(module, path)
        weight = linear.weight.detach().float()
        bias = linear.bias.detach().float() if linear.bias is not None else None
        if group.inside:  # the heads' rows lie together
            inputs[role] = weight.reshape(rows, n, -1).transpose(0, 1)
        else:
            inputs[role] = weight.reshape(n, len(weight) // n, -1)
        if bias is not None:
            biases[role] = bias.reshape(rows, n).T if group.inside else bias.reshape(n, -1)
    if group.inside:
        return UnitWeights(inputs, biases, weight.new_empty(n, rows, 0))
    weight = linear_at(module, group.output_path).weight.detach().float()
    output = weight.reshape(-1, n, rows).permute(1, 2, 0)
    return UnitWeights(inputs, biases, output)


def resize_group(module: nn.Module, group: UnitGroup, n_units: int) -> None:
    """Give a group room for `n_units` units, with weights on the meta device.

    Parameters
    ----------
    module : torch.nn.Module
        A model of one's own: its projections are replaced.
    group : UnitGroup
        The group as it is before.
    n_units : int
        Units afterwards; `head_dim` stays.
    """
    for path in group.input_paths.values():
        old = linear_at(module, path)
        ranks, n_heads, head_dim = 0, n_units, group.rows
        if isinstance(old, RankedLinear):
            ranks, head_dim = old.ranks, old.head_dim
        if group.inside:
            n_heads, ranks = group.rows, n_units
            head_dim = head_dim if isinstance(old, RankedLinear) else group.n_units
        options: dict[str, Any] = {
            "bias": old.bias is not None,
            "device": "meta",
            "dtype": old.weight.dtype,
        }
        if ranks and ranks < head_dim:
            new: nn.Linear = RankedLinear(old.in_features, n_heads, ranks, head_dim, **options)
        else:
            new = nn.Linear(old.in_features, n_heads * head_dim, **options)
        module.set_submodule(path, new.requires_grad_(False))
    if group.inside:
        return
    old = linear_at(module, group.output_path)
    width = n_units * group.rows
    new = nn.Linear(width, old.out_features, old.bias is not None, "meta", old.weight.dtype)
    new.bias = old.bias
    module.set_submodule(group.output_path, new.requires_grad_(False))
    if isinstance(group.spec, Attention):
        attention = module.get_submodule(f"{group.layer_path}.{group.spec.module}")
        setattr(attention, group.spec.n_heads, n_units)


def write_units(module: nn.Module, group: UnitGroup, weights: UnitWeights) -> None:
    """Replace a group's projections by new ones that hold `weights`.

    The output bias stays the original's tensor, unless `weights` brings another.

    Parameters
    ----------
    module : torch.nn.Module
        A model of one's own; tensors that it shares with another model are not written to.
    group : UnitGroup
        The group as it is before.
    weights : UnitWeights
        Cast to the dtype of the projections that they replace.
    """
    dtype = linear_at(module, group.output_path).weight.dtype
    resize_group(module, group, weights.n_units)

    def parameter(tensor: torch.Tensor) -> nn.Parameter:
        return nn.Parameter(tensor.to(dtype).contiguous(), requires_grad=False)

    for role, path in group.input_paths.items():
        linear = linear_at(module, path)
        weight, bias = weights.inputs[role], weights.biases.get(role)
        if group.inside:
            weight, bias = weight.transpose(0, 1), bias.T if bias is not None else None
        linear.weight = parameter(weight.flatten(end_dim=1))
        if bias is not None:
            linear.bias = parameter(bias.flatten())
    if group.inside:
        return
    output = linear_at(module, group.output_path)
    output.weight = parameter(weights.output.flatten(end_dim=1).T)
    if weights.output_bias is not None and output.bias is not None:
        output.bias = parameter(weights.output_bias)
