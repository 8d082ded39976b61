"""Evaluation data as people have it: read, checked, and with every file that is left out named.

Layouts: LibriSpeech (`*.trans.txt`), audiofolder (`metadata.csv` or `metadata.jsonl` beside the
clips, as the `datasets` library and this project's own recordings have it) and JSONL manifests
(`audio_filepath`, `duration`, `text`, as NeMo writes them).
"""

import csv
import errno
import hashlib
import io
import json
import math
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from analysis.audio import MIN_SECONDS, SUPPORTED_EXTENSIONS, Audio, read_audio
from analysis.errors import UserError
from analysis.progress import (
    Progress,
    ShouldCancel,
    check_cancelled,
    never_cancel,
    no_progress,
)

MIN_SPEAKERS = 10
"""Fewer are not drawn as blocks: where all of four speakers err alike, every draw agrees, and the
interval and p come out far too small."""

_AUDIOFOLDER_TABLES = ("metadata.csv", "metadata.jsonl")
_FILE_FIELDS = ("file_name", "audio_filepath")
_TEXT_FIELDS = ("transcription", "text", "sentence")
_SPEAKER_FIELDS = ("speaker", "speaker_id", "voice")
_NO_TEXT = re.compile("[\0\ud800-\udfff]")  # JSON can write NUL and lone surrogates


@dataclass(frozen=True, slots=True)
class Utterance:
    """One clip with what was said in it.

    Parameters
    ----------
    id : str
        Path within the corpus; unique.
    path : Path
    text : str
        Reference transcript, as written, in one line.
    speaker : str or None
        Where the layout tells.
    duration : float
        Seconds.
    digest : str
        SHA-256 of the file, so that results belong to the sound and not to its name.
    """

    id: str
    path: Path
    text: str
    speaker: str | None
    duration: float
    digest: str

    def read(self) -> Audio:
        """The sound.

        Raises
        ------
        UserError
            Where the file has changed since the check, or is gone.
        """
        try:
            content = _content(self.path)
        except OSError as error:
            raise UserError(
                f"The clip {self.id} cannot be opened any more: {error.strerror}.",
                "Check the data again.",
                str(error),
            ) from error
        if hashlib.sha256(content).hexdigest() != self.digest:
            raise UserError(
                f"The clip {self.id} has changed since it was checked.", "Check the data again."
            )
        return read_audio(content, name=self.id)


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


@dataclass(frozen=True)
class Corpus:
    """A checked set of utterances.

    Parameters
    ----------
    name : str
        For people.
    layouts : tuple of str
        What it was read from.
    utterances : tuple of Utterance
        Those that can be used, in the order of their ids.
    faults : tuple of Fault
        All that was left out.
    """

    name: str
    layouts: tuple[str, ...]
    utterances: tuple[Utterance, ...]
    faults: tuple[Fault, ...]

    @property
    def seconds(self) -> float:
        """Of sound."""
        return sum(utterance.duration for utterance in self.utterances)

    @cached_property
    def speakers(self) -> tuple[str, ...] | None:
        """Speaker of each utterance, where all are known and there are two or more."""
        known = tuple(u.speaker for u in self.utterances if u.speaker is not None)
        return known if len(known) == len(self.utterances) and len(set(known)) > 1 else None

    @property
    def blocks(self) -> tuple[str, ...] | None:
        """What a bootstrap draws whole: speakers, where there are enough of them."""
        return self.speakers if len(set(self.speakers or ())) >= MIN_SPEAKERS else None

    @property
    def drawn(self) -> str:
        """What a bootstrap draws, for people."""
        if self.blocks:
            return f"{len(set(self.blocks))} speakers"
        few = f"; {len(set(self.speakers))} speakers are too few" if self.speakers else ""
        return f"{len(self.utterances)} utterances{few}"

    @property
    def references(self) -> list[str]:
        """What was said, utterance by utterance."""
        return [utterance.text for utterance in self.utterances]

    def excerpt(self, n_utterances: int) -> "Corpus":
        """That many utterances from all over it; itself, where it has no more.

        Raises
        ------
        UserError
            For fewer than one.
        """
        if n_utterances < 1:
            raise UserError(f"{n_utterances} utterances are too few.", "Choose 1 or more.")
        n_all = len(self.utterances)
        if n_utterances >= n_all:
            return self
        chosen = [self.utterances[index * n_all // n_utterances] for index in range(n_utterances)]
        name = f"{self.name} ({n_utterances} of {n_all})"
        return Corpus(name, self.layouts, tuple(chosen), self.faults)

    def describe(self) -> str:
        """One sentence: how many, how long, who, what was left out."""
        parts = [f"{len(self.utterances):,} utterances", f"{self.seconds / 60:.1f} min"]
        if self.speakers:
            parts.append(f"{len(set(self.speakers))} speakers")
        left_out = f"; {len(self.faults)} left out" if self.faults else ""
        return f"{', '.join(parts)} ({' and '.join(self.layouts)}){left_out}"


@dataclass(frozen=True, slots=True)
class _Entry:
    """What a table says about a clip, before anybody looked at the clip."""

    path: Path
    text: str
    speaker: str | None
    duration: float | None = None


_Entries = Iterator[_Entry | Fault]


def read_corpus(
    source: Path,
    *,
    progress: Progress = no_progress,
    should_cancel: ShouldCancel = never_cancel,
) -> Corpus:
    """Read a corpus and check every clip of it, by decoding it once.

    Parameters
    ----------
    source : Path
        A folder in one of the layouts, at any depth and behind links too, or a JSONL manifest.
    progress, should_cancel : callable
        Reports clips.

    Returns
    -------
    Corpus

    Raises
    ------
    UserError
        Where there is no such folder, no table in it, or no usable clip.
    Cancelled
    """
    try:
        source = source.expanduser().absolute()
    except RuntimeError as error:
        raise _nowhere(source) from error
    is_folder = os.path.isdir(source)
    root = source if is_folder else source.parent
    faults: list[Fault] = []
    files = _files(source, faults) if is_folder else []
    tables = _tables(source, files)
    entries: dict[Path, _Entry] = {}
    for table, layout in tables:
        for found in _READERS[layout](table, str(_relative(table, root))):
            if isinstance(found, Fault):
                faults.append(found)
            elif found.path in entries:
                faults.append(Fault(str(_relative(found.path, root)), "It is named twice."))
            else:
                entries[found.path] = found
    faults += _without_transcript(files, root, entries)
    utterances: list[Utterance] = []
    for done, (path, entry) in enumerate(sorted(entries.items())):
        progress(done, len(entries), "checking clips")
        check_cancelled(should_cancel)
        checked = _check(entry, str(_relative(path, root)))
        if isinstance(checked, Fault):
            faults.append(checked)
        else:
            utterances.append(checked)
    progress(len(entries), len(entries), "checked")
    if not utterances:
        raise UserError(
            f"{source.name} holds no clip that can be used.",
            f"The first of {len(faults)} faults: {faults[0].where}: {faults[0].reason}"
            if faults
            else "Check that its tables name clips.",
        )
    layouts = tuple(dict.fromkeys(layout for _, layout in tables))
    return Corpus(source.name, layouts, tuple(utterances), tuple(faults))


def _nowhere(source: Path) -> UserError:
    return UserError(f"There is no folder or manifest {source}.", "Check the path of the data.")


def _files(root: Path, faults: list[Fault]) -> list[Path]:
    """All files below a folder, sorted; every folder once, whatever links lead to it.

    Folders that cannot be listed are added to the faults.
    """

    def unlisted(error: OSError) -> None:
        where = str(_relative(Path(error.filename), root))
        faults.append(Fault(where, f"The folder cannot be opened: {error.strerror}."))

    found: list[Path] = []
    inside = Path(os.path.realpath(root))
    visited = {inside}
    for folder, subfolders, names in os.walk(root, onerror=unlisted, followlinks=True):
        found += [Path(folder, name) for name in names]
        wanted = []
        for name in sorted(subfolders):
            path = Path(folder, name)
            real = Path(os.path.realpath(path))
            # a link back into the corpus would name its clips a second time
            if real in visited or (path.is_symlink() and real.is_relative_to(inside)):
                continue
            visited.add(real)
            wanted.append(name)
        subfolders[:] = wanted
    return sorted(found)


def _tables(source: Path, files: Sequence[Path]) -> list[tuple[Path, str]]:
    """Files that name clips and say what is said in them, each with its layout."""
    if os.path.isfile(source):
        return [(source, "audiofolder" if source.name == "metadata.csv" else "manifest")]
    if not os.path.isdir(source):
        raise _nowhere(source)
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


def _read_librispeech(table: Path, name: str) -> _Entries:
    """Lines of ``speaker-chapter-number TEXT``; the clips lie beside the table."""
    clips = {path.stem: path for path in table.parent.iterdir() if _is_audio(path)}
    for number, line in enumerate(_text(table, name).split("\n"), start=1):
        if not line.strip():
            continue
        key, *text = line.split(maxsplit=1)
        if key not in clips:
            yield Fault(f"{name}, line {number}", f"There is no clip {key} beside it.")
            continue
        yield _Entry(clips[key], text[0] if text else "", key.split("-")[0])


def _read_audiofolder(table: Path, name: str) -> _Entries:
    """Rows of ``file_name`` and ``transcription``, as CSV or JSONL."""
    if table.suffix == ".jsonl":
        yield from _read_manifest(table, name)
        return
    reader = csv.DictReader(io.StringIO(_text(table, name), newline=""), strict=True)
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
    last_read = reader.line_num
    try:
        for row in reader:
            last_read = reader.line_num
            yield _entry(row, table.parent, f"{name}, line {last_read}")
    except csv.Error as error:
        yield Fault(
            f"{name}, from line {last_read + 1} on",
            f"It is no CSV: {error}; check the quotation marks.",
        )


def _read_manifest(table: Path, name: str) -> _Entries:
    """Lines of JSON with ``audio_filepath`` (or ``file_name``) and ``text``."""
    for number, line in enumerate(_text(table, name).split("\n"), start=1):
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


_READERS: Mapping[str, Callable[[Path, str], _Entries]] = {
    "LibriSpeech": _read_librispeech,
    "audiofolder": _read_audiofolder,
    "manifest": _read_manifest,
}


def _entry(row: Mapping[str, Any], folder: Path, where: str) -> _Entry | Fault:
    """What a row says, whatever it calls its fields."""
    file = next((row[field] for field in _FILE_FIELDS if row.get(field)), None)
    text = next((row[field] for field in _TEXT_FIELDS if row.get(field) is not None), None)
    speakers = (row[field] for field in _SPEAKER_FIELDS if row.get(field) not in (None, ""))
    speaker = next(map(str, speakers), None)
    duration = row.get("duration")
    if not isinstance(file, str):
        return Fault(where, f"It names no clip ({' or '.join(_FILE_FIELDS)}).")
    if not isinstance(text, str):
        return Fault(where, f"It holds no transcript ({', '.join(_TEXT_FIELDS)}).")
    if row.get("offset"):
        return Fault(where, "It means a part of a file (offset); cut that part out.")
    if _NO_TEXT.search(file + text + (speaker or "")):
        return Fault(where, "It holds characters that no file name and no text can have.")
    try:
        seconds = float(duration) if isinstance(duration, int | float) else None
    except OverflowError:
        seconds = math.inf
    if seconds is not None and not math.isfinite(seconds):
        return Fault(where, "Its duration is no number of seconds.")
    try:
        path = Path(os.path.normpath(folder / Path(file).expanduser()))
    except RuntimeError:
        return Fault(where, f"It names the folder of a user who is not here: {file}.")
    return _Entry(path, text, speaker, seconds)


def _content(path: Path) -> bytes:
    """Bytes of a regular file; a pipe or a device may never end.

    Raises
    ------
    OSError
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return path.read_bytes()


def _check(entry: _Entry, name: str) -> Utterance | Fault:
    """Decode a clip; its duration and digest, or what is wrong with it."""
    try:
        content = _content(entry.path)
    except FileNotFoundError:
        return Fault(name, "There is no such file.")
    except OSError as error:
        return Fault(name, f"It cannot be opened: {error.strerror}.")
    try:
        duration = read_audio(content, name=name).duration
    except UserError as error:
        return Fault(name, error.message)
    if entry.duration is not None and abs(entry.duration - duration) > MIN_SECONDS:
        return Fault(
            name, f"It lasts {duration:.2f} s, not {entry.duration:.2f} s as the manifest says."
        )
    text = " ".join(entry.text.splitlines()).strip()
    digest = hashlib.sha256(content).hexdigest()
    return Utterance(name, entry.path, text, entry.speaker, duration, digest)


def _without_transcript(
    files: Sequence[Path], root: Path, entries: Mapping[Path, _Entry]
) -> list[Fault]:
    named = {os.path.realpath(path) for path in entries}  # a table may go through a link
    return [
        Fault(str(_relative(path, root)), "No table has a transcript for it.")
        for path in files
        if _is_audio(path) and os.path.realpath(path) not in named
    ]


def _is_audio(path: Path) -> bool:
    return path.suffix.lower() in SUPPORTED_EXTENSIONS and os.path.isfile(path)


def _relative(path: Path, root: Path) -> Path:
    """The path within the corpus, or as it is where it lies outside."""
    return path.relative_to(root) if path.is_relative_to(root) else path


def _text(table: Path, name: str) -> str:
    try:
        return re.sub("\r\n?", "\n", _content(table).decode("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{name} cannot be read as text.", "Give a UTF-8 text file.", str(error)
        ) from error
