"""What was measured on the bundled models beforehand, so that nobody has to wait for it.

Each bundled model has an archive, which ``python -m demo.build measure`` writes. It holds what the
cache would hold, under the same names: by the hash of the weights, of the sound and of the
settings. Other weights, another sound or another way of measuring have other names, and are
measured as usual; so is what an archive that cannot be read would have held.
"""

import logging
import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from analysis.files import PROJECT

FOLDER = PROJECT / "demo" / "measured"
"""Of the archives."""

UNREADABLE = (OSError, ValueError, EOFError, TypeError, BadZipFile, zlib.error)
"""What NumPy raises for an archive that is damaged or none; TypeError is for a bare array."""


def shipped_arrays(name: str) -> Mapping[str, np.ndarray] | None:
    """Arrays that ship under a name of the cache, or None.

    Parameters
    ----------
    name : str
        The path of a file below `analysis.cache.cache_root`, with forward slashes.
    """
    archive = _contents(FOLDER).get(name)
    if archive is None:
        return None
    try:
        with np.load(archive, allow_pickle=False) as file:
            prefix = f"{name}/"
            return {key.removeprefix(prefix): file[key] for key in file if key.startswith(prefix)}
    except UNREADABLE as error:
        _report(archive, error)
        return None


def is_shipped(name: str) -> bool:
    """Whether arrays ship under a name of the cache."""
    return name in _contents(FOLDER)


def write_archive(path: Path, contents: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """Write an archive.

    Parameters
    ----------
    path : Path
        In `FOLDER`, with the suffix ``.npz``.
    contents : mapping of str to mapping of str to ndarray
        Name in the cache → its arrays by their names.
    """
    flat = {
        f"{name}/{key}": array
        for name, arrays in sorted(contents.items())
        for key, array in arrays.items()
    }
    path.parent.mkdir(exist_ok=True)
    np.savez_compressed(path, **flat)  # type: ignore[arg-type]
    _contents.cache_clear()


@cache
def _contents(folder: Path) -> Mapping[str, Path]:
    """Name in the cache → the archive that holds it."""
    found: dict[str, Path] = {}
    for archive in sorted(folder.glob("*.npz")):
        try:
            with np.load(archive, allow_pickle=False) as file:
                found |= {key.rpartition("/")[0]: archive for key in file}
        except UNREADABLE as error:
            _report(archive, error)
    return found


def _report(archive: Path, error: Exception) -> None:
    """Tell the server's log of damage that costs time alone."""
    logging.getLogger(__name__).warning(
        "%s cannot be read (%s); what it held is measured again.", archive.name, error
    )
