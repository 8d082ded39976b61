"""The structured units that can be merged: attention heads and FFN channels, read and written.

An FFN channel is treated as a head with one row, so that one piece of code serves both: a unit
owns `rows` rows of each input projection (Q, K, V; or the FFN's first matrix), their biases, and
`rows` columns of the output projection (O; or the FFN's second matrix).
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import nn
from transformers import PreTrainedModel

from analysis.architectures import Architecture, Attention, FeedForward
from analysis.errors import UserError

if TYPE_CHECKING:
    from analysis.checkpoints import SpeechModel

Component = Literal["ffn", "heads"]

BLOCK_TITLES: Mapping[str, str] = {
    "ffn": "FFN channels",
    "self_attention": "self-attention heads",
    "cross_attention": "cross-attention heads",
}


@dataclass(frozen=True, slots=True)
class UnitGroup:
    """All units of one kind in one layer: one row in every table, one K.

    Parameters
    ----------
    id : str
        ``"{stack}.{layer}.{block}"``, e.g. ``"encoder.0.ffn"``.
    stack : str
        "encoder" or "decoder".
    layer : int
        Counted from the input, from 0.
    spec : Attention or FeedForward
        Where the block keeps its weights.
    layer_path, previous_path : str
        Paths of this layer and of the one below from the model's root ("" below layer 0).
    n_units : int
        Heads or channels in the group.
    rows : int
        Rows a unit owns in each input projection: `head_dim` for heads, 1 for channels.
    unit_dim : int
        Numbers in a unit's vector, biases included.
    """

    id: str
    stack: str
    layer: int
    spec: Attention | FeedForward
    layer_path: str
    previous_path: str
    n_units: int
    rows: int
    unit_dim: int

    @property
    def block(self) -> str:
        """``"ffn"``, ``"self_attention"`` or ``"cross_attention"``."""
        return self.spec.name

    @property
    def component(self) -> Component:
        """Whether the units are FFN channels or attention heads."""
        return "ffn" if isinstance(self.spec, FeedForward) else "heads"

    @property
    def parameters_per_unit(self) -> int:
        """Parameters that disappear with each unit that is merged away."""
        return self.unit_dim

    @property
    def n_parameters(self) -> int:
        """Parameters of all units; the output bias belongs to no unit."""
        return self.n_units * self.unit_dim

    @property
    def title(self) -> str:
        """For people, e.g. ``"Encoder 0 · FFN channels"``."""
        return f"{self.stack.capitalize()} {self.layer} · {BLOCK_TITLES[self.block]}"

    @property
    def input_paths(self) -> Mapping[str, str]:
        """Role of each input projection → its path from the model's root."""
        if isinstance(self.spec, FeedForward):
            return {"input": f"{self.layer_path}.{self.spec.input}"}
        attention = f"{self.layer_path}.{self.spec.module}"
        return {
            "query": f"{attention}.{self.spec.query}",
            "key": f"{attention}.{self.spec.key}",
            "value": f"{attention}.{self.spec.value}",
        }

    @property
    def output_path(self) -> str:
        """Path of the output projection from the model's root."""
        if isinstance(self.spec, FeedForward):
            return f"{self.layer_path}.{self.spec.output}"
        return f"{self.layer_path}.{self.spec.module}.{self.spec.output}"

    def norm_path(self, role: str) -> str:
        """Path of the layer norm whose output the projection `role` reads."""
        if isinstance(self.spec, FeedForward):
            template = self.spec.input_norm
        elif role != "query" and self.spec.memory_norm is not None:
            template = self.spec.memory_norm
        elif self.layer == 0 and self.spec.first_query_norm is not None:
            template = self.spec.first_query_norm
        else:
            template = self.spec.query_norm
        return template.format(layer=self.layer_path, previous=self.previous_path)


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


def locate_groups(module: PreTrainedModel, architecture: Architecture) -> tuple[UnitGroup, ...]:
    """Find all unit groups of a model, in the order in which a signal passes them.

    Parameters
    ----------
    module : PreTrainedModel
        A model of the family; its tensors may be on the meta device.
    architecture : Architecture
        The family.

    Returns
    -------
    tuple of UnitGroup

    Raises
    ------
    UserError
        When a layer has no units left, or its shapes contradict each other.
    """
    groups: list[UnitGroup] = []
    for stack in architecture.stacks(module.config):
        layers = list(module.get_submodule(stack.layers).children())
        for layer in range(len(layers)):
            path = f"{stack.layers}.{layer}"
            previous = f"{stack.layers}.{layer - 1}" if layer else ""
            for spec in stack.blocks:
                group = UnitGroup(
                    id=f"{stack.name}.{layer}.{spec.name}",
                    stack=stack.name,
                    layer=layer,
                    spec=spec,
                    layer_path=path,
                    previous_path=previous,
                    n_units=1,
                    rows=1,
                    unit_dim=1,
                )
                groups.append(_measure(module, group))
    return tuple(groups)


def _measure(module: nn.Module, group: UnitGroup) -> UnitGroup:
    """Fill in the sizes of a located group from the shapes of its projections."""
    projections = [linear_at(module, path) for path in group.input_paths.values()]
    output = linear_at(module, group.output_path)
    width = int(output.weight.shape[1])
    if isinstance(group.spec, FeedForward):
        n_units = width
    else:
        attention = module.get_submodule(f"{group.layer_path}.{group.spec.module}")
        n_units = int(getattr(attention, group.spec.n_heads))
    shapes_agree = all(int(p.weight.shape[0]) == width for p in projections)
    if n_units < 1 or width % n_units or not shapes_agree:
        raise UserError(
            f"The projections of {group.id} do not fit each other.",
            "The checkpoint is damaged or was altered by hand; get a fresh copy.",
        )
    hidden = int(output.weight.shape[0])
    rows = width // n_units
    n_biases = sum(p.bias is not None for p in projections)
    unit_dim = rows * (hidden * (len(projections) + 1) + n_biases)
    return UnitGroup(
        id=group.id,
        stack=group.stack,
        layer=group.layer,
        spec=group.spec,
        layer_path=group.layer_path,
        previous_path=group.previous_path,
        n_units=n_units,
        rows=rows,
        unit_dim=unit_dim,
    )


def linear_at(module: nn.Module, path: str) -> nn.Linear:
    """The linear map at `path`.

    Raises
    ------
    UserError
        When something else is there, e.g. a quantised layer.
    """
    found = module.get_submodule(path)
    if not isinstance(found, nn.Linear):
        raise UserError(
            f"{path} is a {type(found).__name__}, not a plain linear map.",
            "Load the checkpoint without quantisation or adapters.",
        )
    return found


def unit_groups(model: "SpeechModel") -> tuple[UnitGroup, ...]:
    """All unit groups of a loaded model; see `locate_groups`."""
    return locate_groups(model.model, model.architecture)


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
