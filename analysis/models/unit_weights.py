"""The weights of a group of units: read, resized, written.

An FFN channel is treated as a head with one row, so that one piece of code serves both: a unit
owns `rows` rows of each input projection (Q, K, V; or the FFN's first matrix), their biases, and
`rows` columns of the output projection (O; or the FFN's second matrix).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from analysis.models.architectures import Attention
from analysis.models.modules import linear_at
from analysis.models.unit_groups import UnitGroup


@dataclass(frozen=True, slots=True, eq=False)
class UnitWeights:
    """The weights of a group with the unit axis first; n units of `rows` rows, hidden size d.

    Parameters
    ----------
    inputs : mapping of str to Tensor
        Role → (n, rows, d).
    biases : mapping of str to Tensor
        Role → (n, rows); a role without bias (Whisper's key) is absent.
    output : Tensor
        (n, rows, d): the columns of the output projection, as rows.
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
        inputs[role] = linear.weight.detach().float().reshape(n, rows, -1)
        if linear.bias is not None:
            biases[role] = linear.bias.detach().float().reshape(n, rows)
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
    width = n_units * group.rows
    for path in (*group.input_paths.values(), group.output_path):
        old = linear_at(module, path)
        hidden = int(old.weight.shape[0 if path == group.output_path else 1])
        shape = (width, hidden) if path == group.output_path else (hidden, width)
        new = nn.Linear(*shape, bias=old.bias is not None, device="meta", dtype=old.weight.dtype)
        new.requires_grad_(False)
        if path == group.output_path:
            new.bias = old.bias
        module.set_submodule(path, new)
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

    width = weights.n_units * group.rows
    for role, path in group.input_paths.items():
        linear = linear_at(module, path)
        linear.weight = parameter(weights.inputs[role].reshape(width, -1))
        if role in weights.biases:
            linear.bias = parameter(weights.biases[role].reshape(width))
    output = linear_at(module, group.output_path)
    output.weight = parameter(weights.output.reshape(width, -1).T)
    if weights.output_bias is not None and output.bias is not None:
        output.bias = parameter(weights.output_bias)
