"""A corpus that was uploaded: clips and tables, loose or in ZIP files, laid out as a folder."""

import lzma
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath

from analysis.errors import UserError
from analysis.evaluation.corpora import Fault
from analysis.speech.audio import SUPPORTED_EXTENSIONS
from analysis.speech.letters import same_letters

TABLE_EXTENSIONS = (".csv", ".jsonl", ".txt")
ARCHIVE_EXTENSION = ".zip"
MAX_BYTES = 4_000_000_000
"""Unpacked; LibriSpeech's test-clean has 350 MB."""

MAX_FILES = 50_000
"""Of one upload; LibriSpeech's train-clean-100 has 28,539 clips."""

MAX_RATIO, FREE_BYTES = 100, 100_000_000
"""Unpacked over packed bytes, asked for above so many of them: silence packs 1000 to 1."""

_DAMAGED = (
    *(zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError, EOFError, ValueError),
    *(zlib.error, lzma.LZMAError, struct.error),
)
"""What unpacking raises; each kind of packing has its own."""

_TOO_MUCH = (
    f"With it, the upload holds more than {MAX_BYTES / 1e9:g} GB: put it on the computer that"
    " serves this page, and name its folder."
)
_TOO_MANY = (
    f"With it, the upload holds more than {MAX_FILES:,} files: put it on the computer that serves"
    " this page, and name its folder."
)

_SAFE = frozenset(" _.,()+'&=@-")
_LONGEST_PART = 100


@dataclass(frozen=True, slots=True)
class LaidOut:
    """What became of an upload.

    Parameters
    ----------
    n_written : int
        Files that lie in the folder now.
    faults : tuple of Fault
        What was left out, and why; files that are neither clips nor tables are not among them.
    """

    n_written: int
    faults: tuple[Fault, ...]


def lay_out_upload(files: Iterable[tuple[str, bytes]], folder: Path) -> LaidOut:
    """Write clips and tables below a folder; what cannot be used leaves the rest as it is.

    Parameters
    ----------
    files : iterable of (str, bytes)
        Names and contents. ZIP files are unpacked, with their folders; unusual characters in
        names become underscores, and no name can leave the folder.
    folder : Path
        Empty.

    Returns
    -------
    LaidOut

    Raises
    ------
    UserError
        Where all that could be used is at fault, or the disk takes no more.
    """
    n_written, faults = 0, list[Fault]()
    for found in unpack(files):
        if isinstance(found, Fault):
            faults.append(found)
            continue
        name, content = found
        path = folder.joinpath(*_safe_parts(name))
        called = str(path.relative_to(folder))
        if path.exists():
            faults.append(Fault(called, "Another file of the upload is called so, too."))
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except (FileExistsError, NotADirectoryError):
            faults.append(Fault(called, "Another file of the upload is called as its folder is."))
        except OSError as error:
            raise UserError(
                f"“{called}” of the upload cannot be written.",
                "Check that the server's disk has room.",
                str(error),
            ) from error
        else:
            n_written += 1
    if faults and not n_written:
        first = faults[0]
        raise UserError(
            f"Nothing of the upload can be used. {first.where}: {first.reason}",
            "Choose other files, or name a folder on the computer that serves this page.",
        )
    return LaidOut(n_written, tuple(faults))


def unpack(files: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes] | Fault]:
    """Clips and tables, loose or out of ZIP files, one after the other; hidden files are skipped.

    Parameters
    ----------
    files : iterable of (str, bytes)
        Names and contents.

    Yields
    ------
    (str, bytes) or Fault
        Name, with its folders, and content; or what is left out, and why.
    """
    room, n_left = MAX_BYTES, MAX_FILES
    for name, content in files:
        archive = is_archive(name)
        for found in _members(name, content, room, n_left) if archive else [(name, content)]:
            if isinstance(found, Fault):
                yield found
            elif _wanted(found[0]):
                if len(found[1]) > room or not n_left:  # a smaller one may still have room
                    yield Fault(_called(name), _TOO_MANY if not n_left else _TOO_MUCH)
                    continue
                room, n_left = room - len(found[1]), n_left - 1
                yield found


def is_archive(name: str) -> bool:
    """Whether a file of this name is unpacked."""
    return name.lower().endswith(ARCHIVE_EXTENSION)


def _members(
    name: str, content: bytes, room: int, n_left: int
) -> Iterator[tuple[str, bytes] | Fault]:
    """The clips and tables of a ZIP file; a damaged one leaves the others."""
    called = _called(name)
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            members = [m for m in archive.infolist() if not m.is_dir() and _wanted(m.filename)]
            # before anything is unpacked: a small file may hold terabytes of zeros
            if (reason := _refusal(members, room, n_left)) is not None:
                yield Fault(called, reason)
                return
            for member in members:
                where = f"{called}: {'/'.join(_safe_parts(member.filename))}"
                if stat.S_ISLNK(member.external_attr >> 16):
                    yield Fault(where, "It is a link, and links are not followed.")
                    continue
                try:
                    unpacked = archive.read(member)
                except _DAMAGED:
                    yield Fault(where, "It cannot be unpacked: it is damaged, or has a password.")
                else:
                    yield member.filename, unpacked
    except _DAMAGED:
        yield Fault(called, "It cannot be unpacked: pack it again, as ZIP without a password.")


def _refusal(members: Sequence[zipfile.ZipInfo], room: int, n_left: int) -> str | None:
    """Why nothing of an archive is unpacked, where it would be too much."""
    unpacked = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members)
    if len(members) > n_left:
        return _TOO_MANY
    if unpacked > room:
        return _TOO_MUCH
    if unpacked > max(FREE_BYTES, MAX_RATIO * packed):
        return (
            f"It would become more than {MAX_RATIO} times as large, as no speech does: pack the"
            " clips anew, without those that are silent."
        )
    return None


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


def _called(name: str) -> str:
    return _safe_parts(name)[-1]
