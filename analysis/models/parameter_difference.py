"""Which tensors and which units of two models differ, and by how much.

Units are paired by their places where both models have as many, and where they have not, each with
the one that reads most alike: what was made of a model has fewer, and they stand elsewhere.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

import pandas as pd
import torch
from scipy.optimize import linear_sum_assignment

from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from analysis.models.unit_weights import UnitWeights, read_units

Status = Literal["same", "changed", "reshaped", "added", "missing"]

_MOST_NAMED = 4  # groups in a sentence; of more, the first three and how many there are


@dataclass(frozen=True, slots=True)
class TensorDifference:
    """One tensor of two models.

    Parameters
    ----------
    name : str
        From the root of the model.
    status : {"same", "changed", "reshaped", "added", "missing"}
        Added: only the second model has it; missing: only the first.
    shape, other_shape : tuple of int
        In the first and in the second; empty where it is not there.
    relative_norm : float or None
        Norm of the difference over the norm in the first model; None where shapes differ. Infinite
        where the first model has zeros alone.
    """

    name: str
    status: Status
    shape: tuple[int, ...]
    other_shape: tuple[int, ...]
    relative_norm: float | None


@dataclass(frozen=True, slots=True)
class GroupDifference:
    """One unit group of two models.

    Parameters
    ----------
    id : str
        Of the group, in the first model that has it.
    n_units, other_n_units : int
        0 where there is no such group.
    partners : tuple of int or None
        For each unit of the first model, the number of the second's unit that it is compared with;
        None where it has none. Empty where the units cannot be compared, since their sizes differ.
    relative_norms : tuple of float or None
        Of each unit, as for tensors; None where it has no partner.
    """

    id: str
    n_units: int
    other_n_units: int
    partners: tuple[int | None, ...] = ()
    relative_norms: tuple[float | None, ...] = ()

    @property
    def norms(self) -> list[float]:
        """Of the units that have a partner."""
        return [norm for norm in self.relative_norms if norm is not None]

    @property
    def n_changed(self) -> int:
        """Units that differ at all from their partner."""
        return sum(norm > 0 for norm in self.norms)


def tensor_differences(model: SpeechModel, other: SpeechModel) -> list[TensorDifference]:
    """Compare all parameters of two models by their names.

    Parameters
    ----------
    model, other : SpeechModel
        On any devices, in any dtypes.

    Returns
    -------
    list of TensorDifference
        In the order of the first model, then what the second has more.
    """
    own, theirs = dict(model.model.named_parameters()), dict(other.model.named_parameters())
    found = []
    for name in dict.fromkeys([*own, *theirs]):
        one, two = own.get(name), theirs.get(name)
        shapes = (
            (tuple(one.shape) if one is not None else ()),
            (tuple(two.shape) if two is not None else ()),
        )
        if one is None or two is None:
            found.append(
                TensorDifference(name, "added" if one is None else "missing", *shapes, None)
            )
        elif one.shape != two.shape:
            found.append(TensorDifference(name, "reshaped", *shapes, None))
        else:
            norm = _relative(one.detach(), two.detach())
            found.append(TensorDifference(name, "changed" if norm else "same", *shapes, norm))
    return found


def group_differences(model: SpeechModel, other: SpeechModel) -> list[GroupDifference]:
    """Compare the heads and channels of two models, layer by layer; see `tensor_differences`.

    Returns
    -------
    list of GroupDifference
    """
    own = {group.id: group for group in model.groups}
    theirs = {group.id: group for group in other.groups}
    return [
        _group(model, own.get(name), other, theirs.get(name))
        for name in dict.fromkeys([*own, *theirs])
    ]


def unmatched(
    model: SpeechModel,
    other: SpeechModel,
    tensors: Sequence[TensorDifference],
    groups: Sequence[GroupDifference],
) -> list[str]:
    """Say in sentences what of two models does not correspond, and so was not compared.

    Parameters
    ----------
    model, other : SpeechModel
    tensors : sequence of TensorDifference
        As `tensor_differences` gives them.
    groups : sequence of GroupDifference
        As `group_differences` gives them.

    Returns
    -------
    list of str
        Empty where every layer has its counterpart, with units of the same size.
    """
    said = []
    if not any(one.shape and one.other_shape for one in tensors):
        said.append(
            f"{model.name} ({model.architecture.title}) and {other.name}"
            f" ({other.architecture.title}) name their tensors differently: none of one corresponds"
            " to any of the other. Layers are paired by their places, though neither model was made"
            " of the other: unit 3 of one need not do what unit 3 of the other does."
        )
    for name, alone in (
        (model.name, [one.id for one in groups if not one.other_n_units]),
        (other.name, [one.id for one in groups if not one.n_units]),
    ):
        if alone:
            said.append(f"{name} alone has {_listed(alone)}: no layer of the other corresponds.")
    unlike = [one.id for one in groups if _is_of_another_size(one)]
    if unlike:
        said.append(
            f"Units are not compared in {_listed(unlike)}: those of {other.name} have another size."
        )
    fewer = [one.id for one in groups if one.norms and one.n_units != one.other_n_units]
    if fewer:
        said.append(
            f"In {_listed(fewer)} the two have different numbers of units: each is compared with"
            " the one that reads most alike, and the others have no partner."
        )
    return said


def tensor_table(tensors: Sequence[TensorDifference]) -> pd.DataFrame:
    """A row per tensor, shapes as texts.

    Parameters
    ----------
    tensors : sequence of TensorDifference
    """
    return pd.DataFrame(
        [
            {
                "tensor": one.name,
                "status": one.status,
                "shape": "x".join(map(str, one.shape)),
                "other_shape": "x".join(map(str, one.other_shape)),
                "relative_norm": math.nan if one.relative_norm is None else one.relative_norm,
            }
            for one in tensors
        ]
    )


def group_table(groups: Sequence[GroupDifference]) -> pd.DataFrame:
    """A row per unit group: how many units differ, by how much in the mean and at most.

    Parameters
    ----------
    groups : sequence of GroupDifference
    """
    return pd.DataFrame(
        [
            {
                "group": one.id,
                "units": one.n_units,
                "other_units": one.other_n_units,
                "paired": len(one.norms),
                "changed": one.n_changed if one.norms else None,
                "mean_relative_norm": fmean(one.norms) if one.norms else math.nan,
                "most_relative_norm": max(one.norms, default=math.nan),
            }
            for one in groups
        ]
    ).astype({"changed": "Int64"})


def unit_table(groups: Sequence[GroupDifference]) -> pd.DataFrame:
    """A row per unit of the groups whose units can be compared.

    Parameters
    ----------
    groups : sequence of GroupDifference
    """
    rows = [
        (one.id, unit, partner, norm)
        for one in groups
        for unit, (partner, norm) in enumerate(zip(one.partners, one.relative_norms, strict=True))
    ]
    table = pd.DataFrame(rows, columns=["group", "unit", "other_unit", "relative_norm"])
    return table.astype({"other_unit": "Int64", "relative_norm": float})


def _is_of_another_size(one: GroupDifference) -> bool:
    """Whether both have such units, and yet none is like one of the other."""
    return bool(one.n_units and one.other_n_units and not one.partners)


def _listed(ids: Sequence[str]) -> str:
    """All of a few; of many the first ones, and how many more."""
    if len(ids) <= _MOST_NAMED:
        return ", ".join(ids)
    return f"{', '.join(ids[: _MOST_NAMED - 1])} and {len(ids) - _MOST_NAMED + 1} more groups"


def _group(
    model: SpeechModel, one: UnitGroup | None, other: SpeechModel, two: UnitGroup | None
) -> GroupDifference:
    name = one.id if one is not None else two.id if two is not None else ""
    counts = one.n_units if one else 0, two.n_units if two else 0
    if one is None or two is None:
        return GroupDifference(name, *counts)
    weights, others = read_units(model.model, one), read_units(other.model, two)
    own, theirs = _rows(weights), _rows(others)
    if own.shape[1:] != theirs.shape[1:]:
        return GroupDifference(name, *counts)
    partners: list[int | None] = list(range(one.n_units))
    if one.n_units != two.n_units:
        partners = _most_alike(_rows(weights, output=False), _rows(others, output=False))
    norms = tuple(
        None if partner is None else _relative(own[unit], theirs[partner])
        for unit, partner in enumerate(partners)
    )
    return GroupDifference(name, *counts, tuple(partners), norms)


def _most_alike(own: torch.Tensor, theirs: torch.Tensor) -> list[int | None]:
    """For each row its partner: as many pairs as there can be, of the least squared distance."""
    pairs = linear_sum_assignment(torch.cdist(own, theirs).square().numpy())
    partners: list[int | None] = [None] * len(own)
    for row, column in zip(*pairs, strict=True):
        partners[row] = int(column)
    return partners


def _rows(weights: UnitWeights, *, output: bool = True) -> torch.Tensor:
    """All numbers of each unit, or those that it reads with: (n, numbers), float64."""
    parts = [*weights.inputs.values(), *weights.biases.values()]
    if output:
        parts.append(weights.output)
    return torch.cat([part.detach().cpu().double().flatten(1) for part in parts], dim=1)


def _relative(one: torch.Tensor, two: torch.Tensor) -> float:
    first, second = one.cpu().double(), two.cpu().double()
    difference, norm = float((first - second).norm()), float(first.norm())
    if not difference:
        return 0.0
    return difference / norm if norm else math.inf
