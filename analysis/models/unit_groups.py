"""The structured units that can be merged, attention heads and FFN channels, and where they are."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn
from transformers import PreTrainedModel

from analysis.errors import UserError
from analysis.models.architectures import Architecture, Attention, FeedForward
from analysis.models.modules import linear_at
from analysis.plan.choices import Component

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
