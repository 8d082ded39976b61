"""Which tensors and which units of two models differ, and by how much."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd
import torch

from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from analysis.models.unit_weights import UnitWeights, read_units

Status = Literal["same", "changed", "reshaped", "added", "missing"]


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
    relative_norms : tuple of float
        Of each unit, as for tensors; empty where the units cannot be paired, since their number or
        their size differs.
    """

    id: str
    n_units: int
    other_n_units: int
    relative_norms: tuple[float, ...]

    @property
    def n_changed(self) -> int:
        """Units that differ at all."""
        return sum(norm > 0 for norm in self.relative_norms)


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
            f"Units are not paired in {_listed(unlike)}: the two have other numbers of them."
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
                "changed": one.n_changed if one.relative_norms else None,
                "mean_relative_norm": (
                    sum(one.relative_norms) / one.n_units if one.relative_norms else math.nan
                ),
                "most_relative_norm": max(one.relative_norms, default=math.nan),
            }
            for one in groups
        ]
    ).astype({"changed": "Int64"})


def unit_table(groups: Sequence[GroupDifference]) -> pd.DataFrame:
    """A row per unit of the groups whose units can be paired.

    Parameters
    ----------
    groups : sequence of GroupDifference
    """
    rows = [(one.id, unit, norm) for one in groups for unit, norm in enumerate(one.relative_norms)]
    return pd.DataFrame(rows, columns=["group", "unit", "relative_norm"])


def _is_of_another_size(one: GroupDifference) -> bool:
    """Whether both have as many units, and yet none is like one of the other."""
    return one.n_units == one.other_n_units > 0 and not one.relative_norms


def _listed(ids: Sequence[str]) -> str:
    """The first and the last of many."""
    return ids[0] if len(ids) == 1 else f"{ids[0]} to {ids[-1]} ({len(ids)} groups)"


def _group(
    model: SpeechModel, one: UnitGroup | None, other: SpeechModel, two: UnitGroup | None
) -> GroupDifference:
    name = one.id if one is not None else two.id if two is not None else ""
    counts = one.n_units if one else 0, two.n_units if two else 0
    if one is None or two is None or counts[0] != counts[1]:
        return GroupDifference(name, *counts, ())
    own, theirs = _rows(read_units(model.model, one)), _rows(read_units(other.model, two))
    if own.shape != theirs.shape:
        return GroupDifference(name, *counts, ())
    norms = tuple(_relative(a, b) for a, b in zip(own, theirs, strict=True))
    return GroupDifference(name, *counts, norms)


def _rows(weights: UnitWeights) -> torch.Tensor:
    """All numbers of each unit: (n, numbers), float64."""
    parts = [*weights.inputs.values(), *weights.biases.values(), weights.output]
    return torch.cat([part.detach().cpu().double().flatten(1) for part in parts], dim=1)


def _relative(one: torch.Tensor, two: torch.Tensor) -> float:
    first, second = one.cpu().double(), two.cpu().double()
    difference, norm = float((first - second).norm()), float(first.norm())
    if not difference:
        return 0.0
    return difference / norm if norm else math.inf
