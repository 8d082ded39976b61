"""Heads and the ranks inside them, removed together: one decides what the other finds.

Ranks are cut first, so that heads which are merged or kept afterwards have only those that stay.
In between, the rows of the others are zeros: every group keeps its shape until all is written.
"""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import nn

from analysis.models.unit_groups import UnitGroup, ranks_of
from analysis.models.unit_weights import UnitWeights, read_units, write_units


def within_ranks(heads: UnitWeights, ranks: UnitWeights, n_ranks: int) -> UnitWeights:
    """Heads whose queries and keys have some ranks only, and zeros behind.

    Parameters
    ----------
    heads : UnitWeights
        All heads of a block.
    ranks : UnitWeights
        The ranks that stay.
    n_ranks : int
        Ranks that the block had.
    """
    missing = n_ranks - ranks.n_units

    def rows(units: torch.Tensor) -> torch.Tensor:
        """(ranks, n_heads, …) as (n_heads, n_ranks, …)."""
        zeros = units.new_zeros(missing, *units.shape[1:])
        return torch.cat([units, zeros]).transpose(0, 1)

    inputs = {role: rows(weight) for role, weight in ranks.inputs.items()}
    biases = {role: rows(bias) for role, bias in ranks.biases.items()}
    return replace(heads, inputs={**heads.inputs, **inputs}, biases={**heads.biases, **biases})


def write_changes(
    module: nn.Module, groups: Mapping[str, UnitGroup], changes: Mapping[str, UnitWeights]
) -> None:
    """Write what became of some groups, ranks of heads that were changed themselves included.

    Parameters
    ----------
    module : torch.nn.Module
        A model of one's own.
    groups : mapping of str to UnitGroup
        By id, as they were before.
    changes : mapping of str to UnitWeights
        By group id; heads of blocks whose ranks change are those of `within_ranks`.
    """
    for name, units in changes.items():
        if not groups[name].inside:
            write_units(module, groups[name], units)
    for name, units in changes.items():
        inside = groups[name].inside
        if inside in changes:
            after = ranks_of(replace(groups[inside], n_units=changes[inside].n_units))
            first = torch.arange(units.n_units, device=units.output.device)
            write_units(module, after, read_units(module, after).take(first))
        elif inside:
            write_units(module, groups[name], units)
