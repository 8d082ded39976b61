"""Flags of the shell from the declarations of settings: name, type, choices, limits, help."""

import argparse
from collections.abc import Collection, Mapping
from typing import Any

from pydantic import BaseModel

from analysis.plan.options import Declared, declared


def add_flags(
    parser: argparse.ArgumentParser, settings: type[BaseModel], *, without: Collection[str] = ()
) -> None:
    """Give a command a flag for every option of a settings class.

    Parameters
    ----------
    parser : ArgumentParser
    settings : type
        E.g. `analysis.plan.recipe.Recipe`.
    without : collection of str
        Options that the command asks for in another way.
    """
    for option in declared(settings):
        if option.name not in without:
            parser.add_argument(f"--{option.flag}", **_how(option))


def read_flags(
    options: argparse.Namespace, settings: type[BaseModel], *, without: Collection[str] = ()
) -> dict[str, Any]:
    """What a person chose of a settings class; options that were left alone are left out."""
    found = {
        option.name: getattr(options, option.flag.replace("-", "_"))
        for option in declared(settings)
        if option.name not in without
    }
    return {name: value for name, value in found.items() if value is not None}


def _how(option: Declared) -> Mapping[str, Any]:
    """The arguments of argparse; no flag has a default, so that what was left alone is known."""
    words = option.option
    text = f"{words.label}: {words.help} ({option.default_in_words})".replace("%", "%%")
    if option.kind is bool:
        may_be_on = option.default or words.by_default
        switch = argparse.BooleanOptionalAction if may_be_on else "store_true"
        return {"action": switch, "default": None, "help": text}
    if option.kind is tuple:
        text += f" By commas, of {', '.join(words.choices)}."
        return {"type": _listed, "metavar": "NAMES", "help": text}
    if words.choices:
        names = tuple(name for name in words.choices if name not in words.elsewhere)
        return {"choices": names, "help": text}
    return {"type": option.kind, "metavar": "TEXT" if option.kind is str else "N", "help": text}


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))
