"""What a setting is called and means: declared once, where the field is, and read everywhere.

A field of `Recipe` or of the training settings carries an `Option` in its annotation. Validation
and JSON come from the field itself; the shell's flags, sweeps, messages and the reference in the
docs come from the option, and so do the words and limits of each control on the page.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo


@dataclass(frozen=True, slots=True)
class Option:
    """A setting in words.

    Parameters
    ----------
    label : str
        On the page, e.g. ``"Merge rule"``.
    help : str
        One sentence.
    choices : mapping of str to str
        Each name that can be chosen, and what it means; empty for numbers and switches.
    by_default : str
        What is taken where nobody chose, when that depends on other options; else the field's
        default is.
    needs_data : tuple of str
        The choices with which the result is not data-free.
    elsewhere : mapping of str to str
        The choices that the shell's flag does not offer, and what leads to them instead.
    flag : str
        What the shell calls it, where that is not the field's name.
    """

    label: str
    help: str
    choices: Mapping[Any, str] = field(default_factory=dict)
    by_default: str = ""
    needs_data: tuple[str, ...] = ()
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    flag: str = ""


@dataclass(frozen=True, slots=True)
class Declared:
    """A field of a settings class with all that its declaration says.

    Parameters
    ----------
    name : str
    option : Option
    default : object
    kind : type
        ``bool``, ``int``, ``float``, ``str``, or ``tuple`` of names.
    at_least, above, at_most, below : float or None
        Limits of a number.
    """

    name: str
    option: Option
    default: Any
    kind: type
    at_least: float | None
    above: float | None
    at_most: float | None
    below: float | None

    @property
    def flag(self) -> str:
        """What the shell calls it, without the dashes in front."""
        return self.option.flag or self.name.replace("_", "-")

    @property
    def default_in_words(self) -> str:
        """What is taken where nobody chose."""
        if self.option.by_default:
            return self.option.by_default
        if isinstance(self.default, bool):
            return "on" if self.default else "off"
        return ",".join(self.default) if isinstance(self.default, tuple) else str(self.default)

    @property
    def limits(self) -> str:
        """The limits in words, e.g. ``"from 0, below 1"``; empty where there is none."""
        parts = [
            f"{words} {limit:.10g}"
            for words, limit in (
                ("from", self.at_least),
                ("above", self.above),
                ("to", self.at_most),
                ("below", self.below),
            )
            if limit is not None
        ]
        return ", ".join(parts)


def declared(settings: type[BaseModel]) -> Iterator[Declared]:
    """All options of a settings class, in the order of their declaration.

    Parameters
    ----------
    settings : type
        Whose fields carry an `Option`; those that carry none are no options.
    """
    for name, info in settings.model_fields.items():
        found = [item for item in info.metadata if isinstance(item, Option)]
        if found:
            yield Declared(
                name,
                found[0],
                None if info.is_required() else info.get_default(),
                _kind(info.annotation),
                *(_limit(info, limit) for limit in ("ge", "gt", "le", "lt")),
            )


def option_of(settings: type[BaseModel], name: str) -> Declared:
    """The declaration of one field; see `declared`."""
    return next(found for found in declared(settings) if found.name == name)


def _limit(info: FieldInfo, name: str) -> float | None:
    return next((getattr(item, name) for item in info.metadata if hasattr(item, name)), None)


def _kind(annotation: Any) -> type:
    """The type that a field's values have; None stands beside others and is passed over."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _kind(get_args(annotation)[0])
    if origin is Literal:
        return str
    if origin in (UnionType, Union):
        return next(_kind(part) for part in get_args(annotation) if part is not type(None))
    return origin or annotation
