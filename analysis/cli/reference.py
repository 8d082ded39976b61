"""The reference of the shell as Markdown: what every command takes, read off the parser.

``python -m analysis.cli.reference`` prints what `docs/shell.md` holds.
"""

import argparse
from collections.abc import Iterator

from analysis.cli.parser import command_line

_START = """# The shell

What `coalesce COMMAND --help` tells, written from the same parser (`make docs`).
[Options](recipe.md) says more about those of compression and training. Every command also takes
`--help`, and `--verbose`: with a fault, its detail.
"""
_EVERYWHERE = {"help", "verbose"}


def reference() -> str:
    """All commands with their arguments and options, as Markdown."""
    lines = [_START]
    for name, sentence, command in _commands(command_line()):
        lines += [f"## coalesce {name}", "", _sentence(sentence), "", *_arguments(command)]
        for action, purpose, nested in _commands(command):
            lines += [f"### coalesce {name} {action}", "", _sentence(purpose), ""]
            lines += _arguments(nested)
    return "\n".join(lines)


def _commands(
    parser: argparse.ArgumentParser,
) -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    """Name, purpose and parser of every command below a parser."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for described in action._choices_actions:
                yield described.dest, described.help or "", action.choices[described.dest]


def _arguments(parser: argparse.ArgumentParser) -> list[str]:
    """One line for each argument; the line that ends a list is empty."""
    lines = [
        f"- {_names(action)}{_required(action)}: {_help(action)}"
        for action in parser._actions
        if action.dest not in _EVERYWHERE and not isinstance(action, argparse._SubParsersAction)
    ]
    return [*lines, ""] if lines else []


def _names(action: argparse.Action) -> str:
    shown = "" if action.nargs == 0 else _value(action)
    if not action.option_strings:
        return f"`{shown}`"
    return ", ".join(
        f"`{name} {shown}`" if shown else f"`{name}`" for name in action.option_strings
    )


def _value(action: argparse.Action) -> str:
    """What stands behind an option, e.g. ``{wav,flac}``, ``DIR`` or ``SEED``."""
    if action.choices is not None:
        return "{" + ",".join(str(choice) for choice in action.choices) + "}"
    return str(action.metavar or action.dest.upper())


def _required(action: argparse.Action) -> str:
    return " (required)" if action.option_strings and action.required else ""


def _help(action: argparse.Action) -> str:
    text = (action.help or "").replace("%%", "%")
    if text:
        return text if text.endswith(".") else f"{text}."
    return f"Default: {action.default}." if action.default is not None else "One of these."


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


if __name__ == "__main__":
    print(reference(), end="")
