"""Where results that are dear to compute are kept between starts, and how many of them."""

import logging
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from analysis.errors import UserError
from analysis.eviction import (
    SUFFIX,
    TEMPORARY_PREFIX,
    TEMPORARY_SUFFIX,
    files_in,
    is_temporary,
    make_room,
    most_kept,
)
from analysis.progress import UNWATCHED, Watch
from analysis.shipped import UNREADABLE, is_shipped, shipped_arrays
from analysis.turns import Turns

REVISION = "1"
"""To be raised when what is kept is computed in another way: older results are then not read."""

DEFAULT_LIMIT = 4_000_000_000
"""Bytes that computed results may take together; `COALESCE_CACHE_LIMIT` sets another limit."""

Computed = Literal["contributions", "projections", "statistics", "transcripts", "trees"]
"""Kinds that `write_arrays` makes: what was used longest ago goes when the limit is reached."""
Kept = Literal["corpora", "evaluations", "sessions", "training"]
"""Kinds that no limit of the cache holds for: fetched data, evaluations, trained models, and the
sessions of visitors, which have limits of their own (`pages.session.store`)."""

Shape = tuple[int | None, ...]
"""Of an array; None stands for any length."""

_TURNS = Turns()

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_UNITS |= {"ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Usage:
    """What one kind takes on disk.

    Parameters
    ----------
    kind : str
    files : int
    bytes : int
    is_computed : bool
        Whether the limit holds for it.
    """

    kind: str
    files: int
    bytes: int
    is_computed: bool


@dataclass(frozen=True, slots=True)
class Cleared:
    """What became of the cache.

    Parameters
    ----------
    bytes : int
        Freed.
    failed : int
        Files that could not be deleted.
    """

    bytes: int
    failed: int


def cache_root() -> Path:
    """The folder of the whole cache: `COALESCE_CACHE`, or the platform's place for caches."""
    if own := os.environ.get("COALESCE_CACHE"):
        return Path(own)
    if xdg := os.environ.get("XDG_CACHE_HOME"):
        return Path(xdg) / "coalesce"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "coalesce"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "coalesce"
    return Path.home() / ".cache" / "coalesce"


def cache_folder(kind: Computed | Kept) -> Path:
    """Folder for one kind of cached result.

    Parameters
    ----------
    kind : str
        E.g. ``"trees"``.
    """
    return cache_root() / REVISION / kind


def cache_limit() -> int:
    """Bytes that computed results may take together.

    Raises
    ------
    UserError
        When `COALESCE_CACHE_LIMIT` is no size.
    """
    text = os.environ.get("COALESCE_CACHE_LIMIT", "").strip()
    if not text:
        return DEFAULT_LIMIT
    found = _SIZE.fullmatch(text)
    if found is None or found[2].lower() not in _UNITS:
        raise UserError(
            f"COALESCE_CACHE_LIMIT is {text!r}, which is no size.",
            'Write it like "4 GB", "500 MB" or a number of bytes; 0 keeps nothing.',
        )
    return round(float(found[1]) * _UNITS[found[2].lower()])


def largest_entry() -> int:
    """Bytes of the largest result that is kept; a wrong limit is told once and not obeyed."""
    return most_kept(_limit())


def _limit() -> int:
    try:
        return cache_limit()
    except UserError as error:
        _tell(str(error))
        return DEFAULT_LIMIT


@cache
def _tell(sentence: str) -> None:
    """Once in the log: work of hours must not stop because of its cache."""
    logging.getLogger(__name__).warning("%s Until then the limit is 4 GB.", sentence)


def cached(
    path: Path,
    shapes: Mapping[str, Shape],
    make: Callable[[], Mapping[str, np.ndarray]],
    watch: Watch = UNWATCHED,
) -> Mapping[str, np.ndarray]:
    """Arrays from disk where they were kept, else made and kept.

    Threads that ask for the same at once make it once; the others wait.

    Parameters
    ----------
    path : Path
        Of the file, below `cache_folder`.
    shapes : mapping of str to tuple of int or None
        Name and shape of every array that has to be there; a file that is broken, or lacks one of
        them in this shape, is made anew.
    make : callable
        Makes them all; it reports by itself.
    watch : Watch
        Asked, while another thread makes them, whether to wait on.

    Returns
    -------
    mapping of str to ndarray

    Raises
    ------
    Cancelled
    """
    with _TURNS.take(path, Watch(should_cancel=watch.should_cancel)):
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
    """Arrays saved by `write_arrays`, or those that ship in their place; None without either."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
    except UNREADABLE:
        return shipped_arrays(_name(path))
    with suppress(OSError):  # the time of the last access is not kept everywhere
        os.utime(path)
    return arrays


def is_kept(path: Path) -> bool:
    """Whether `read_arrays` has something to read, be it from disk or from what ships."""
    return path.is_file() or is_shipped(_name(path))


def _name(path: Path) -> str:
    """Of a file below the root, the same on every machine; any other file keeps its own name."""
    root = cache_root()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Save arrays, and let older results go; a cache that cannot be written is done without.

    What is larger than `largest_entry` is not kept: all others would have to go for it.

    Parameters
    ----------
    path : Path
        Below `cache_folder`, with the suffix ``.npz``.
    arrays : mapping of str to ndarray
    """
    limit = _limit()
    fits = sum(array.nbytes for array in arrays.values()) < most_kept(limit)
    written = _write(path, arrays) if fits else 0
    make_room(cache_root(), _folders(get_args(Computed)), limit, written)


def tidy() -> None:
    """Remove what killed processes left half written, once for each process that calls it.

    Only files that nobody has written to for an hour go; results above the limit go with them.
    """
    make_room(cache_root(), _folders(get_args(Computed)), _limit(), 0)


def _write(path: Path, arrays: Mapping[str, np.ndarray]) -> int:
    """Save through a temporary sibling; returns bytes, 0 where that was not possible."""
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=TEMPORARY_PREFIX, suffix=TEMPORARY_SUFFIX, delete=False
        ) as file:
            temporary = Path(file.name)
            np.savez(file, **arrays)  # type: ignore[arg-type]
        size = temporary.stat().st_size
        temporary.replace(path)
    except OSError:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        return 0
    return size


def usage() -> tuple[Usage, ...]:
    """What every kind takes on disk, computed results first."""
    found = []
    for kind in (*get_args(Computed), *get_args(Kept)):
        sizes = [_size(file) for folder in _folders([kind]) for file in files_in(folder)]
        found.append(Usage(kind, len(sizes), sum(sizes), kind in get_args(Computed)))
    return tuple(found)


def clear(*, everything: bool = False) -> Cleared:
    """Delete what can be computed again.

    Parameters
    ----------
    everything : bool
        Whether fetched data, transcripts, visitors' sessions and training runs go, too.
    """
    n_bytes = failed = 0
    for path in list(_to_clear(everything)):
        try:
            size = path.lstat().st_size
            path.unlink()
            n_bytes += size
        except FileNotFoundError:
            continue
        except OSError:
            failed += 1
    kinds = (*get_args(Computed), *(get_args(Kept) if everything else ()))
    for folder in _folders(kinds):
        for name, _, _ in os.walk(folder, topdown=False):
            with suppress(OSError):  # it holds what is not ours, or is in use
                os.rmdir(name)
    return Cleared(n_bytes, failed)


def _to_clear(everything: bool) -> Iterator[Path]:
    for folder in _folders(get_args(Computed)):
        for file in files_in(folder):
            if file.name.endswith(SUFFIX) or is_temporary(file.name):
                yield Path(file.path)
    for folder in _folders(get_args(Kept) if everything else ()):
        for name, folders, names in os.walk(folder):
            yield from (Path(name, file) for file in names)
            yield from (path for sub in folders if (path := Path(name, sub)).is_symlink())


def _folders(kinds: Iterable[str]) -> list[Path]:
    """Of these kinds, in this revision and in all older ones, which nobody reads any more."""
    revisions = range(1, int(REVISION) + 1)
    return [cache_root() / str(revision) / kind for revision in revisions for kind in kinds]


def _size(file: os.DirEntry[str]) -> int:
    try:
        return file.stat(follow_symlinks=False).st_size
    except OSError:
        return 0
