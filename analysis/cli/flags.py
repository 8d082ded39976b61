"""Flags of the shell from the declarations of settings: name, type, choices, limits, help."""

import argparse
from collections.abc import Collection, Mapping
from typing import Any

from pydantic import BaseModel

from analysis.plan.options import Declared, declared


def add_flags(
    parser: argparse.ArgumentParser,
    settings: type[BaseModel],
    *,
    without: Collection[str] = (),
    hidden: Collection[str] = (),
) -> None:
    """Give a command a flag for every option of a settings class.

    Parameters
    ----------
    parser : ArgumentParser
    settings : type
        E.g. `analysis.plan.recipe.Recipe`.
    without : collection of str
        Options that the command asks for in another way.
    hidden : collection of str
        Choices that no flag offers, because something else leads to them.
    """
    for option in declared(settings):
        if option.name not in without:
            parser.add_argument(f"--{_flag(option)}", **_how(option, hidden))


def read_flags(options: argparse.Namespace, settings: type[BaseModel]) -> dict[str, Any]:
    """What a person chose of a settings class; options that were left alone are left out."""
    found = {
        option.name: getattr(options, _flag(option).replace("-", "_"), None)
        for option in declared(settings)
    }
    return {name: value for name, value in found.items() if value is not None}


def _flag(option: Declared) -> str:
    return option.option.flag or option.name.replace("_", "-")


def _how(option: Declared, hidden: Collection[str]) -> Mapping[str, Any]:
    """The arguments of argparse; no flag has a default, so that what was left alone is known."""
    default = option.option.by_default or _in_words(option.default)
    text = f"{option.option.help} ({default})".replace("%", "%%")
    if option.kind is bool:
        switch = argparse.BooleanOptionalAction if option.default else "store_true"
        return {"action": switch, "default": None, "help": text}
    if option.kind is tuple:
        text += f" By commas, of {', '.join(option.option.choices)}."
        return {"type": _listed, "metavar": "NAMES", "help": text}
    if option.option.choices:
        names = tuple(name for name in option.option.choices if name not in hidden)
        return {"choices": names, "help": text}
    return {"type": option.kind, "metavar": "TEXT" if option.kind is str else "N", "help": text}


def _in_words(default: object) -> str:
    if isinstance(default, bool):
        return "on" if default else "off"
    if isinstance(default, tuple):
        return ",".join(default)
    return f"{default:g}" if isinstance(default, float) else str(default)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))
