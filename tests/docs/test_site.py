"""The site is built without a warning, and a reader's browser fetches nothing for it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.documents import DOCUMENTS, name_of
from tests.helpers.places import ROOT

_LOADED = re.compile(
    r"<(?:script|img|iframe|audio|video|source)\b[^>]*\bsrc(?:set)?=[\"']?((?:https?:)?//[^\s\"'>]+)"
    r"|<link\b[^>]*\bhref=[\"']?((?:https?:)?//[^\s\"'>]+)"
    r"|(?:url\(|@import )[\"']?((?:https?:)?//[^\s\"')]+)"
)


@pytest.fixture(scope="module")
def site() -> Path:
    """The folder that `make site` writes."""
    if shutil.which("make") is None:
        pytest.skip("there is no make on this machine")
    done = subprocess.run(
        ["make", "site", f"PYTHON={sys.executable}"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No issues found" in done.stdout + done.stderr
    return ROOT / "site"


@pytest.mark.slow
def test_every_page_is_there_and_found_by_its_words(site: Path) -> None:
    for path in DOCUMENTS:
        name = name_of(path).replace("README.md", "index.md").replace(".md", ".html")
        assert (site / name).is_file(), name
    index = (site / "search.json").read_text(encoding="utf-8")
    assert "Procrustes" in index
    assert "bootstrap" in index


@pytest.mark.slow
def test_nothing_is_fetched(site: Path) -> None:
    loaded = {
        f"{file.relative_to(site)}: {next(filter(None, found))}"
        for file in (*site.rglob("*.html"), *site.rglob("*.css"))
        for found in _LOADED.findall(file.read_text(encoding="utf-8"))
    }
    assert loaded == set()


@pytest.mark.slow
def test_the_reference_has_the_facade_and_the_packages(site: Path) -> None:
    text = (site / "docs/api/coalesce.html").read_text(encoding="utf-8")
    for name in ("facade.compress", "facade.plan", "figures.kept_units"):
        assert f'id="coalesce.{name}"' in text, name
    text = (site / "docs/api/clustering.html").read_text(encoding="utf-8")
    assert 'id="analysis.clustering.merge_tree.MergeTree' in text
