"""The recipe of a compressed model: what sliders edit, the shell reads and a checkpoint carries."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from analysis.errors import UserError
from analysis.plan.choices import (
    ALLOCATIONS,
    COMPONENTS,
    DATA_FREE,
    DISTANCES,
    ENGINES,
    EXCITATIONS,
    MERGE_RULES,
    METHODS,
    REPAIRS,
    SEEDINGS,
)

if TYPE_CHECKING:
    from analysis.models.unit_groups import UnitGroup

_CHOICES: Mapping[str, Mapping[str, str]] = {
    "method": METHODS,
    "engine": ENGINES,
    "seeding": SEEDINGS,
    "distance": DISTANCES,
    "excitation": EXCITATIONS,
    "merge": MERGE_RULES,
    "repair": REPAIRS,
    "allocation": {**ALLOCATIONS, "manual": "What the person set, group by group."},
}


_FORMAT = 1


_SEED_LIMIT = 2**32  # of NumPy's generators, which k-means uses


@dataclass(frozen=True, slots=True)
class CompressionPlan:
    """Everything that decides a compressed model; same plan, same weights, same bits.

    Parameters
    ----------
    model : str
        Name, folder or hub id of the original.
    revision : str or None
        Hub revision of the original.
    weight_hash : str
        SHA-256 over the original's stored tensors; a plan fits no other weights.
    n_clusters : mapping of str to int
        K of every unit group, by group id; 1 <= K <= n.
    method : str
        See `METHODS`.
    engine : {"ward", "kmeans"}
        See `ENGINES`.
    seeding : {"k-means++", "random"}
        For the k-means engine.
    n_init : int
        Restarts of the k-means engine.
    refine : bool
        Whether Hartigan moves follow the Ward cut.
    distance : str
        See `DISTANCES`.
    merge : {"mean", "weighted", "medoid", "centroid"}
        See `MERGE_RULES`.
    align_heads : bool
        Whether heads are compared and averaged after Procrustes alignment.
    components : tuple of str
        Which kinds of unit the allocation was free to compress.
    allocation : str
        Where the K came from; see `ALLOCATIONS`.
    sparsity : float
        Nominal fraction of units removed, 0 <= s < 1.
    seed : int
        Of k-means and of the random baseline.
    excitation : {"speech", "sounds", "calibrated"}
        What the contribution distance and the repair listen to; see `EXCITATIONS`. With
        "calibrated" the result is not data-free.
    excitation_hash : str or None
        SHA-256 over the excitation's samples; None where nothing was listened to.
    repair : {"none", "mean", "refit"}
        See `REPAIRS`.
    sequential : bool
        Whether each layer is repaired on what the compressed layers below give it; otherwise on
        what the original's give.
    """

    model: str
    weight_hash: str
    n_clusters: Mapping[str, int]
    revision: str | None = None
    method: str = "cluster"
    engine: str = "ward"
    seeding: str = "k-means++"
    n_init: int = 1
    refine: bool = False
    distance: str = "weights"
    merge: str = "mean"
    align_heads: bool = True
    components: tuple[str, ...] = ("ffn", "heads")
    allocation: str = "uniform"
    sparsity: float = 0.1
    seed: int = 0
    excitation: str = "speech"
    excitation_hash: str | None = None
    repair: str = "none"
    sequential: bool = False

    def __post_init__(self) -> None:
        """Check every field that can be checked without the model.

        Raises
        ------
        UserError
            Naming the field and what would have worked.
        """
        for name, choices in _CHOICES.items():
            _require_choice(name, getattr(self, name), choices)
        for component in self.components:
            _require_choice("components", component, COMPONENTS)
        if not 0 <= self.sparsity < 1:
            raise UserError(
                f"sparsity is {self.sparsity:g}.", "Choose a fraction from 0 up to below 1."
            )
        if self.method == "surgeon" and self.distance != "contribution":
            raise UserError(
                "The surgeon weighs what units do.", "Choose the distance “contribution” with it."
            )
        if self.sequential and self.repair == "none":
            raise UserError(
                "sequential is a way to repair, and repair is none.",
                "Choose the repair “mean” or “refit”.",
            )
        if self.n_init < 1:
            raise UserError(f"n_init is {self.n_init}.", "Choose 1 restart or more.")
        if not 0 <= self.seed < _SEED_LIMIT:
            raise UserError(
                f"seed is {self.seed}.", f"Choose a number from 0 to {_SEED_LIMIT - 1}."
            )
        object.__setattr__(self, "n_clusters", MappingProxyType(dict(self.n_clusters)))

    def validate(self, groups: "Sequence[UnitGroup]", weight_hash: str | None = None) -> None:
        """Check that the plan fits a model.

        Parameters
        ----------
        groups : sequence of UnitGroup
            All unit groups of the model.
        weight_hash : str, optional
            Of the model's tensors.

        Raises
        ------
        UserError
            Naming the group whose K does not fit, or the other model that the plan is for.
        """
        known = {group.id: group for group in groups}
        if weight_hash is not None and weight_hash != self.weight_hash:
            raise UserError(
                f"This plan was made for other weights ({self.model}).",
                "Load that model, or make a new plan for this one.",
                f"plan: {self.weight_hash}, model: {weight_hash}",
            )
        for name in self.n_clusters:
            if name not in known:
                raise UserError(
                    f"The plan names {name}, which this model does not have.",
                    "Load the model that the plan was made for.",
                )
        for name, group in known.items():
            k = self.n_clusters.get(name)
            if k is None:
                raise UserError(
                    f"The plan gives no K for {name}.", f"Add one, 1 to {group.n_units}."
                )
            if not 1 <= k <= group.n_units:
                raise UserError(
                    f"K = {k} is out of range for {name}.", f"Choose K from 1 to {group.n_units}."
                )

    @property
    def listens(self) -> bool:
        """Whether an excitation has a part in it."""
        return self.distance == "contribution" or self.repair != "none"

    @property
    def data_free(self) -> bool:
        """Whether no data set had a part in it."""
        return not self.listens or self.excitation in DATA_FREE

    def with_clusters(self, n_clusters: Mapping[str, int]) -> "CompressionPlan":
        """The same plan with other K."""
        return replace(self, n_clusters=n_clusters)

    def to_json(self) -> str:
        """The plan as JSON text, stable in order and layout."""
        values = {"format": _FORMAT} | {
            item.name: getattr(self, item.name) for item in fields(self)
        }
        values["n_clusters"] = dict(self.n_clusters)
        values["components"] = list(self.components)
        return json.dumps(values, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "CompressionPlan":
        """Read a plan.

        Parameters
        ----------
        text : str
            What `to_json` wrote.

        Returns
        -------
        CompressionPlan

        Raises
        ------
        UserError
            When the text is no plan, a field is unknown, missing or of the wrong type.
        """
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise UserError(
                "This file is not a plan: it is not JSON.",
                "Choose a file written by Coalesce.",
                str(error),
            ) from error
        if not isinstance(values, dict) or "n_clusters" not in values:
            raise UserError("This file is not a plan.", "Choose a file written by Coalesce.")
        version = values.pop("format", None)
        if version != _FORMAT:
            raise UserError(
                f"This plan has format {version}.", f"This version of Coalesce reads {_FORMAT}."
            )
        return cls(**_checked_types(values))


_FIELD_TYPES: Mapping[str, tuple[type, ...]] = {
    "model": (str,),
    "weight_hash": (str,),
    "revision": (str, type(None)),
    "n_clusters": (dict,),
    "components": (list,),
    "sparsity": (int, float),
    "seed": (int,),
    "n_init": (int,),
    "refine": (bool,),
    "align_heads": (bool,),
    "excitation_hash": (str, type(None)),
    "sequential": (bool,),
} | {name: (str,) for name in _CHOICES}


def _checked_types(values: dict[str, Any]) -> dict[str, Any]:
    """The fields of a plan read from a file, each of its type."""
    for name, value in values.items():
        expected = _FIELD_TYPES.get(name)
        if expected is None:
            raise UserError(f"The plan has an unknown field {name!r}.", "Remove it.")
        if not isinstance(value, expected) or (isinstance(value, bool) and bool not in expected):
            raise UserError(f"The plan's {name} has the wrong type: {value!r}.", "Correct it.")
    for name in ("model", "weight_hash"):
        if name not in values:
            raise UserError(f"The plan has no {name}.", "Choose a file written by Coalesce.")
    for group, k in values["n_clusters"].items():
        if isinstance(k, bool) or not isinstance(k, int):
            raise UserError(f"K of {group} is {k!r}, not a whole number.", "Correct it.")
    if "components" in values:
        values["components"] = tuple(values["components"])
    return values


def _require_choice(name: str, value: object, choices: Mapping[str, str]) -> None:
    if not isinstance(value, str) or value not in choices:
        raise UserError(f"{name} is {value!r}.", f"Choose one of {', '.join(choices)}.")
