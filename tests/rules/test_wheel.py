"""The wheel holds the product: the app with its models, clips and theme, under one name."""

import re
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("analysis", "coalesce", "demo", "pages", ".streamlit")


def names(kind: str, folder: Path) -> list[str]:
    """Build a wheel as pip would, and list it."""
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=[kind])
    return zipfile.ZipFile(wheel).namelist()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The files that lie in site-packages after an install."""
    return set(names("standard", tmp_path_factory.mktemp("wheel")))


@pytest.fixture(scope="module")
def expected() -> set[str]:
    """Where the repository's files belong; `coalesce` lies one level higher than in a clone."""
    files = [path for part in PARTS for path in (ROOT / part).rglob("*") if path.is_file()]
    places = [path.relative_to(ROOT) for path in files if "__pycache__" not in path.parts]
    found = {
        place.as_posix() if place.parts[0] == "coalesce" else f"coalesce/{place.as_posix()}"
        for place in places
    }
    return found | {"coalesce/app.py"}


def test_nothing_is_forgotten_and_nothing_comes_along(
    installed: set[str], expected: set[str]
) -> None:
    held = {name for name in installed if ".dist-info/" not in name}
    assert sorted(expected - held) == [], "forgotten"
    assert sorted(held - expected) == [], "not of the product"


@pytest.mark.parametrize(
    "name",
    [
        "app.py",
        "py.typed",
        "__main__.py",
        ".streamlit/config.toml",
        "demo/whisper/model.safetensors",
        "demo/hubert/model.safetensors",
        "demo/clips/metadata.csv",
        "demo/clips/set.flac",
        "demo/excitation/metadata.csv",
        "demo/excitation/en-fit-000.opus",
        "demo/heldout/metadata.csv",
        "demo/heldout/000.ogg",
        "demo/training_clips.py",
    ],
)
def test_what_people_use_is_there(installed: set[str], name: str) -> None:
    assert f"coalesce/{name}" in installed


def test_one_name_is_taken_in_site_packages(installed: set[str]) -> None:
    tops = {name.split("/")[0] for name in installed}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"coalesce"}


def test_paths_that_the_code_names_are_there(installed: set[str]) -> None:
    """``PROJECT / "demo" / "clips"`` and the like lead to something in the wheel."""
    pattern = re.compile(r'(?:PROJECT|_home\(\))((?: / "[^"]+")+)')
    found = []
    for part in ("analysis", "coalesce", "pages"):
        for path in (ROOT / part).rglob("*.py"):
            found += pattern.findall(path.read_text(encoding="utf-8"))
    assert len(found) >= 6
    for steps in found:
        place = "coalesce/" + "/".join(re.findall(r'"([^"]+)"', steps))
        assert any(name == place or name.startswith(f"{place}/") for name in installed), place


def test_what_is_installed_needs_nothing_that_is_not() -> None:
    pattern = re.compile(r"^\s*(?:from|import) (tests|benchmarks|hatch_build)\b", re.MULTILINE)
    for part in PARTS:
        for path in (ROOT / part).rglob("*.py"):
            assert not pattern.search(path.read_text(encoding="utf-8")), path


def test_an_editable_install_copies_nothing(tmp_path: Path) -> None:
    """A copy would grow old while the person edits the clone."""
    held = [name for name in names("editable", tmp_path) if ".dist-info/" not in name]
    assert held == ["_coalesce.pth"]
