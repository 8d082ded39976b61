"""A new page: which places still miss it.

A page is a script in pages/ that ends in `run_page(draw)`, an entry of the navigation, and a test
in tests/pages/ that opens it in a simulated browser.
"""

import ast
import re
from pathlib import Path

import pytest

from tests.helpers.imports import ROOT, files, refuse, relative, tree_of

PAGES = sorted(path for path in (ROOT / "pages").glob("*.py") if path.stem != "__init__")


def _strings(path: Path) -> set[str]:
    return {
        node.value
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def _navigation() -> dict[str, Path]:
    """Every `st.Page("pages/….py")`, and the file that it stands in."""
    found = {}
    for path in files("app.py", "pages/frame"):
        for node in ast.walk(tree_of(path)):
            if (
                isinstance(node, ast.Call)
                and ast.unparse(node.func) in ("st.Page", "streamlit.Page")
                and node.args
                and (name := re.search(r"pages/\w+\.py|\b\w+\.py\b", ast.unparse(node.args[0])))
            ):
                found[Path(name.group()).stem] = path
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_is_in_the_navigation(page: Path) -> None:
    places = sorted({relative(path) for path in _navigation().values()})
    if page.stem not in _navigation():
        refuse(
            [
                f"{relative(page)} is in no navigation, so that nobody finds the page: add an"
                f" `st.Page` for it in {' or '.join(places)}; what is no page goes into a package"
                " of pages/."
            ]
        )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_is_never_drawn_alone(page: Path) -> None:
    last = tree_of(page).body[-1]
    if not (isinstance(last, ast.Expr) and ast.unparse(last).startswith("run_page(")):
        refuse(
            [
                f"{relative(page)}:{last.lineno} does not end in `run_page(draw)`, so that its"
                " address opens it without navigation and model: end it so."
            ]
        )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_a_test(page: Path) -> None:
    tests = files("tests/pages")
    opened = any(
        relative(page) in _strings(path)
        or re.search(rf"\bvisit\(\s*[\"']{page.stem}[\"']", path.read_text(encoding="utf-8"))
        for path in tests
    )
    if not opened:
        refuse(
            [
                f"No test in tests/pages/ opens {relative(page)}: add"
                f" tests/pages/test_{page.stem}_page.py, which visits it with the fixture `visit`"
                f" or by `switch_page('{relative(page)}')`."
            ]
        )


def test_the_navigation_leads_to_pages() -> None:
    refuse(
        [
            f"{relative(path)} has an `st.Page` for pages/{name}.py, which is not there: add the"
            " page or remove the entry."
            for name, path in _navigation().items()
            if not (ROOT / "pages" / f"{name}.py").is_file()
        ]
    )
