"""The rules see every import: at the top, in a function, under TYPE_CHECKING, relative."""

from pathlib import Path

import pytest

from tests.helpers.imports import Import, files, imports, is_module, module_name, refuse

SOURCE = '''"""A module."""

from typing import TYPE_CHECKING

import house.cellar
from house import attic, door

if TYPE_CHECKING:
    from house.roof import Tile


def climb():
    from .attic import ladder
    import numpy as np, torch.nn
    from . import cellar
'''


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A package of four modules, `house.hall` with the source above."""
    (tmp_path / "house").mkdir()
    for name in ("__init__", "attic", "cellar", "roof"):
        (tmp_path / "house" / f"{name}.py").write_text('"""A module."""\n')
    (tmp_path / "house" / "hall.py").write_text(SOURCE)
    return tmp_path


def test_every_import_is_seen(house: Path) -> None:
    hall = house / "house" / "hall.py"
    assert sorted((found.line, found.module) for found in imports(hall, house)) == [
        (3, "typing"),
        (5, "house.cellar"),
        (6, "house"),
        (6, "house.attic"),
        (9, "house.roof"),
        (13, "house.attic"),
        (14, "numpy"),
        (14, "torch.nn"),
        (15, "house.cellar"),
    ]


def test_files_have_the_names_that_imports_use(house: Path) -> None:
    names = [module_name(path, house) for path in files("house", "nowhere", root=house)]
    assert names == ["house", "house.attic", "house.cellar", "house.hall", "house.roof"]
    assert all(is_module(name, house) for name in names)
    assert not is_module("house.door", house)


def test_an_import_says_where_it_stands() -> None:
    found = Import(Path("hall.py"), 3, "house.attic")
    assert (found.place, found.top) == ("hall.py:3", "house")


def test_a_refusal_says_each_sentence_once() -> None:
    refuse([])
    with pytest.raises(pytest.fail.Exception, match=r"\AOne\.\nTwo\.\Z"):
        refuse(["One.", "Two.", "One."])
