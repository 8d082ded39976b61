"""Evaluation data as people have it: read, checked, and with every file that is left out named."""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from analysis.errors import UserError
from analysis.evaluation.corpus_tables import (
    READERS,
    Entry,
    Fault,
    Names,
    find_tables,
    is_audio,
    nowhere,
)
from analysis.files import files_below, read_bytes
from analysis.progress import (
    UNWATCHED,
    Watch,
)
from analysis.speech.audio import MIN_SECONDS, Audio, read_audio
from analysis.speech.disturbing import disturb, seconds_under
from analysis.wording import number_of

_CLOSED = "It is not open to visitors of this server."

MIN_SPEAKERS = 10
"""Fewer are not drawn as blocks: where all of four speakers err alike, every draw agrees, and the
interval and p come out far too small."""


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
    columns : tuple of (str, str)
        Everything else that its table says, by column.
    condition : str
        What the sound goes through before a model hears it, "" for nothing; see
        `analysis.speech.disturbing`. The duration is that of what is heard.
    """

    id: str
    path: Path
    text: str
    speaker: str | None
    duration: float
    digest: str
    columns: tuple[tuple[str, str], ...] = ()
    condition: str = ""

    def read(self) -> Audio:
        """The sound, as the condition has it.

        Raises
        ------
        UserError
            Where the file has changed since the check, or is gone.
        """
        try:
            content = read_bytes(self.path)
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
        audio = read_audio(content, name=self.id)
        if not self.condition:
            return audio
        return replace(audio, samples=disturb(audio.samples, self.condition, self.digest))


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
    condition : str
        That of all utterances.
    """

    name: str
    layouts: tuple[str, ...]
    utterances: tuple[Utterance, ...]
    faults: tuple[Fault, ...]
    condition: str = ""

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
        few = ""
        if self.speakers:
            few = f"; {len(set(self.speakers))} speakers are too few to be drawn whole"
        alone = ", which is too few" if len(self.utterances) == 1 else ""
        return f"{number_of(len(self.utterances), 'utterance')}{alone}{few}"

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

    def under(self, condition: str) -> "Corpus":
        """The same utterances, all disturbed; itself where that is how they are.

        Parameters
        ----------
        condition : str
            See `analysis.speech.disturbing.read_condition`; "" for none.

        Raises
        ------
        ValueError
            Where they are disturbed already, in another way.
        """
        if condition == self.condition:
            return self
        if self.condition:
            raise ValueError(f"the corpus is under {self.condition} already")
        utterances = tuple(
            replace(u, condition=condition, duration=seconds_under(u.duration, condition))
            for u in self.utterances
        )
        return replace(self, utterances=utterances, condition=condition)

    def describe(self) -> str:
        """One sentence: how many, how long, who, what was left out."""
        n = len(self.utterances)
        parts = [number_of(n, "utterance"), f"{self.seconds / 60:.1f} min"]
        if self.speakers:
            parts.append(number_of(len(set(self.speakers)), "speaker"))
        n_empty = sum(not reference.strip() for reference in self.references)
        empty = f"; {n_empty} with an empty transcript" if n_empty else ""
        left_out = f"; {len(self.faults)} left out" if self.faults else ""
        return f"{', '.join(parts)} ({' and '.join(self.layouts)}){empty}{left_out}"


def read_corpus(
    source: str | Path,
    *,
    may_read: Callable[[Path], bool] = lambda path: True,
    watch: Watch = UNWATCHED,
) -> Corpus:
    """Read a corpus and check every clip of it, by decoding it once.

    Parameters
    ----------
    source : str or Path
        A folder in one of the layouts, at any depth and behind links too, or a JSONL manifest.
    may_read : callable
        Whether a table or clip may be opened, wherever a table or a link leads; what may not is not
        looked for.
    watch : Watch
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
    source = Path(source)
    try:
        source = source.expanduser().absolute()
    except RuntimeError as error:
        raise nowhere(source) from error
    is_folder = os.path.isdir(source)
    root = source if is_folder else source.parent
    faults: list[Fault] = []

    def unlisted(error: OSError) -> None:
        where = str(_relative(Path(error.filename), source))
        faults.append(Fault(where, f"The folder cannot be opened: {error.strerror}."))

    files = [*filter(may_read, files_below(source, unlisted))] if is_folder else []
    tables = find_tables(source, files)
    entries: dict[Path, Entry] = {}
    names = Names()
    for table, layout in tables:
        for found in READERS[layout](table, str(_relative(table, root))):
            if isinstance(found, Fault):
                faults.append(found)
            elif not (may_read(found.path) and may_read(path := names.find(found.path))):
                faults.append(Fault(f"{table.name}: {found.path.name}", _CLOSED))
            elif path in entries:
                faults.append(Fault(str(_relative(path, root)), "It is named twice."))
            else:
                entries[path] = replace(found, path=path)
    faults += _without_transcript(files, root, entries)
    utterances: list[Utterance] = []
    for done, (path, entry) in enumerate(sorted(entries.items())):
        watch.progress(done, len(entries), "checking clips")
        watch.check()
        checked = _check(entry, str(_relative(path, root)), watch)
        if isinstance(checked, Fault):
            faults.append(checked)
        else:
            utterances.append(checked)
    watch.progress(len(entries), len(entries), "checked")
    if not utterances:
        raise UserError(
            f"{source.name} holds no clip that can be used.",
            f"The first of {len(faults)} faults: {faults[0].where}: {faults[0].reason}"
            if faults
            else "Check that its tables name clips.",
        )
    layouts = tuple(dict.fromkeys(layout for _, layout in tables))
    return Corpus(source.name, layouts, tuple(utterances), tuple(faults))


def _check(entry: Entry, name: str, watch: Watch) -> Utterance | Fault:
    """Decode a clip; its duration and digest, or what is wrong with it."""
    try:
        content = read_bytes(entry.path)
    except FileNotFoundError:
        return Fault(name, "There is no such file.")
    except OSError as error:
        return Fault(name, f"It cannot be opened: {error.strerror}.")
    try:
        audio = read_audio(content, name=name, watch=Watch(should_cancel=watch.should_cancel))
    except UserError as error:
        return Fault(name, error.message)
    if not audio.is_whole:  # its transcript says more than can be heard
        return Fault(name, audio.notes[0])
    duration = audio.duration
    if entry.duration is not None and abs(entry.duration - duration) > MIN_SECONDS:
        return Fault(
            name, f"It lasts {duration:.2f} s, not {entry.duration:.2f} s as the manifest says."
        )
    text = " ".join(entry.text.splitlines()).strip()
    digest = hashlib.sha256(content).hexdigest()
    return Utterance(name, entry.path, text, entry.speaker, duration, digest, entry.columns)


def _without_transcript(
    files: Sequence[Path], root: Path, entries: Mapping[Path, Entry]
) -> list[Fault]:
    named = {os.path.realpath(path) for path in entries}  # a table may go through a link
    return [
        Fault(str(_relative(path, root)), "No table has a transcript for it.")
        for path in files
        if is_audio(path) and os.path.realpath(path) not in named
    ]


def _relative(path: Path, root: Path) -> Path:
    """The path within the corpus, or as it is where it lies outside."""
    return path.relative_to(root) if path.is_relative_to(root) else path
