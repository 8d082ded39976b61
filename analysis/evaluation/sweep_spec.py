"""What a sweep runs: models, ways to compress, sparsities, allocations and seeds, from a file."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import Field, field_validator, model_validator

from analysis.errors import UserError
from analysis.files import read_settings
from analysis.plan.choices import ALLOCATIONS, INFLUENCE, METHODS, Normaliser
from analysis.plan.recipe import Recipe, complete
from analysis.plan.validation import Checked, shown
from analysis.speech.disturbing import read_condition

GRID = ("sparsity", "allocation", "seed")
"""The options of a recipe that a sweep goes through, the same for all ways to compress."""

PAPERS_SPARSITY: Mapping[str, float] = {"seq2seq": 0.1, "ctc": 0.5}
"""What arXiv 2606.11836 removes of Whisper-large-v3 and of HuBERT-large, by how models decode."""

OWN_ALLOCATION = "own"
"""Stands among the allocations of a sweep for the one that each method has where nobody chose."""

_OPTIONS = tuple(name for name in Recipe.model_fields if name not in GRID)
_WORDS: Mapping[str, object] = {"true": True, "false": False}


LeftOpen = Literal["swaps", "components"]

_DECIDE = ("method", "distance", "repair", "sequential")
"""The options of a way to compress by which those that are left open go, beside the allocation."""


class NamedRecipe(Checked):
    """One way to compress, whatever the sparsity.

    Parameters
    ----------
    name : str
        For people; names a line of the figure.
    recipe : Recipe
        Its sparsity, allocation and seed are not looked at.
    made : bool
        Whether it stands for a model that was made already.
    left_open : tuple of str
        Options that depend on the allocation, and that nobody named: `complete` says what they are.
    """

    name: str
    recipe: Recipe
    made: bool = False
    # lists of JSON, too: sessions keep sweeps
    left_open: Annotated[tuple[LeftOpen, ...], Field(strict=False)] = ()

    @property
    def is_magnitude(self) -> bool:
        """Whether it is the plain baseline that all others are tested against."""
        plain = {name: getattr(self.recipe, name) for name in _OPTIONS if name != "components"}
        return not self.made and Recipe(**plain) == Recipe(method="magnitude")

    @property
    def uses_seed(self) -> bool:
        """Whether another seed gives another result."""
        return not self.made and self.recipe.draws


@dataclass(frozen=True, slots=True)
class SweepCell:
    """One compressed model of a sweep.

    Parameters
    ----------
    way : NamedRecipe
    sparsity : float
    allocation : str
    seed : int
    """

    way: NamedRecipe
    sparsity: float
    allocation: str
    seed: int

    @classmethod
    def of_made(cls, name: str, recipe: Recipe) -> "SweepCell":
        """That of a model which was made already, under its own name."""
        way = NamedRecipe(name=name, recipe=recipe, made=True)
        return cls(way, recipe.sparsity, recipe.allocation, recipe.seed)

    @property
    def recipe(self) -> Recipe:
        """How this one is compressed.

        Raises
        ------
        UserError
            For options that do not go together.
        """
        recipe = self.way.recipe
        named = {name: getattr(recipe, name) for name in _DECIDE}
        usual = complete(**named, allocation=self.allocation) if self.way.left_open else recipe
        return recipe.changed(
            sparsity=self.sparsity,
            allocation=self.allocation,
            seed=self.seed,
            **{name: getattr(usual, name) for name in self.way.left_open},
        )


class SweepSpec(Checked, title="sweep"):
    """A whole sweep, as a file or the shell's flags describe it.

    Parameters
    ----------
    model : tuple of str
        Demo names, folders or hub ids.
    data : str
        The corpus.
    method : tuple of NamedRecipe
    sparsity : tuple of float
    allocation : tuple of str
    seed : tuple of int
        Ways to compress that draw nothing run with the first one only.
    normaliser : str
    calibrate : str or None
        Folder with clips for ways that are calibrated.
    stress : tuple of str
        Conditions under which the corpus is heard again, as ``noise:10``; see
        `analysis.speech.disturbing`.

    Raises
    ------
    UserError
        Naming the field that cannot be.
    """

    model: Annotated[tuple[str, ...], Field(min_length=1)]
    data: str
    method: tuple[NamedRecipe, ...] = tuple(
        NamedRecipe(name=name, recipe=Recipe(method=name))
        for name in ("cluster", "magnitude", "random")
    )
    sparsity: tuple[float, ...] = (0.1, 0.2, 0.3, 0.5)
    allocation: tuple[str, ...] = ("uniform",)
    seed: tuple[int, ...] = (0,)
    normaliser: Normaliser = "whisper-english"
    calibrate: str | None = None
    stress: tuple[str, ...] = ()

    @field_validator("stress")
    @classmethod
    def _conditions(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(map(read_condition, values)))

    @field_validator("sparsity")
    @classmethod
    def _fractions(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        for sparsity in values:
            if not 0 < sparsity < 1:
                raise UserError(
                    f"sparsity is {sparsity:g}.",
                    "Choose fractions above 0 and below 1; 0.1 is 10 %.",
                )
        return values

    @field_validator("allocation")
    @classmethod
    def _strategies(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for allocation in values:
            _require("allocation", allocation, (OWN_ALLOCATION, *ALLOCATIONS))
        return values

    @field_validator("seed")
    @classmethod
    def _seeds(cls, values: tuple[int, ...]) -> tuple[int, ...]:
        for seed in values:
            Recipe(seed=seed)
        return values

    @model_validator(mode="after")
    def _names_differ(self) -> "SweepSpec":
        names = [way.name for way in self.method]
        for name in names:
            if names.count(name) > 1:
                raise UserError(f"Two methods are called {name!r}.", "Name them differently.")
        return self

    def cells(self) -> list[SweepCell]:
        """All compressed models of each model: by sparsity, then magnitude before the others."""
        ways = sorted(self.method, key=lambda way: not way.is_magnitude)
        found = [
            SweepCell(way, sparsity, _allocation(way, allocation), seed)
            for sparsity, allocation, way in product(self.sparsity, self.allocation, ways)
            for seed in (self.seed if way.uses_seed else self.seed[:1])
        ]
        return list(dict.fromkeys(found))  # its own allocation may be named beside it


def _allocation(way: NamedRecipe, named: str) -> str:
    if named != OWN_ALLOCATION:
        return named
    return complete(method=way.recipe.method, distance=way.recipe.distance).allocation


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
    for name in ("model", "data"):
        if name not in values:
            raise _missing(name)
    found: dict[str, Any] = {}
    for name, value in values.items():
        if name in _SINGLE:
            left_out = name == "calibrate" and not value
            found[name] = None if left_out else _text(name, value)
        elif name == "method" or name in _ITEMS:
            items = _listed(value)
            if not items and name != "stress":
                raise _missing(name)
            read = [
                read_way(item) if name == "method" else _ITEMS[name](name, item) for item in items
            ]
            found[name] = tuple(read if name == "method" else dict.fromkeys(read))
        else:
            found[name] = value
    return SweepSpec(**found)


class _Plain(yaml.SafeLoader):
    """Without references: nine of them, each to several others, fill any memory."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """The next value."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("references (*name) are not read")
        return super().compose_node(parent, index)


def read_spec_file(path: Path) -> dict[str, Any]:
    """The fields that a YAML or JSON file gives.

    Raises
    ------
    UserError
        Where it cannot be read or holds something else.
    """
    try:
        # JSON is YAML
        values = yaml.load(read_settings(path), Loader=_Plain)
    except Exception as error:  # a tag before a value that it does not fit raises any type
        raise UserError(
            f"{path} cannot be read as YAML or JSON.", "Check the file.", str(error)
        ) from error
    if not isinstance(values, dict):
        raise UserError(f"{path} describes no sweep.", "Give it fields such as model and data.")
    return {str(name): value for name, value in values.items()}


def read_way(given: object) -> NamedRecipe:
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
                    f"{shown(pair)} in the method {shown(given)} is no option.",
                    "Write options as distance=contribution.",
                )
            options[name.strip()] = _parsed(name.strip(), value.strip())
        label = ", ".join([method, *(pair.partition("=")[2] for pair in pairs)])
    elif isinstance(given, dict):
        options = {"method": "cluster"} | {k: v for k, v in given.items() if k != "name"}
        label = str(given.get("name") or ", ".join(str(value) for value in options.values()))
    else:
        raise UserError(f"{shown(given)} is no method.", f"Choose from {', '.join(METHODS)}.")
    for name in options:
        _require("An option of a method", name, _OPTIONS)
    _require("method", options["method"], METHODS)
    try:
        recipe = Recipe.read(options)
    except UserError as fault:
        raise UserError(
            f"The method {shown(label)} cannot be: {fault.message}", fault.remedy
        ) from fault
    by_words = recipe.distance == INFLUENCE
    left_open = tuple(name for name in get_args(LeftOpen) if by_words and name not in options)
    return NamedRecipe(name=label, recipe=recipe, left_open=left_open)


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
        raise UserError(f"{field} is {shown(value)}, not a text.", "Put it in quotation marks.")
    return value


def _number(field: str, value: object) -> float:
    try:
        if not isinstance(value, bool):
            return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        pass
    raise UserError(f"{field} is {shown(value)}, not a number.", "Correct it.")


def _whole_number(field: str, value: object) -> int:
    number = _number(field, value)
    if not number.is_integer():
        raise UserError(f"{field} is {shown(value)}, not a whole number.", "Correct it.")
    return int(number)


_SINGLE = ("data", "normaliser", "calibrate")
_ITEMS: Mapping[str, Callable[[str, object], Any]] = {
    "model": _text,
    "sparsity": _number,
    "allocation": _text,
    "stress": _text,
    "seed": _whole_number,
}


def _require(field: str, value: object, choices: Mapping[str, str] | Sequence[str]) -> None:
    if not isinstance(value, str) or value not in choices:
        raise UserError(f"{field} is {shown(value)}.", f"Choose from {', '.join(choices)}.")
