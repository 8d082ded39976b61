"""Every package tells a newcomer what lives there, and which module to open first."""

import ast
import re
from pathlib import Path

import pytest

from tests.helpers.imports import MAKERS, PRODUCT, files, refuse, relative, tree_of

PACKAGES = sorted(
    {path.parent for path in files(*PRODUCT, *MAKERS)} - {Path(files("app.py")[0]).parent}
)

_PARTS = {
    "What comes in:": "say on a line of its own what comes in",
    "What goes out:": "say on a line of its own what goes out",
    "Open ": "end with “Open `module` first.”",
}


@pytest.mark.parametrize("package", PACKAGES, ids=relative)
def test_a_package_introduces_itself(package: Path) -> None:
    path = package / "__init__.py"
    if not path.is_file():
        refuse([f"{relative(package)}/ has no __init__.py: add one, with a note on the package."])
    note = ast.get_docstring(tree_of(path)) or ""
    lines = note.splitlines()
    offences = [
        f"{relative(path)}:1 has a note without “{start.strip()}”: {remedy}."
        for start, remedy in _PARTS.items()
        if not any(line.startswith(start) for line in lines)
    ]
    for name in _opened(note):
        path_of_name = package.joinpath(*name.split("."))
        if not path_of_name.with_suffix(".py").is_file() and not path_of_name.is_dir():
            offences.append(
                f"{relative(path)}:1 sends the reader to `{name}`, and {relative(package)}/ has no"
                " such module: name one that is there."
            )
    refuse(offences)


def _opened(note: str) -> list[str]:
    """Modules that the note tells the reader to open."""
    sentence = re.search(r"^Open .*?(?=\n\S*:|\Z)", note, re.MULTILINE | re.DOTALL)
    return re.findall(r"`([a-z_.]+)`", sentence.group()) if sentence else []


def test_the_modules_of_a_note_are_found() -> None:
    assert _opened("A room.\n\nOpen `merge_tree` first, then\n`trees`.") == ["merge_tree", "trees"]
    assert _opened("A room with a `door`.") == []
