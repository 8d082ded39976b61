"""A corpus that was uploaded: clips and tables, loose or in ZIP files, laid out as a folder."""

import lzma
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path, PurePosixPath

from analysis.errors import UserError
from analysis.speech.audio import SUPPORTED_EXTENSIONS
from analysis.speech.letters import same_letters

TABLE_EXTENSIONS = (".csv", ".jsonl", ".txt")
MAX_BYTES = 4_000_000_000
"""Unpacked; LibriSpeech's test-clean has 350 MB."""

_DAMAGED = (
    *(zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError, EOFError, ValueError),
    *(zlib.error, lzma.LZMAError, struct.error),
)
"""What unpacking raises; each kind of packing has its own."""

_SAFE = frozenset(" _.,()+'&=@-")
_LONGEST_PART = 100


def lay_out_upload(files: Iterable[tuple[str, bytes]], folder: Path) -> int:
    """Write clips and tables below a folder; everything else is left out.

    Parameters
    ----------
    files : iterable of (str, bytes)
        Names and contents. ZIP files are unpacked, with their folders; unusual characters in
        names become underscores, and no name can leave the folder.
    folder : Path
        Empty.

    Returns
    -------
    int
        Files written.

    Raises
    ------
    UserError
        For a damaged ZIP file, two files of one name, or more than `MAX_BYTES`.
    """
    n_written, room = 0, MAX_BYTES
    for name, content in _members(files, room):
        room -= len(content)
        if room < 0:
            raise _too_much()
        path = folder.joinpath(*_safe_parts(name))
        if path.exists():
            raise UserError(
                f"Two files of the upload are called {path.relative_to(folder)}.",
                "Give each its own name, or its own folder in a ZIP file.",
            )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError as error:
            raise UserError(
                f"“{path.relative_to(folder)}” of the upload cannot be written.",
                "Check that the server's disk has room, and that no file has a folder's name.",
                str(error),
            ) from error
        n_written += 1
    return n_written


def _members(files: Iterable[tuple[str, bytes]], room: int) -> Iterator[tuple[str, bytes]]:
    for name, content in files:
        if not name.lower().endswith(".zip"):
            if _wanted(name):
                yield name, content
            continue
        try:
            with zipfile.ZipFile(BytesIO(content)) as archive:
                members = [m for m in archive.infolist() if not m.is_dir() and _wanted(m.filename)]
                # before anything is unpacked: a small file may hold terabytes of zeros
                if sum(member.file_size for member in members) > room:
                    raise _too_much()
                for member in members:
                    yield member.filename, archive.read(member)
        except UserError:
            raise
        except _DAMAGED as error:
            raise UserError(
                f"The file “{_safe_parts(name)[-1]}” cannot be unpacked.",
                "Pack it again, as ZIP without a password.",
                str(error),
            ) from error


def _wanted(name: str) -> bool:
    path = PurePosixPath(name.replace("\\", "/"))
    hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts if part != "..")
    return path.suffix.lower() in (*SUPPORTED_EXTENSIONS, *TABLE_EXTENSIONS) and not hidden


def _safe_parts(name: str) -> list[str]:
    parts = [part for part in same_letters(name).replace("\\", "/").split("/") if part.strip(". ")]
    safe = ["".join(c if _is_safe(c) else "_" for c in part) for part in parts]
    return [part[-_LONGEST_PART:].lstrip(".") for part in safe] or ["file"]


def _is_safe(letter: str) -> bool:
    """Whether a file may be called so: letters with their marks, digits, a few signs."""
    return letter.isalnum() or letter in _SAFE or unicodedata.category(letter)[0] == "M"


def _too_much() -> UserError:
    return UserError(
        f"The upload holds more than {MAX_BYTES / 1e9:g} GB.",
        "Put it on the computer that serves this page, and name its folder.",
    )
