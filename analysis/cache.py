"""Where results that are dear to compute are kept between starts."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

REVISION = "1"
"""To be raised when what is kept is computed in another way: older results are then not read."""


def cache_folder(kind: str) -> Path:
    """Folder for one kind of cached result; `COALESCE_CACHE` moves the whole cache.

    Parameters
    ----------
    kind : str
        E.g. ``"trees"``.
    """
    base = os.environ.get("COALESCE_CACHE")
    if base is None:
        base = str(Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "coalesce")
    return Path(base) / REVISION / kind


def read_arrays(path: Path) -> Mapping[str, np.ndarray] | None:
    """Arrays saved by `write_arrays`, or None where there is no readable file."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except (OSError, ValueError, EOFError, BadZipFile, TypeError):  # TypeError: a bare array
        return None


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Save arrays through a temporary sibling; a cache that cannot be written is done without."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
            temporary = Path(file.name)
            try:
                np.savez(file, **arrays)  # type: ignore[arg-type]
            except OSError:
                temporary.unlink(missing_ok=True)
                raise
        temporary.replace(path)
    except OSError:
        return
