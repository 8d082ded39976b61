"""What is kept of each session on disk: small files in a private folder, whole or not there.

A folder is named after a hash of its session's id, so that whoever can list folders learns no id,
and nobody finds a session without having been in it. Every item is a file of its own that a save
replaces whole: where two tabs or two processes of a server save the same item, the later one wins,
and all other items stay. Nothing here knows what the items mean; `pages.session.records` does.
"""

import hashlib
import os
import re
import secrets
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from analysis.cache import cache_folder
from analysis.errors import UserError
from analysis.eviction import TEMPORARY_PREFIX, TEMPORARY_SUFFIX, is_temporary
from analysis.serving import serving

DEFAULT_DAYS = 7
"""A session that nobody opens for so long is deleted; `COALESCE_SESSION_DAYS` sets another time."""

MOST_BYTES = 500_000_000
"""Of one session; sound is nearly all of it: four hours of speech."""

MOST_SESSIONS, MOST_BYTES_IN_ALL = 200, 5_000_000_000
"""Of a server: beyond them, the sessions go that were opened longest ago."""

HEAD = "session.json"
"""The item that every session has; a folder without it is no session."""

_ID = re.compile(r"[A-Za-z0-9_-]{22,64}")
_ITEM = re.compile(r"[a-z]+(-[A-Za-z0-9_-]{1,80})?\.(json|sound)")
_ID_BYTES = 24  # 192 bits: not to be guessed
_SWEEP_SECONDS = 3600
_ABANDONED_SECONDS = 3600

_swept: dict[Path, float] = {}


def new_id() -> str:
    """An id that nobody can guess."""
    return secrets.token_urlsafe(_ID_BYTES)


def days_kept() -> float:
    """Days after which an unused session is deleted; 0 keeps nothing, as a demonstration does.

    Raises
    ------
    UserError
        When `COALESCE_SESSION_DAYS` is no number of days.
    """
    if not serving().writes:
        return 0.0
    text = os.environ.get("COALESCE_SESSION_DAYS", "").strip()
    try:
        days = float(text or DEFAULT_DAYS)
    except ValueError:
        days = -1.0
    if not 0 <= days <= 3650:
        raise UserError(
            f"COALESCE_SESSION_DAYS is {text!r}, which is no number of days.",
            "Write a number from 0, which keeps nothing, to 3650.",
        )
    return days


class Store:
    """The items of one session.

    Parameters
    ----------
    folder : Path
        See `store_of`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def exists(self) -> bool:
        """Whether anything is kept, and not for too long."""
        with suppress(OSError):
            age = time.time() - (self.folder / HEAD).stat().st_mtime
            return age < days_kept() * 86_400
        return False

    @property
    def is_forgotten(self) -> bool:
        """Whether its visitor, in this or another process, asked to forget it."""
        return _tombstone(self.folder).exists()

    @property
    def n_bytes(self) -> int:
        """What all items take."""
        return _bytes_in(self.folder)

    def names(self) -> list[str]:
        """Of all items, sorted."""
        try:
            return sorted(p.name for p in self.folder.iterdir() if _ITEM.fullmatch(p.name))
        except OSError:
            return []

    def read(self, name: str) -> bytes:
        """One item.

        Raises
        ------
        OSError
        """
        return self._path(name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        """Replace one item, through a temporary sibling: it is never there in half.

        Raises
        ------
        UserError
            Where the session would be too large, or the disk is full.
        """
        if self.is_forgotten:
            return
        path = self._path(name)
        if len(content) > 10_000 and self.n_bytes + len(content) > MOST_BYTES:
            raise UserError(
                f"A session keeps {MOST_BYTES // 10**6} MB; what is newer is lost on a reload.",
                "Delete clips that are not needed any more.",
            )
        temporary: Path | None = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.NamedTemporaryFile(
                dir=self.folder, prefix=TEMPORARY_PREFIX, suffix=TEMPORARY_SUFFIX, delete=False
            ) as file:
                temporary = Path(file.name)  # private, as tempfile makes them
                file.write(content)
            temporary.replace(path)
        except OSError as error:
            if temporary is not None:
                with suppress(OSError):
                    temporary.unlink(missing_ok=True)
            raise UserError(
                "This session cannot be saved, so that a reload would lose what is new.",
                "Check that the server's disk has room.",
                repr(error),
            ) from error

    def delete(self, name: str) -> None:
        """Remove one item; nothing happens where it is gone."""
        with suppress(OSError):
            self._path(name).unlink(missing_ok=True)

    def touch(self) -> None:
        """Note that the session is in use."""
        with suppress(OSError):
            os.utime(self.folder / HEAD)

    def forget(self) -> None:
        """Delete everything at once, and keep other processes from saving it again."""
        with suppress(OSError):
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            _tombstone(self.folder).touch()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, name: str) -> Path:
        if not _ITEM.fullmatch(name):
            raise ValueError(name)
        return self.folder / name


def store_of(session_id: str) -> Store:
    """Where the items of a session are kept."""
    return Store(_root() / _hashed(session_id))


def is_id(text: str) -> bool:
    """Whether a text from an address could be an id."""
    return bool(_ID.fullmatch(text))


def stores_with(name: str) -> list[Store]:
    """All sessions of this server that have an item of a name, those used last first."""
    if not _ITEM.fullmatch(name):
        return []
    folders = sorted(_folders(), key=_used, reverse=True)
    stores = [Store(folder) for folder in folders if (folder / name).is_file()]
    return [store for store in stores if store.exists]


def sweep_out(*, at_once: bool = False) -> None:
    """Delete sessions that are too old or too many, and what killed writers left in the others.

    Once an hour is enough, but for `at_once`.
    """
    root = _root()
    now = time.time()
    if not at_once and now - _swept.get(root, -_SWEEP_SECONDS) < _SWEEP_SECONDS:
        return
    _swept[root] = now
    lifetime = days_kept() * 86_400
    room, places = MOST_BYTES_IN_ALL, MOST_SESSIONS
    for folder in sorted(_folders(), key=_used, reverse=True):
        age = now - _used(folder)
        room, places = room - _bytes_in(folder), places - 1
        is_young = not (folder / HEAD).exists() and age < _ABANDONED_SECONDS  # being made
        if not is_young and (age >= lifetime or room < 0 or places < 0):
            shutil.rmtree(folder, ignore_errors=True)
        else:
            _remove_abandoned(folder, now - _ABANDONED_SECONDS)
    for tombstone in root.glob("*.forgotten"):
        with suppress(OSError):
            if now - tombstone.stat().st_mtime > lifetime:
                tombstone.unlink()


def _root() -> Path:
    return cache_folder("sessions")


def _hashed(session_id: str) -> str:
    return hashlib.sha256(session_id.encode()).hexdigest()[:40]


def _tombstone(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.forgotten")


def _folders() -> list[Path]:
    try:
        return [path for path in _root().iterdir() if path.is_dir()]
    except OSError:
        return []


def _used(folder: Path) -> float:
    """When a session was opened or saved last, in seconds."""
    for path in (folder / HEAD, folder):
        with suppress(OSError):
            return path.stat().st_mtime
    return 0.0


def _remove_abandoned(folder: Path, oldest: float) -> None:
    """Delete what was half written and that nobody has written to since."""
    with suppress(OSError):
        for path in folder.iterdir():
            with suppress(OSError):
                if is_temporary(path.name) and path.stat().st_mtime < oldest:
                    path.unlink()


def _bytes_in(folder: Path) -> int:
    total = 0
    with suppress(OSError):
        for path in folder.iterdir():
            with suppress(OSError):
                total += path.stat().st_size
    return total
