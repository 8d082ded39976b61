"""Tables that name the clips of a corpus and what is said in them, as people have them.

Layouts: LibriSpeech (`*.trans.txt`), audiofolder (`metadata.csv` or `metadata.jsonl` beside the
clips, as the `datasets` library and this project's own recordings have it) and JSONL manifests
(`audio_filepath`, `duration`, `text`, as NeMo writes them).
"""

import csv
import io
import json
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.errors import UserError
from analysis.files import absolute, read_bytes
from analysis.speech.audio import SUPPORTED_EXTENSIONS
from analysis.speech.letters import same_letters

_AUDIOFOLDER_TABLES = ("metadata.csv", "metadata.jsonl")
_FILE_FIELDS = ("file_name", "audio_filepath")
_TEXT_FIELDS = ("transcription", "text", "sentence")
_SPEAKER_FIELDS = ("speaker", "speaker_id", "voice")
_LONGEST_VALUE = 200
_NO_TEXT = re.compile("[\0\ud800-\udfff]")  # JSON can write NUL and lone surrogates


@dataclass(frozen=True, slots=True)
class Fault:
    """A file or line that the corpus names and that cannot be used.

    Parameters
    ----------
    where : str
        File, or table and line.
    reason : str
        One sentence.
    """

    where: str
    reason: str


@dataclass(frozen=True, slots=True)
class Entry:
    """What a table says about a clip, before anybody looked at the clip.

    Parameters
    ----------
    path : Path
    text : str
    speaker : str or None
    duration : float or None
        In seconds.
    columns : tuple of (str, str)
        Everything else that the table says about it, by column.
    """

    path: Path
    text: str
    speaker: str | None
    duration: float | None = None
    columns: tuple[tuple[str, str], ...] = ()


Entries = Iterator[Entry | Fault]
"""Of one table, as it is read."""


def nowhere(source: Path) -> UserError:
    """What is said of a source that is not there.

    Raises
    ------
    UserError
        Where links lead in a circle.
    """
    absolute(source)
    return UserError(f"There is no folder or manifest {source}.", "Check the path of the data.")


def find_tables(source: Path, files: Sequence[Path]) -> list[tuple[Path, str]]:
    """Files that name clips and say what is said in them, each with its layout."""
    if os.path.isfile(source):
        return [(source, "audiofolder" if source.name == "metadata.csv" else "manifest")]
    if not os.path.isdir(source):
        raise nowhere(source)
    found = [(path, "LibriSpeech") for path in files if path.name.endswith(".trans.txt")]
    found += [(path, "audiofolder") for path in files if path.name in _AUDIOFOLDER_TABLES]
    if not found:
        beside = [path for path in files if path.parent == source]
        found = [(path, "manifest") for path in beside if path.suffix == ".jsonl"]
    if not found:
        raise UserError(
            f"{source} holds no transcripts.",
            "Give a folder with *.trans.txt (LibriSpeech), metadata.csv or a JSONL manifest.",
        )
    return found


def _read_librispeech(table: Path, name: str) -> Entries:
    """Lines of ``speaker-chapter-number TEXT``; the clips lie beside the table."""
    clips = {same_letters(path.stem): path for path in table.parent.iterdir() if is_audio(path)}
    for number, line in enumerate(read_text(table, name).split("\n"), start=1):
        if not line.strip():
            continue
        key, *text = line.split(maxsplit=1)
        clip = clips.get(same_letters(key))
        if clip is None:
            yield Fault(f"{name}, line {number}", f"There is no clip {key} beside it.")
            continue
        speaker, *chapter = key.split("-")[:-1] or [key]
        columns = (("chapter", chapter[0]),) if chapter else ()
        yield Entry(clip, text[0] if text else "", speaker, columns=columns)


def _read_audiofolder(table: Path, name: str) -> Entries:
    """Rows of ``file_name`` and ``transcription``, as CSV or JSONL."""
    if table.suffix == ".jsonl":
        yield from _read_manifest(table, name)
        return
    reader = csv.DictReader(io.StringIO(read_text(table, name), newline=""), strict=True)
    try:
        columns = reader.fieldnames or []
    except csv.Error as error:
        raise UserError(
            f"{name} is no CSV: {error}.", "Check the quotation marks in its first line."
        ) from error
    if "file_name" not in columns or not any(field in columns for field in _TEXT_FIELDS):
        raise UserError(
            f"{name} lacks the columns file_name and {_TEXT_FIELDS[0]}.",
            "Name the columns so in its first line.",
        )
    if len(set(columns)) < len(columns):
        raise UserError(
            f"{name} has two columns of one name.",
            "Give each column in its first line its own name.",
        )
    last_read = reader.line_num
    try:
        for row in reader:
            last_read = reader.line_num
            if row.get(None):
                yield Fault(
                    f"{name}, line {last_read}",
                    "It has more fields than the first line names; a text with commas needs"
                    " quotation marks.",
                )
                continue
            row.pop("duration", None)  # there in whatever unit, since the layout has no such column
            yield _entry(row, table.parent, f"{name}, line {last_read}")
    except csv.Error as error:
        yield Fault(
            f"{name}, from line {last_read + 1} on",
            f"It is no CSV: {error}; check the quotation marks.",
        )


def _read_manifest(table: Path, name: str) -> Entries:
    """Lines of JSON with ``audio_filepath`` (or ``file_name``) and ``text``."""
    for number, line in enumerate(read_text(table, name).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict):
            yield _entry(row, table.parent, f"{name}, line {number}")
        else:
            yield Fault(f"{name}, line {number}", "It is no JSON object.")


READERS: Mapping[str, Callable[[Path, str], Entries]] = {
    "LibriSpeech": _read_librispeech,
    "audiofolder": _read_audiofolder,
    "manifest": _read_manifest,
}


def _entry(row: Mapping[str, Any], folder: Path, where: str) -> Entry | Fault:
    """What a row says, whatever it calls its fields."""
    file = next((row[field] for field in _FILE_FIELDS if row.get(field)), None)
    text = next((row[field] for field in _TEXT_FIELDS if row.get(field) is not None), None)
    speakers = (row[field] for field in _SPEAKER_FIELDS if row.get(field) not in (None, ""))
    speaker = next(map(str, speakers), None)
    duration = row.get("duration")
    if not isinstance(file, str):
        return Fault(where, f"It names no clip ({' or '.join(_FILE_FIELDS)}).")
    if text is not None and not isinstance(text, str):
        return Fault(where, f"Its transcript is {text!r}, and has to be a text in quotes.")
    if not isinstance(text, str):
        return Fault(where, f"It holds no transcript ({', '.join(_TEXT_FIELDS)}).")
    if row.get("offset"):
        return Fault(where, "It means a part of a file (offset); cut that part out.")
    if _NO_TEXT.search(file + text + (speaker or "")):
        return Fault(where, "It holds characters that no file name and no text can have.")
    try:
        seconds = None if duration in (None, "") else float(duration)
    except OverflowError:
        seconds = math.inf
    except (TypeError, ValueError):
        seconds = math.nan
    if seconds is not None and not math.isfinite(seconds):
        return Fault(where, "Its duration is no number of seconds.")
    try:
        path = Path(os.path.normpath(folder / Path(file).expanduser()))
    except RuntimeError:
        return Fault(where, f"It names the folder of a user who is not here: {file}.")
    return Entry(path, text, speaker, seconds, _other_columns(row))


def _other_columns(row: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What a row says beside clip, text, speaker and duration; lists and objects are left out."""
    known = (*_FILE_FIELDS, *_TEXT_FIELDS, *_SPEAKER_FIELDS, "duration", "offset")
    return tuple(
        (_NO_TEXT.sub("", str(name)), _NO_TEXT.sub("", str(value))[:_LONGEST_VALUE])
        for name, value in row.items()
        if name and name not in known and isinstance(value, str | int | float | bool)
    )


class Names:
    """Finds files whose names a table writes as another system does.

    macOS takes letters apart from their marks (NFD) where others do not (NFC), and Windows puts
    backslashes between folders. Folders are listed once.
    """

    def __init__(self) -> None:
        self._listed: dict[Path, dict[str, str]] = {}

    def find(self, path: Path) -> Path:
        """The file that is meant; the path itself, where there is none.

        Parameters
        ----------
        path : Path
            As the table has it, absolute.
        """
        if os.path.lexists(path):
            return path
        parts = Path(os.path.normpath(str(path).replace("\\", "/"))).parts
        found = Path(parts[0])
        for part in parts[1:]:
            if not os.path.lexists(found / part):
                part = self._names(found).get(same_letters(part), part)
            found /= part
        return found if os.path.lexists(found) else path

    def _names(self, folder: Path) -> Mapping[str, str]:
        if folder not in self._listed:
            try:
                names = os.listdir(folder)
            except OSError:
                names = []
            self._listed[folder] = {same_letters(name): name for name in names}
        return self._listed[folder]


def is_audio(path: Path) -> bool:
    """Whether a file is a clip, by its name."""
    return path.suffix.lower() in SUPPORTED_EXTENSIONS and os.path.isfile(path)


def read_text(table: Path, name: str) -> str:
    """Text of a table, its lines ended by line feeds.

    Raises
    ------
    UserError
        For what is no regular file in UTF-8, or has zeros in it, as UTF-16 and office's files have.
    """
    try:
        content = read_bytes(table)
        if b"\0" in content:
            raise OSError("it has zeros in it, and text has none")
        return re.sub("\r\n?", "\n", content.decode("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{name} cannot be read as text.", "Give a UTF-8 text file.", str(error)
        ) from error
