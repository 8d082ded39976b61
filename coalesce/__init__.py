"""Coalesce in a notebook: load a speech model, merge its units, hear and measure what that did.

The functions work on objects of Coalesce's core, and every path may be a `str` or a `Path`. They
are loaded when they are first used, so that ``import coalesce`` takes no time.

What comes in: a model's name, folder or hub id; paths of clips and corpora.
What goes out: objects of the core, and Plotly figures.
Open `facade` first.

Examples
--------
>>> import coalesce
>>> model = coalesce.load("demo-whisper")
>>> coalesce.transcribe(model, coalesce.CLIPS / "set.flac").text
'set the alarm for twenty seven minutes to one'
"""

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analysis.errors import UserError
    from coalesce import figures
    from coalesce.facade import (
        activity,
        attention,
        cka,
        compress,
        diff,
        drift,
        evaluate,
        groups,
        head_cka,
        head_measures,
        load,
        losses,
        moments,
        plan,
        results,
        save,
        score,
        transcribe,
        worth,
    )

__all__ = [
    "CLIPS",
    "HELDOUT",
    "UserError",
    "__version__",
    "activity",
    "attention",
    "cka",
    "compress",
    "diff",
    "drift",
    "evaluate",
    "figures",
    "groups",
    "head_cka",
    "head_measures",
    "load",
    "losses",
    "moments",
    "plan",
    "results",
    "save",
    "score",
    "transcribe",
    "worth",
]


def _home() -> Path:
    """The folder that holds `analysis`, `pages` and `demo`: this one, or in a clone its parent."""
    here = Path(__file__).resolve().parent
    return here if (here / "analysis").is_dir() else here.parent


def _bring_in_the_parts(home: Path) -> None:
    """Import Coalesce's own `analysis`, whatever else has that name, and make the rest importable.

    The folder goes to the end of `sys.path`: no module of the person's own, `app` for instance,
    gives way to one of Coalesce.
    """
    if "analysis" not in sys.modules:
        sys.path.insert(0, str(home))
        try:
            import_module("analysis")
        finally:
            sys.path.remove(str(home))
    found = sys.modules["analysis"].__file__
    if found is None or Path(found).resolve().parent.parent != home:
        raise ImportError(
            f"Coalesce's core is a package called `analysis`, and this process has already imported"
            f" another one of that name ({found or 'a folder without __init__.py'}). Import"
            f" coalesce first, or in a process of its own."
        )
    if str(home) not in sys.path:
        sys.path.append(str(home))


_bring_in_the_parts(_home())

__version__: str = sys.modules["analysis"].__version__

CLIPS: Path = _home() / "demo" / "clips"
"""The folder of the bundled clips; its `metadata.csv` says what is spoken in them."""

HELDOUT: Path = _home() / "demo" / "heldout"
"""A corpus of 200 sentences that the demo models did not learn from, for `evaluate`."""


if not TYPE_CHECKING:  # type checkers read the imports above, and find misspelt names

    def __getattr__(name: str) -> object:
        """Load a function when it is first asked for: the engine takes seconds to import."""
        if name == "figures":
            return import_module("coalesce.figures")
        if name == "UserError":
            return import_module("analysis.errors").UserError
        if name in __all__:
            return getattr(import_module("coalesce.facade"), name)
        raise AttributeError(f"module 'coalesce' has no attribute {name!r}")


def __dir__() -> list[str]:
    """All names, those that are not loaded yet too."""
    return sorted({*globals(), *__all__})
