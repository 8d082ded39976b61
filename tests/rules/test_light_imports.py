"""What must load at once stays light: the plan, the shell's parser, and the first page's top.

`coalesce --help` answers in a blink because neither loads torch, not even through others; and a
server's first visitor plays a clip while torch is still being loaded.
"""

import os
import subprocess
import sys

import pytest

from tests.helpers.imports import ROOT, files, imports, module_name, refuse

HEAVY = (
    "torch", "transformers", "numpy", "scipy", "sklearn", "pandas", "plotly", "streamlit", "umap",
)  # fmt: skip

# Notes the line of the project that asks for a heavy library, and goes on.
_WATCH = """
import importlib, sys, traceback
from pathlib import Path

root, heavy, modules = Path(sys.argv[1]), sys.argv[2].split(","), sys.argv[3].split(",")

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name in heavy:
            own = [
                f for f in traceback.extract_stack()
                if root in Path(f.filename).parents and ".venv" not in f.filename
            ]
            at = f"{Path(own[-1].filename).relative_to(root).as_posix()}:{own[-1].lineno}"
            print(name, at if own else "?")
        return None

sys.meta_path.insert(0, Watch())
for module in modules:
    importlib.import_module(module)
"""


def loaded(*modules: str) -> list[tuple[str, str]]:
    """The heavy libraries that a fresh Python loads with the modules, and the line that asks."""
    done = subprocess.run(
        [sys.executable, "-c", _WATCH, str(ROOT), ",".join(HEAVY), ",".join(modules)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    return [(name, place) for name, place in found]


def test_the_watch_sees_what_is_loaded() -> None:
    assert ("numpy", "analysis/cache.py") in [
        (name, place.partition(":")[0]) for name, place in loaded("analysis.cache")
    ]


def test_the_plan_names_no_heavy_library() -> None:
    refuse(
        [
            f"{found.place} imports {found.top}, and analysis/plan/ is data that loads at once:"
            " move the function that needs it into a later package."
            for path in files("analysis/plan")
            for found in imports(path)
            if found.top in HEAVY
        ]
    )


@pytest.mark.parametrize(
    ("what", "modules"),
    [
        ("analysis/plan/", [module_name(path) for path in files("analysis/plan")]),
        ("analysis/cli/parser.py", ["analysis.cli.parser"]),
    ],
    ids=["plan", "parser"],
)
def test_nothing_heavy_is_loaded(what: str, modules: list[str]) -> None:
    refuse(
        [
            f"{place} loads {name} as soon as {what} is imported, so that `coalesce --help` takes"
            " seconds: import it inside the function that needs it, or move that function."
            for name, place in loaded(*modules)
        ]
    )


def test_the_first_page_plays_before_the_speech_libraries_are_loaded() -> None:
    refuse(
        [
            f"{place} loads {name} before the frame is drawn, so that the first visitor waits for"
            " seconds in front of an empty page: import it inside the function that needs it, or"
            " under TYPE_CHECKING."
            for name, place in loaded("pages.frame.frame")
            if name not in ("streamlit", "numpy", "pandas", "plotly")  # Streamlit asks for these
        ]
    )
