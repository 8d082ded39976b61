"""The units that can be removed, attention heads, their ranks, FFN channels: where they are.

The scores of a head are products of queries and keys, of `head_dim` ranks. A rank of an attention
block is one of them in each of its heads, so that all heads keep the same number. Ranks lie inside
heads: of a rank, only what belongs to heads that stay takes room (`unit_parameters`).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from torch import nn
from transformers import PreTrainedModel

from analysis.errors import UserError
from analysis.models.architectures import Architecture, Attention, FeedForward
from analysis.models.modules import linear_at
from analysis.plan.choices import Component

UNIT_NAMES: Mapping[str, str] = {"heads": "heads", "ranks": "ranks", "ffn": "channels"}
"""What the units of each component are called."""

BLOCK_TITLES: Mapping[str, str] = {
    "ffn": "FFN channels",
    "self_attention": "self-attention heads",
    "cross_attention": "cross-attention heads",
    "self_attention_ranks": "self-attention ranks",
    "cross_attention_ranks": "cross-attention ranks",
}

_RANKS = "_ranks"  # ends the id of an attention block's group of ranks
_RANKED_ROLES = ("query", "key")


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
        Heads, ranks or channels in the group.
    rows : int
        Rows a unit owns in each input projection: `head_dim` for heads, 1 for channels, the number
        of heads for ranks. Of heads that lost ranks before, queries and keys have fewer.
    unit_dim : int
        Numbers in a unit's vector, biases included.
    ranks : int
        Of heads: rows of each head's queries and keys; 0 for channels.
    rank_dim : int
        Of heads: numbers that one head owns of one rank, biases included.
    inside : str
        Of ranks: id of the group of heads that they are ranks of.
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
    ranks: int = 0
    rank_dim: int = 0
    inside: str = ""

    @property
    def block(self) -> str:
        """What the group's id ends with, a key of `BLOCK_TITLES`."""
        return self.spec.name + _RANKS if self.inside else self.spec.name

    @property
    def component(self) -> Component:
        """Whether the units are FFN channels, attention heads, or ranks of heads."""
        if isinstance(self.spec, FeedForward):
            return "ffn"
        return "ranks" if self.inside else "heads"

    @property
    def unit_name(self) -> str:
        """What one unit is called, in the plural."""
        return UNIT_NAMES[self.component]

    @property
    def noun(self) -> str:
        """What one of its units is called, e.g. ``"channel"``."""
        return self.unit_name.removesuffix("s")

    @property
    def whole_dim(self) -> int:
        """As `unit_dim`, of a head that lost no ranks."""
        missing = self.rows - self.ranks if self.component == "heads" else 0
        return self.unit_dim + missing * self.rank_dim

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
        scores = {
            "query": f"{attention}.{self.spec.query}",
            "key": f"{attention}.{self.spec.key}",
        }
        return scores if self.inside else scores | {"value": f"{attention}.{self.spec.value}"}

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


def ranks_of(heads: UnitGroup) -> UnitGroup:
    """The group of the ranks of an attention block, given that of its heads."""
    return replace(
        heads,
        id=heads.id + _RANKS,
        n_units=heads.ranks,
        rows=heads.n_units,
        unit_dim=heads.n_units * heads.rank_dim,
        inside=heads.id,
    )


def with_ranks(groups: Sequence[UnitGroup]) -> tuple[UnitGroup, ...]:
    """All groups, that of an attention block's ranks behind that of its heads."""

    def both() -> Iterator[UnitGroup]:
        for group in groups:
            yield group
            if group.component == "heads":
                yield ranks_of(group)

    return tuple(both())


def unit_parameters(group: UnitGroup, n_clusters: Mapping[str, int]) -> int:
    """Parameters of one unit of a group, where heads and ranks have lost units.

    Parameters
    ----------
    group : UnitGroup
    n_clusters : mapping of str to int
        K by group id; a group that it does not name keeps all its units.
    """
    if group.inside:
        return group.unit_dim // group.rows * n_clusters.get(group.inside, group.rows)
    gone = group.ranks - n_clusters.get(group.id + _RANKS, group.ranks)
    return group.unit_dim - gone * group.rank_dim


def kept_parameters(
    groups: Collection[UnitGroup], n_clusters: Mapping[str, int] | None = None
) -> int:
    """Parameters of what groups keep; what is a head's and a rank's, too, counts once.

    Parameters
    ----------
    groups : collection of UnitGroup
    n_clusters : mapping of str to int, optional
        K by group id; by default all units stay.
    """
    kept = n_clusters or {}
    named = {group.id for group in groups}
    return sum(
        kept.get(group.id, group.n_units) * unit_parameters(group, kept)
        for group in groups
        if group.inside not in named
    )


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
    projections = {role: linear_at(module, path) for role, path in group.input_paths.items()}
    output = linear_at(module, group.output_path)
    hidden, width = (int(size) for size in output.weight.shape)
    if isinstance(group.spec, FeedForward):
        n_units = width
    else:
        attention = module.get_submodule(f"{group.layer_path}.{group.spec.module}")
        n_units = int(getattr(attention, group.spec.n_heads))
    widths = {role: int(linear.weight.shape[0]) for role, linear in projections.items()}
    ranked = widths.get("query", width)
    fitting = all(
        own == (ranked if role in _RANKED_ROLES else width) for role, own in widths.items()
    )
    if n_units < 1 or width % n_units or ranked % n_units or ranked > width or not fitting:
        raise UserError(
            f"The projections of {group.id} do not fit each other.",
            "The checkpoint is damaged or was altered by hand; get a fresh copy.",
        )
    unit_dim = width // n_units * hidden
    rank_dim = 0
    for role, linear in projections.items():
        per_row = hidden + (linear.bias is not None)
        unit_dim += widths[role] // n_units * per_row
        rank_dim += per_row if role in _RANKED_ROLES else 0
    return replace(
        group,
        n_units=n_units,
        rows=width // n_units,
        unit_dim=unit_dim,
        ranks=ranked // n_units if rank_dim else 0,
        rank_dim=rank_dim,
    )
