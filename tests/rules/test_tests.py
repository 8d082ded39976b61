"""House rules for the tests themselves."""

import ast
from pathlib import Path

import pytest

from tests.helpers.places import ROOT

MODULES = sorted((ROOT / "tests").rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_tests_share_lies_among_the_helpers(path: Path) -> None:
    """No test module imports from another one, nor from a conftest; helpers import no test."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "tests":
            assert f"{node.module}.".startswith("tests.helpers."), f"{path}: {node.module}"
        if isinstance(node, ast.Import):
            assert not any(alias.name.split(".")[0] == "tests" for alias in node.names)
