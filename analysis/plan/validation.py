"""Settings that check themselves: strict fields, and every fault told as one sentence."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from analysis.errors import UserError


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

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise told(error, type(self)) from error

    def changed(self, **values: Any) -> Self:
        """The same with other values in some fields, checked like the first."""
        return type(self)(**(dict(self) | values))

    @classmethod
    def read(cls, values: Mapping[str, Any], what: str = "") -> Self:
        """Read what JSON or YAML gave: lists stand for tuples, everything else is as strict.

        Parameters
        ----------
        values : mapping
            By field.
        what : str
            What the values are called in messages, e.g. ``"The plan"``.

        Raises
        ------
        UserError
        """
        try:
            return cls.model_validate(_tuples(values))
        except ValidationError as error:
            raise told(error, cls, what) from error


def told(error: ValidationError, cls: type[BaseModel], what: str = "") -> UserError:
    """The first fault that pydantic found, as a sentence and a remedy.

    Parameters
    ----------
    error : ValidationError
    cls : type
        What was to be made.
    what : str
        What was read, e.g. ``"The plan"``; by default the title of the class.
    """
    what = what or f"The {cls.model_config.get('title') or cls.__name__.lower()}"
    fault = error.errors(include_url=False)[0]
    names = [str(part) for part in fault["loc"] if isinstance(part, str)]
    name, value = names[-1] if names else "value", fault["input"]
    given = f"{value:g}" if isinstance(value, float) else repr(value)
    given = given if len(given) <= 80 else f"{given[:77]}…"
    context = fault.get("ctx", {})
    match fault["type"]:
        case "value_error" if isinstance(context["error"], UserError):
            return context["error"]
        case "extra_forbidden":
            known = ", ".join(sorted(cls.model_fields)) if len(fault["loc"]) == 1 else ""
            remedy = f"Choose from {known}." if known else "Remove it."
            return UserError(f"{what} has no field {name!r}.", remedy)
        case "missing":
            return UserError(f"{what} has no {name}.", "Add it, or choose another file.")
        case "literal_error":
            expected = context["expected"].replace("'", "").replace(" or ", ", ")
            return UserError(f"{name} is {value!r}.", f"Choose one of {expected}.")
        case kind if kind in _LIMITS:
            return UserError(f"{name} is {given}.", _limits(fault))
        case "finite_number":
            return UserError(f"{name} is {given}.", "Choose a finite number.")
    if "n_clusters" in names and name != "n_clusters":
        return UserError(f"K of {name} is {value!r}, not a whole number.", "Correct it.")
    return UserError(f"{what}'s {name} has the wrong type: {given}.", "Correct it.", fault["msg"])


_LIMITS: Mapping[str, tuple[str, str]] = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def _limits(fault: ErrorDetails) -> str:
    """What would have worked; the limit that was crossed."""
    key, words = _LIMITS[fault["type"]]
    return f"Choose {words} {fault['ctx'][key]:.10g}."


def _tuples(value: Any) -> Any:
    """JSON's lists as tuples, which frozen fields hold."""
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    if isinstance(value, Mapping):
        return {key: _tuples(item) for key, item in value.items()}
    return value
