"""The examples in docstrings are what really comes out, in every module that has one."""

import doctest
import importlib
from pathlib import Path

import pytest

from tests.helpers.places import ROOT

MODULES = sorted(
    path.relative_to(ROOT)
    for folder in ("analysis", "pages", "demo", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_examples_give_what_they_say(path: Path) -> None:
    module = importlib.import_module(".".join(path.with_suffix("").parts))
    found = doctest.testmod(module)
    assert found.failed == 0
    written = (ROOT / path).read_text(encoding="utf-8").count(">>> ")
    assert found.attempted == written, "an example that doctest does not find"
