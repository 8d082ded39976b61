"""Every module says why it exists, and is short enough to be read at once."""

import ast

from tests.helpers.imports import MAKERS, PRODUCT, files, refuse, relative, tree_of

MOST_LINES = 400


def test_every_module_says_why_it_exists() -> None:
    refuse(
        [
            f"{relative(path)}:1 has no docstring: say in its first line why the module exists."
            for path in files(*PRODUCT, *MAKERS, "tests")
            if not ast.get_docstring(tree_of(path))
        ]
    )


def test_no_module_is_too_long() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files(*PRODUCT)}
    refuse(
        [
            f"{relative(path)} has {length} lines, and a module has at most {MOST_LINES}: move one"
            " of its verbs or nouns into a module of its own."
            for path, length in lengths.items()
            if length > MOST_LINES
        ]
    )
