"""Keeps folders of results below a size: what was used longest ago goes first."""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

SUFFIX = ".npz"
"""Of an entry; other files are not touched."""
TEMPORARY_PREFIX, TEMPORARY_SUFFIX = "tmp", ".tmp"
"""Of a file that is being written, as `tempfile` calls it."""

_SHARE = 20  # a sweep makes room for a 20th of the limit, and comes at the latest after as much
_LOCK_FILE = ".sweep.lock"
_ABANDONED_SECONDS = 3600

_rooms: dict[tuple[Path, int], int] = {}
_rooms_lock = threading.Lock()  # jobs of several visitors write at once


@dataclass(frozen=True, slots=True)
class Entry:
    """One kept result.

    Parameters
    ----------
    path : Path
    bytes : int
    used : int
        When it was read or written last, in nanoseconds.
    """

    path: Path
    bytes: int
    used: int


def most_kept(limit: int) -> int:
    """Bytes that a sweep leaves at most: less than the limit, so that the next one is not near.

    Examples
    --------
    >>> most_kept(1000)
    950
    """
    return limit - limit // _SHARE


def make_room(root: Path, folders: Sequence[Path], limit: int, written: int) -> None:
    """Note that so many bytes were written, and sweep when it is time.

    The first call of a process sweeps. After that, a sweep comes when what the process wrote has
    used up what the last one left, so that one process alone never passes the limit; and at the
    latest after a 20th of the limit, because others write, too.

    Parameters
    ----------
    root : Path
        Holds the lock: one process sweeps at a time, and the others do not wait for it.
    folders : sequence of Path
        Where entries lie; see `entries`.
    limit : int
        Bytes that all entries may take together.
    written : int
    """
    key = root, limit
    with _rooms_lock:
        is_first = key not in _rooms
        _rooms[key] = _rooms.get(key, 0) - written
        is_due = is_first or (written > 0 and _rooms[key] <= 0)
    if not is_due or not root.is_dir():
        return
    # OSError: a sweep is going on (Timeout), or the folder cannot be written; NotImplementedError:
    # a file system without locks. The cache is then too large for a while, and the work goes on.
    with suppress(OSError, NotImplementedError), FileLock(root / _LOCK_FILE, timeout=0):
        with _rooms_lock:
            _rooms[key] = 0
        room = sweep(folders, limit)
        with _rooms_lock:
            _rooms[key] += room  # others may have written meanwhile


def sweep(folders: Sequence[Path], limit: int) -> int:
    """Delete entries that were used longest ago until the rest fits, and what killed writers left.

    Parameters
    ----------
    folders : sequence of Path
    limit : int

    Returns
    -------
    int
        Bytes that may be written before the next sweep.
    """
    _remove_abandoned(folders)
    found = sorted(entries(folders), key=lambda entry: (entry.used, entry.path))
    total = sum(entry.bytes for entry in found)
    share = limit - most_kept(limit)
    if total <= limit:
        return min(limit - total, share)
    for entry in found:
        if total <= most_kept(limit):
            break
        if _remove(entry):
            total -= entry.bytes
    return share  # also where some could not be deleted, lest every write walks through all


def entries(folders: Sequence[Path]) -> Iterator[Entry]:
    """All entries below the folders."""
    for folder in folders:
        for found in files_in(folder):
            if found.name.endswith(SUFFIX):
                with suppress(OSError):  # another process deleted it
                    facts = found.stat(follow_symlinks=False)
                    yield Entry(Path(found.path), facts.st_size, facts.st_mtime_ns)


def is_temporary(name: str) -> bool:
    """Whether a file is called like one that is being written.

    Examples
    --------
    >>> is_temporary("tmpab12.tmp"), is_temporary("layer.npz")
    (True, False)
    """
    return name.startswith(TEMPORARY_PREFIX) and name.endswith(TEMPORARY_SUFFIX)


def files_in(folder: Path) -> Iterator[os.DirEntry[str]]:
    """All files below a folder, never through a link; what vanishes meanwhile is passed over."""
    try:
        with os.scandir(folder) as listed:
            found = list(listed)
    except OSError:
        return
    for item in found:
        with suppress(OSError):
            if item.is_dir(follow_symlinks=False):
                yield from files_in(Path(item.path))
            elif item.is_file(follow_symlinks=False):
                yield item


def _remove_abandoned(folders: Sequence[Path]) -> None:
    oldest = time.time() - _ABANDONED_SECONDS
    for folder in folders:
        for found in files_in(folder):
            with suppress(OSError):
                if is_temporary(found.name) and found.stat().st_mtime < oldest:
                    os.unlink(found.path)


def _remove(entry: Entry) -> bool:
    """Delete an entry unless it was used since it was listed; whether it is gone."""
    try:
        if entry.path.stat().st_mtime_ns != entry.used:
            return False
        entry.path.unlink()
    except FileNotFoundError:
        return True
    except OSError:  # open elsewhere, as Windows has it, or not ours
        return False
    return True
