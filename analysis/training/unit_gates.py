"""Unit gates, Coalesce's structured variant of self-pinching: heads and channels are pinched.

The gate of `analysis.training.gates` on the L2 norm of a unit instead of on single weights. A
pinched unit puts out nothing, so that it can be cut out and the model becomes smaller and faster,
which zeros in a dense matrix do not.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import nn
from torch.nn.utils import parametrize

from analysis.models.modules import linear_at
from analysis.models.unit_groups import UnitGroup
from analysis.models.unit_weights import read_units
from analysis.plan.training_settings import TEMPERATURE
from analysis.training.gates import Gate, Gated


class UnitGate(Gate):
    """Pinches the units of one group, by masking their columns of the output projection.

    Parameters
    ----------
    module : torch.nn.Module
        The model; the input projections of the group are read from it and stay as they are.
    group : UnitGroup
    temperature : float
        See `analysis.plan.training_settings.TEMPERATURE`.
    """

    def __init__(
        self, module: nn.Module, group: UnitGroup, temperature: float = TEMPERATURE
    ) -> None:
        super().__init__(read_units(module, group).vectors().norm(dim=1), temperature)
        self._group = group
        # not registered: the matrices belong to their own layers
        self._inputs = (*(linear_at(module, path) for path in group.input_paths.values()),)

    def squares(self, weight: torch.Tensor) -> torch.Tensor:
        """Squared norms of the unit vectors, biases included: (n_units,).

        Parameters
        ----------
        weight : Tensor, (hidden_size, n_units·rows)
            Of the output projection.
        """
        total = weight.square().sum(dim=0)
        for linear in self._inputs:
            total = total + linear.weight.square().sum(dim=1)
            if linear.bias is not None:
                total = total + linear.bias.square()
        return total.reshape(self._group.n_units, -1).sum(dim=1)

    def over_weight(self, mask: torch.Tensor) -> torch.Tensor:
        """A unit's mask over all of its columns."""
        return mask.repeat_interleave(self._group.rows)


def add_unit_gates(
    module: nn.Module, groups: Sequence[UnitGroup], temperature: float = TEMPERATURE
) -> list[Gated]:
    """Gate the units of every group that has more than one.

    Parameters
    ----------
    module : torch.nn.Module
        A model of one's own; its forward stays as it is.
    groups : sequence of UnitGroup
        All unit groups of the model.
    temperature : float

    Returns
    -------
    list of Gated
        One for each group, by its id.
    """
    gated = []
    for group in groups:
        if group.n_units < 2:
            continue
        gate = UnitGate(module, group, temperature)
        linear = linear_at(module, group.output_path)
        parametrize.register_parametrization(linear, "weight", gate)
        gated.append(Gated(group.id, linear, gate, group.n_parameters))
    return gated


def units_kept(gated: Sequence[Gated], groups: Sequence[UnitGroup]) -> Mapping[str, int]:
    """K of every group as the hard masks have it."""
    kept = {group.id: group.n_units for group in groups}
    for one in gated:
        kept[one.name] = int(one.gate.hard(one.weight).sum())
    return kept
