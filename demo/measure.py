"""What the default recipe asks of the bundled models, measured once for all who install them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from unittest.mock import patch

from analysis.cache import cache_root, read_arrays
from analysis.compression.planner import Planner
from analysis.models.loading import load
from analysis.plan.recipe import complete
from analysis.shipped import write_archive

_LARGE = ("ffn.npz", "attention.npz", "influence.npz", "expected.npz")
"""Ends of what does not ship though it is measured on the sound: moments and expectations, ten
times as large as all the rest, which take seconds."""


def write_measured(name: str, archive: Path) -> None:
    """Plan with the default recipe, and keep the small part of what that measures.

    That is the merge trees and the orders in which units go, what each layer is worth, how queries
    and keys of heads vary, and what the model writes on the speech that ships.

    Parameters
    ----------
    name : str
        Of a bundled model, e.g. "demo-whisper".
    archive : Path
        To write, with the suffix ``.npz``; an older one is not read.
    """
    archive.unlink(missing_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.dict(os.environ, {"COALESCE_CACHE": folder}),
    ):
        Planner(load(name)).prepare(complete(swaps=False))
        root = cache_root()
        files = [
            path
            for path in root.rglob("*.npz")
            if "trees" in path.parts or not path.name.endswith(_LARGE)
        ]
        write_archive(
            archive,
            {path.relative_to(root).as_posix(): read_arrays(path) or {} for path in files},
        )
