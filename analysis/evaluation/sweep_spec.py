"""What a sweep runs: models, ways to compress, sparsities, allocations and seeds, from a file."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from analysis.errors import UserError
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import unit_groups
from analysis.plan.choices import ALLOCATIONS, METHODS, NORMALISERS
from analysis.plan.compression_plan import CompressionPlan

_OPTIONS = (
    *("method", "engine", "seeding", "n_init", "refine", "distance", "merge", "align_heads"),
    *("components", "excitation", "repair", "sequential"),
)
_WORDS: Mapping[str, object] = {"true": True, "false": False}
_NO_MODEL: Mapping[str, Any] = {"model": "", "weight_hash": "", "n_clusters": {}}
"""What a plan needs besides its options, where only these are to be checked."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to compress, whatever the sparsity.

    Parameters
    ----------
    name : str
        For people; names a line of the figure.
    options : mapping of str to object
        Fields of `CompressionPlan`, "method" among them; the others keep their defaults.
    """

    name: str
    options: Mapping[str, Any]

    @property
    def is_magnitude(self) -> bool:
        """Whether it is the plain baseline that all others are tested against."""
        return dict(self.options) == {"method": "magnitude"}

    @property
    def uses_seed(self) -> bool:
        """Whether another seed gives another result."""
        return (
            self.options["method"] == "random"
            or (self.options["method"] == "cluster" and self.options.get("engine") == "kmeans")
            or self.options.get("excitation") == "sounds"
        )


@dataclass(frozen=True, slots=True)
class Cell:
    """One compressed model of a sweep.

    Parameters
    ----------
    variant : Variant
    sparsity : float
    allocation : str
    seed : int
    """

    variant: Variant
    sparsity: float
    allocation: str
    seed: int

    def settings(self, model: SpeechModel) -> CompressionPlan:
        """The plan, but for K.

        Raises
        ------
        UserError
            For options that do not exist or do not go together.
        """
        return _plan(
            {
                "model": model.source,
                "revision": model.revision,
                "weight_hash": model.weight_hash,
                "n_clusters": {group.id: group.n_units for group in unit_groups(model)},
                "sparsity": self.sparsity,
                "allocation": self.allocation,
                "seed": self.seed,
                **self.variant.options,
            }
        )


@dataclass(frozen=True, slots=True)
class SweepSpec:
    """A whole sweep, as a file or the shell's flags describe it.

    Parameters
    ----------
    model : tuple of str
        Demo names, folders or hub ids.
    data : str
        The corpus.
    method : tuple of Variant
    sparsity : tuple of float
    allocation : tuple of str
    seed : tuple of int
        Ways to compress that draw nothing run with the first one only.
    normaliser : str
    calibrate : str or None
        Folder with clips for ways that are calibrated.
    """

    model: tuple[str, ...]
    data: str
    method: tuple[Variant, ...] = tuple(
        Variant(name, {"method": name}) for name in ("cluster", "magnitude", "random")
    )
    sparsity: tuple[float, ...] = (0.1, 0.2, 0.3, 0.5)
    allocation: tuple[str, ...] = ("uniform",)
    seed: tuple[int, ...] = (0,)
    normaliser: str = "whisper-english"
    calibrate: str | None = None

    def cells(self) -> list[Cell]:
        """All compressed models of each model: by sparsity, then magnitude before the others."""
        variants = sorted(self.method, key=lambda variant: not variant.is_magnitude)
        return [
            Cell(variant, sparsity, allocation, seed)
            for sparsity, allocation, variant in product(self.sparsity, self.allocation, variants)
            for seed in (self.seed if variant.uses_seed else self.seed[:1])
        ]


def read_spec(values: Mapping[str, Any]) -> SweepSpec:
    """Check what a file or the flags say.

    Parameters
    ----------
    values : mapping of str to object
        By field of `SweepSpec`; a list, or a single value, or (flags) values parted by commas.
        What is named twice counts once. A method is a name, with options as in
        ``"cluster:distance=normalised"``, or a mapping of options with an optional "name".

    Returns
    -------
    SweepSpec

    Raises
    ------
    UserError
        Naming the field that cannot be used, or the method whose options no model could have.
    """
    known = {field.name for field in fields(SweepSpec)}
    for name in values:
        if name not in known:
            raise UserError(
                f"A sweep has no field {name!r}.", f"Choose from {', '.join(sorted(known))}."
            )
    for name in ("model", "data"):
        if name not in values:
            raise _missing(name)
    found: dict[str, Any] = {}
    for name, value in values.items():
        if name in _SINGLE:
            left_out = name == "calibrate" and not value
            found[name] = None if left_out else _text(name, value)
            continue
        items = _listed(value)
        if not items:
            raise _missing(name)
        if name == "method":
            found[name] = tuple(read_variant(item) for item in items)
        else:
            found[name] = tuple(dict.fromkeys(_ITEMS[name](name, item) for item in items))
    spec = SweepSpec(**found)
    for allocation in spec.allocation:
        _require("allocation", allocation, ALLOCATIONS)
    _require("normaliser", spec.normaliser, NORMALISERS)
    for sparsity in spec.sparsity:
        if not 0 < sparsity < 1:
            raise UserError(
                f"sparsity is {sparsity:g}.", "Choose fractions above 0 and below 1; 0.1 is 10 %."
            )
    for seed in spec.seed:
        _plan({**_NO_MODEL, "seed": seed})
    names = [variant.name for variant in spec.method]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"Two methods are called {name!r}.", "Name them differently.")
    return spec


def read_spec_file(path: Path) -> dict[str, Any]:
    """The fields that a YAML or JSON file gives.

    Raises
    ------
    UserError
        Where it cannot be read or holds something else.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))  # JSON is YAML
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise UserError(
            f"{path} cannot be read as YAML or JSON.", "Check the file.", str(error)
        ) from error
    if not isinstance(values, dict):
        raise UserError(f"{path} describes no sweep.", "Give it fields such as model and data.")
    return {str(name): value for name, value in values.items()}


def read_variant(given: object) -> Variant:
    """One way to compress, from a name with options or a mapping; see `read_spec`.

    Raises
    ------
    UserError
        For options that do not exist, or that cannot be whatever the model and the allocation.
    """
    if isinstance(given, str):
        method, *pairs = given.split(":")
        options: dict[str, Any] = {"method": method.strip()}
        for pair in pairs:
            name, equals, value = pair.partition("=")
            if not equals:
                raise UserError(
                    f"{pair!r} in the method {given!r} is no option.",
                    "Write options as distance=contribution.",
                )
            options[name.strip()] = _parsed(name.strip(), value.strip())
        label = ", ".join([method, *(pair.partition("=")[2] for pair in pairs)])
    elif isinstance(given, dict):
        options = {"method": "cluster"} | {k: v for k, v in given.items() if k != "name"}
        label = str(given.get("name") or ", ".join(str(value) for value in options.values()))
    else:
        raise UserError(f"{given!r} is no method.", f"Choose from {', '.join(METHODS)}.")
    for name in options:
        _require("An option of a method", name, _OPTIONS)
    _require("method", options["method"], METHODS)
    try:
        _plan({**_NO_MODEL, **options})
    except UserError as fault:
        raise UserError(f"The method {label!r} cannot be: {fault.message}", fault.remedy) from fault
    return Variant(label, options)


def _plan(values: Mapping[str, Any]) -> CompressionPlan:
    """A plan of these fields, each checked as those of a plan on disk are."""
    try:
        text = json.dumps({"format": 1, **values})
    except (TypeError, ValueError, RecursionError) as error:
        raise UserError(
            "An option is no text, number or list.", "Correct it.", str(error)
        ) from error
    return CompressionPlan.from_json(text)


def _parsed(name: str, text: str) -> object:
    if name == "components":
        return text.split("+")
    try:
        return int(text)
    except ValueError:
        return _WORDS.get(text, text)


def _listed(value: object) -> list[Any]:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return list(value) if isinstance(value, list | tuple) else [value]


def _missing(field: str) -> UserError:
    return UserError(f"The sweep names no {field}.", "Add it to the file or the command.")


def _text(field: str, value: object) -> str:
    if value is None or value == "":
        raise _missing(field)
    if not isinstance(value, str):
        raise UserError(f"{field} is {value!r}, not a text.", "Put it in quotation marks.")
    return value


def _number(field: str, value: object) -> float:
    try:
        if not isinstance(value, bool):
            return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        pass
    raise UserError(f"{field} is {value!r}, not a number.", "Correct it.")


def _whole_number(field: str, value: object) -> int:
    number = _number(field, value)
    if not number.is_integer():
        raise UserError(f"{field} is {value!r}, not a whole number.", "Correct it.")
    return int(number)


_SINGLE = ("data", "normaliser", "calibrate")
_ITEMS: Mapping[str, Callable[[str, object], Any]] = {
    "model": _text,
    "sparsity": _number,
    "allocation": _text,
    "seed": _whole_number,
}


def _require(field: str, value: object, choices: Mapping[str, str] | Sequence[str]) -> None:
    if not isinstance(value, str) or value not in choices:
        raise UserError(f"{field} is {value!r}.", f"Choose from {', '.join(choices)}.")
