"""Evaluation data as people have it: read, checked, and with every file that is left out named.

Layouts: LibriSpeech (`*.trans.txt`), audiofolder (`metadata.csv` or `metadata.jsonl` beside the
clips, as the `datasets` library and this project's own recordings have it) and JSONL manifests
(`audio_filepath`, `duration`, `text`, as NeMo writes them).
"""

import csv
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
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

_FILE_FIELDS = ("file_name", "audio_filepath")
_TEXT_FIELDS = ("transcription", "text", "sentence")
_SPEAKER_FIELDS = ("speaker", "speaker_id", "voice")


@dataclass(frozen=True, slots=True)
class Utterance:
    """One clip with what was said in it.

    Parameters
    ----------
    id : str
        Path within the corpus; unique.
    path : Path
    text : str
        Reference transcript, as written.
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
            Where the file has changed since the check.
        """
        return read_audio(self.path, name=self.id)


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
        A folder in one of the layouts, at any depth, or a JSONL manifest.
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
    source = source.expanduser().absolute()
    tables = _tables(source)
    root = source if source.is_dir() else source.parent
    entries: dict[Path, _Entry] = {}
    faults: list[Fault] = []
    for table, layout in tables:
        for found in _READERS[layout](table, str(_relative(table, root))):
            if isinstance(found, Fault):
                faults.append(found)
            elif found.path in entries:
                faults.append(Fault(str(_relative(found.path, root)), "It is named twice."))
            else:
                entries[found.path] = found
    if source.is_dir():
        faults += _without_transcript(source, entries)
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


def _tables(source: Path) -> list[tuple[Path, str]]:
    """Files that name clips and say what is said in them, each with its layout."""
    if source.is_file():
        return [(source, "audiofolder" if source.name == "metadata.csv" else "manifest")]
    if not source.is_dir():
        raise UserError(f"There is no folder or manifest {source}.", "Check the path of the data.")
    audiofolder = [*source.rglob("metadata.csv"), *source.rglob("metadata.jsonl")]
    found = [(path, "LibriSpeech") for path in sorted(source.rglob("*.trans.txt"))]
    found += [(path, "audiofolder") for path in sorted(audiofolder)]
    if not found:
        found = [(path, "manifest") for path in sorted(source.glob("*.jsonl"))]
    if not found:
        raise UserError(
            f"{source} holds no transcripts.",
            "Give a folder with *.trans.txt (LibriSpeech), metadata.csv or a JSONL manifest.",
        )
    return found


def _read_librispeech(table: Path, name: str) -> _Entries:
    """Lines of ``speaker-chapter-number TEXT``; the clips lie beside the table."""
    clips = {path.stem: path for path in table.parent.iterdir() if _is_audio(path)}
    for number, line in enumerate(_text(table, name).splitlines(), start=1):
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
    reader = csv.DictReader(_text(table, name).splitlines())
    columns = reader.fieldnames or []
    if "file_name" not in columns or not any(field in columns for field in _TEXT_FIELDS):
        raise UserError(
            f"{name} lacks the columns file_name and {_TEXT_FIELDS[0]}.",
            "Name the columns so in its first line.",
        )
    for row in reader:
        yield _entry(row, table.parent, f"{name}, line {reader.line_num}")


def _read_manifest(table: Path, name: str) -> _Entries:
    """Lines of JSON with ``audio_filepath`` (or ``file_name``) and ``text``."""
    for number, line in enumerate(_text(table, name).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
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
    speaker = next((str(row[field]) for field in _SPEAKER_FIELDS if row.get(field)), None)
    duration = row.get("duration")
    if not isinstance(file, str):
        return Fault(where, f"It names no clip ({' or '.join(_FILE_FIELDS)}).")
    if not isinstance(text, str):
        return Fault(where, f"It holds no transcript ({', '.join(_TEXT_FIELDS)}).")
    if row.get("offset"):
        return Fault(where, "It means a part of a file (offset); cut that part out.")
    seconds = float(duration) if isinstance(duration, int | float) else None
    path = Path(os.path.normpath(folder / Path(file).expanduser()))
    return _Entry(path, text, speaker, seconds)


def _check(entry: _Entry, name: str) -> Utterance | Fault:
    """Decode a clip; its duration and digest, or what is wrong with it."""
    try:
        content = entry.path.read_bytes()
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
    digest = hashlib.sha256(content).hexdigest()
    return Utterance(name, entry.path, entry.text.strip(), entry.speaker, duration, digest)


def _without_transcript(folder: Path, entries: Mapping[Path, _Entry]) -> list[Fault]:
    return [
        Fault(str(_relative(path, folder)), "No table has a transcript for it.")
        for path in sorted(folder.rglob("*"))
        if _is_audio(path) and path not in entries
    ]


def _is_audio(path: Path) -> bool:
    return path.suffix.lower() in SUPPORTED_EXTENSIONS and path.is_file()


def _relative(path: Path, root: Path) -> Path:
    """The path within the corpus, or as it is where it lies outside."""
    return path.relative_to(root) if path.is_relative_to(root) else path


def _text(table: Path, name: str) -> str:
    try:
        return table.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{name} cannot be read as text.", "Give a UTF-8 text file.", str(error)
        ) from error
