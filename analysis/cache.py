"""Where results that are dear to compute are kept between starts."""

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

REVISION = "1"
"""To be raised when what is kept is computed in another way: older results are then not read."""

Shape = tuple[int | None, ...]
"""Of an array; None stands for any length."""


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


def cached(
    path: Path, shapes: Mapping[str, Shape], make: Callable[[], Mapping[str, np.ndarray]]
) -> Mapping[str, np.ndarray]:
    """Arrays from disk where they were kept, else made and kept.

    Parameters
    ----------
    path : Path
        Of the file, below `cache_folder`.
    shapes : mapping of str to tuple of int or None
        Name and shape of every array that has to be there; a file that is broken, or lacks one of
        them in this shape, is made anew.
    make : callable
        Makes them all.

    Returns
    -------
    mapping of str to ndarray
    """
    found = read_arrays(path)
    if found is not None and all(
        name in found and _fits(found[name].shape, shape) for name, shape in shapes.items()
    ):
        return found
    made = make()
    write_arrays(path, made)
    return made


def _fits(found: tuple[int, ...], wanted: Shape) -> bool:
    return len(found) == len(wanted) and all(
        length in (own, None) for own, length in zip(found, wanted, strict=True)
    )


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
