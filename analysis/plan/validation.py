"""Settings that check themselves: strict fields, and every fault told as one sentence."""

import json
from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from analysis.errors import UserError
from analysis.plan.options import Option

_LONGEST = 80
_DEEPEST = 100  # settings have three levels


class TwiceError(ValueError):
    """JSON has two values for one name, of which every reader would take the one it likes."""


def read_once(text: str) -> Any:
    """What JSON says, where it says nothing twice and is not nested without an end.

    Parameters
    ----------
    text : str

    Raises
    ------
    TwiceError
        For a name that stands twice in one object.
    ValueError, RecursionError
        For what is no JSON.

    Examples
    --------
    >>> read_once('{"seed": 1}')
    {'seed': 1}
    """
    values = json.loads(text, object_pairs_hook=_once)
    json.dumps(values, ensure_ascii=False).encode()  # refuses half a character, which no file holds
    layer = [values]
    for _ in range(_DEEPEST):
        layer = [
            item
            for value in layer
            if isinstance(value, dict | list)
            for item in (value.values() if isinstance(value, dict) else value)
        ]
        if not layer:
            return values
    raise ValueError(f"nested more than {_DEEPEST} deep")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise TwiceError(f"“{shown_text(next(n for n in names if names.count(n) > 1))}”")
    return found


class Checked(BaseModel):
    """Frozen fields of exactly the declared types; what is unknown or wrong raises `UserError`.

    Parameters
    ----------
    **values
        The fields.

    Raises
    ------
    UserError
        Naming the first field that cannot be, and what would have worked.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    def __init__(self, /, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise told(error, type(self)) from error

    def changed(self, **values: Any) -> Self:
        """The same with other values in some fields, checked like the first."""
        return type(self)(**(dict(self) | values))

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Self:
        """Make one of what JSON or YAML gave.

        Parameters
        ----------
        values : mapping
            By field.

        Raises
        ------
        UserError
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise told(error, cls) from error


def told(error: ValidationError, cls: type[BaseModel]) -> UserError:
    """The first fault that pydantic found, as a sentence and a remedy.

    Parameters
    ----------
    error : ValidationError
    cls : type
        What was to be made.
    """
    fault = error.errors(include_url=False)[0]
    what = f"The {cls.model_config.get('title') or cls.__name__.lower()}"
    names = [str(part) for part in fault["loc"] if isinstance(part, str)]
    name, given = _called(cls, names[0]) if names else "value", shown(fault["input"])
    if len(names) > 1:  # an entry of a mapping
        name = f"{name} of {shown_text(names[-1])}"
    context = fault.get("ctx", {})
    match fault["type"]:
        case "value_error" if isinstance(context["error"], UserError):
            return context["error"]
        case "extra_forbidden":
            known = ", ".join(sorted(cls.model_fields))
            return UserError(f"{what} has no field {shown(names[0])}.", f"Choose from {known}.")
        case "missing":
            return UserError(f"{what} has no {name}.", "Add it, or choose another file.")
        case "literal_error":
            expected = context["expected"].replace("'", "").replace(" or ", ", ")
            return UserError(f"{name} is {given}.", f"Choose one of {expected}.")
        case kind if kind in _LIMITS:
            return UserError(f"{name} is {given}.", _limits(fault))
        case "finite_number":
            return UserError(f"{name} is {given}.", "Choose a finite number.")
    wanted = _TYPES.get(fault["type"])
    remedy = f"It should be {wanted}." if wanted else "Correct it."
    return UserError(f"{what}'s {name} has the wrong type: {given}.", remedy, fault["msg"])


def shown(value: object) -> str:
    """A value in a message, cut where it is long; a text is in quotation marks."""
    try:
        text = f"{value:g}" if isinstance(value, float) else repr(value)
    except (ValueError, RecursionError):  # an endless number, or lists within lists
        text = f"a {type(value).__name__} that is too large to be shown"
    return shown_text(text)


def shown_text(text: str) -> str:
    """A text in a message, cut where it is long."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


_LIMITS: Mapping[str, tuple[str, str]] = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}
_TYPES: Mapping[str, str] = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a text",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
}


def _limits(fault: ErrorDetails) -> str:
    """What would have worked; the limit that was crossed."""
    key, words = _LIMITS[fault["type"]]
    return f"Choose {words} {fault['ctx'][key]:.10g}."


def _called(cls: type[BaseModel], field: str) -> str:
    """What people call a field: by its flag where that is not its name."""
    info = cls.model_fields.get(field)
    options = [item for item in info.metadata if isinstance(item, Option)] if info else []
    return options[0].flag if options and options[0].flag else shown_text(field)
