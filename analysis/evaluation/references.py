"""Reference transcripts from whatever a person has: a text, lines of text, a table."""

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from analysis.errors import UserError
from analysis.evaluation.corpus_tables import READERS, Entry, Fault, read_text
from analysis.files import absolute
from analysis.speech.audio import SUPPORTED_EXTENSIONS
from analysis.speech.letters import same_letters

_TABLES = (".csv", ".jsonl", ".ndjson", ".json")
_TEXTS = ("", ".txt", ".text", ".lab", ".trn", ".trans", ".ref")
"""Endings of files of plain text; subtitles, tables by tabs and office's files are others."""
_NUMBERED = re.compile(r"(?=.*\d)\w+([-_.]\w+)+")
"""A name like 1089-134686-0000, which nobody says."""

Named = dict[str, set[str]]
"""What a table says of each clip, by the clip's name: one text, if it is a table to rely on."""


def read_references(given: str, audio_paths: Sequence[Path]) -> list[str]:
    """Find the reference transcript of each clip.

    Parameters
    ----------
    given : str
        The text itself (for one clip), or a file: metadata.csv with columns `file_name` and
        `transcription`, or a JSONL manifest; lines that start with the clip's name, as in
        LibriSpeech's `*.trans.txt`; one line per clip, in order; or, for one clip, the whole text.
    audio_paths : sequence of Path
        The clips.

    Returns
    -------
    list of str
        One per clip.

    Raises
    ------
    UserError
        When a clip has no reference, naming it.
    """
    path = _as_file(given)
    if path is None:
        if not given.strip():
            raise UserError("The reference is empty.", "Give what is said, or leave it out.")
        _refuse_path(given)
        if len(audio_paths) != 1:
            raise UserError(
                f"One reference text was given for {len(audio_paths)} clips.",
                "Give a file with a line per clip.",
            )
        return [given]
    _refuse_twins(audio_paths)
    _refuse_format(path)
    if path.suffix.lower() in _TABLES:
        return _from_table(path, audio_paths)
    lines = _lines_of(path, path.name)
    named = _by_first_word(lines)
    if len(audio_paths) == 1 and _is_named_after(path.name, audio_paths[0], named):
        return [" ".join(lines)]
    if _is_table(lines, named, audio_paths, path.name):
        return _pick(named, audio_paths, path.name)
    if len(audio_paths) == 1:
        return [" ".join(lines)]
    if len(lines) == len(audio_paths):
        return lines
    raise UserError(
        f"{path.name} has {len(lines)} lines for {len(audio_paths)} clips.",
        "Give one line per clip, or start each line with the clip's name.",
    )


def references_by_name(table: str, content: bytes, clips: Sequence[str]) -> dict[str, str]:
    """What an uploaded table says of some clips, matched by their file names.

    Parameters
    ----------
    table : str
        File name of the upload: ``*.csv``, ``*.jsonl`` as `read_references` reads them; any other
        is text, of lines that start with a clip's name, or the words of the one clip that has its
        name.
    content : bytes
    clips : sequence of str
        File names, with or without their endings.

    Returns
    -------
    dict of str to str
        Clip → text, of those that the table names.

    Raises
    ------
    UserError
        Where it cannot be read, or names none of the clips.
    """
    _refuse_format(Path(table))
    suffix, faults = Path(table).suffix.lower(), list[str]()
    with TemporaryDirectory() as folder:
        path = Path(folder, f"table{suffix if suffix in _TABLES else '.txt'}")
        path.write_bytes(content)
        if suffix in _TABLES:
            named, faults = _read_table(path, table)
        else:
            lines = _lines_of(path, table)
            named = _by_first_word(lines)
            own = [Path(clip) for clip in clips if _is_named_after(table, Path(clip), named)]
            known = [Path(clip) for clip in clips if _text_of(Path(clip), named, table)]
            _refuse_doubtful(lines, [clip for clip in known if clip not in own], table)
            named |= {same_letters(clip.name): {" ".join(lines)} for clip in own}
    found = {clip: _text_of(Path(clip), named, table) for clip in clips}
    texts = {clip: text for clip, text in found.items() if text}
    if not texts:
        raise UserError(
            f"{table} names none of the clips that are loaded.",
            faults[0]
            if faults
            else "Load the clips first, or together with it; give each clip's file name in it, or"
            " call a text file as its one clip is called.",
        )
    return texts


def _refuse_format(table: Path) -> None:
    """Refuse what is neither plain text nor a table that is read here, by its ending."""
    ending = table.suffix.lower()
    if ending not in (*_TABLES, *_TEXTS) and not ending[1:].isdigit():
        raise UserError(
            f"{table.name} is no file that references are read from ({ending}).",
            "Give plain text (.txt), a CSV with file_name and transcription, or a JSONL manifest.",
        )


def _refuse_twins(audio_paths: Sequence[Path]) -> None:
    """Refuse clips of one name, for references are matched by it."""
    names = [audio.name for audio in audio_paths]
    twin = next((name for name in names if names.count(name) > 1), None)
    if twin is not None and len(set(audio_paths)) > 1:
        raise UserError(
            f"Several clips are called {twin}, and a table of references knows them by their name.",
            "Give one of them at a time, or call them differently.",
        )


def _by_first_word(lines: Sequence[str]) -> Named:
    """Lines of ``name text``, or of a name alone, in whose clip nothing is said."""
    pairs = [(*line.split(maxsplit=1), "")[:2] for line in lines]
    return _gather((same_letters(name), text) for name, text in pairs)


def _lines_of(path: Path, name: str) -> list[str]:
    return [line.strip() for line in read_text(path, name).split("\n") if line.strip()]


def _is_named_after(table: str, audio: Path, named: Named) -> bool:
    """Whether a text is called as a clip is, and holds its words and no names."""
    if same_letters(Path(table).stem) != same_letters(audio.stem):
        return False
    return same_letters(audio.name) not in named and (
        audio.stem.isalpha() or same_letters(audio.stem) not in named
    )


def _is_table(lines: Sequence[str], named: Named, audio_paths: Sequence[Path], table: str) -> bool:
    """Whether lines begin with the names of clips, these ones or others; else they are words.

    Raises
    ------
    UserError
        Where it might be either.
    """
    known = [audio for audio in audio_paths if _text_of(audio, named, table)]
    if not known:
        _refuse_markup(lines, audio_paths, table)
    if len(audio_paths) == 1:
        _refuse_doubtful(lines, known, table)
    names = [_is_a_name(line.split()[0]) for line in lines]
    return bool(known) or (bool(names) and all(names))


def _refuse_markup(lines: Sequence[str], audio_paths: Sequence[Path], table: str) -> None:
    """Refuse lines that name clips in a way that is not read here, rather than count the names."""
    for audio in audio_paths:
        name, stem = re.escape(audio.name), re.escape(audio.stem)
        # the whole name anywhere; the stem where no blank but a mark stands on one of its sides
        marked = rf"{name}|(?:^|[/\\])\W*{stem}\s*[,;:|\t\"')\]]|[/\\]{stem}\s|\({stem}\)$"
        for line in lines:
            if re.search(marked, line):
                raise UserError(
                    f"{table} names {audio.name} in a way that is not read: {line[:60]!r}.",
                    "Begin each line with the clip's name and a blank, or give a CSV with"
                    " file_name and transcription.",
                )


def _refuse_doubtful(lines: Sequence[str], known: Sequence[Path], table: str) -> None:
    """Refuse lines that name one clip by what may as well be the first word that is said in it."""
    if len(known) != 1 or not known[0].stem.isalpha():
        return
    (audio,) = known
    if not audio.suffix or same_letters(audio.name) not in _by_first_word(lines):
        raise UserError(
            f"“{audio.stem}” in {table} may be the name of a clip or the first word that is said.",
            f"Write {audio.name} before the words, or the words alone into a file that is called"
            f" {audio.stem}.txt."
            if audio.suffix
            else "Call the clip by a name that nobody says.",
        )


def _is_a_name(word: str) -> bool:
    """Whether a word is the name of a sound file, with its ending or with numbers and dashes."""
    return Path(word).suffix.lower() in SUPPORTED_EXTENSIONS or bool(_NUMBERED.fullmatch(word))


def _gather(pairs: Iterable[tuple[str, str]]) -> Named:
    named: Named = {}
    for name, text in pairs:
        named.setdefault(name, set()).add(text)
    return named


def _refuse_path(given: str) -> None:
    """Refuse a text that can only be meant as a path; “24/7” is said, “words.txt” is not.

    Raises
    ------
    UserError
    """
    ends_so = given.strip().lower().endswith((*_TABLES, ".txt"))
    begins_so = given.startswith(("/", "./", "../"))
    in_folder = os.sep in given and os.path.lexists(Path(given).parent)
    like_file = re.fullmatch(r"\S+\.[a-z]{2,5}|~/\S+|https?://\S+", given.strip()) is not None
    is_path = ends_so or like_file or (len(given.split()) == 1 and (begins_so or in_folder))
    if not is_path:
        return
    if absolute(given).is_dir():
        raise UserError(f"{given!r} is a folder.", "Give the file that has the references.")
    raise UserError(f"There is no file {given!r} to read references from.", "Check its path.")


def _as_file(given: str) -> Path | None:
    try:
        path = Path(given).expanduser()
        return path if path.is_file() else None
    except (OSError, RuntimeError):  # a long text is no file name, nor is one that begins with ~
        return None


def _from_table(table: Path, audio_paths: Sequence[Path]) -> list[str]:
    named, faults = _read_table(table, table.name)
    return _pick(named, audio_paths, table.name, *faults[:1])


def _read_table(table: Path, name: str) -> tuple[Named, list[str]]:
    """Texts by file name, and what is wrong with other lines."""
    read = READERS["audiofolder" if table.suffix.lower() == ".csv" else "manifest"]
    found = list(read(table, name))
    named = _gather(
        (_last(str(entry.path)), " ".join(entry.text.splitlines()))
        for entry in found
        if isinstance(entry, Entry)
    )
    faults = [f"{fault.where}: {fault.reason}" for fault in found if isinstance(fault, Fault)]
    return named, faults


def _pick(
    named: Named,
    audio_paths: Sequence[Path],
    name: str,
    remedy: str = "Add a line for it.",
) -> list[str]:
    texts = []
    for audio in audio_paths:
        text = _text_of(audio, named, name)
        if text is None:
            raise UserError(f"{name} has no transcript for {audio.name}.", remedy)
        texts.append(text)
    return texts


def _text_of(audio: Path, named: Named, table: str) -> str | None:
    texts = named.get(same_letters(audio.name)) or named.get(same_letters(audio.stem)) or set()
    if len(texts) > 1:
        raise UserError(
            f"{table} has {len(texts)} different transcripts for {audio.name}.",
            "Keep the right one; call clips of different folders by different names.",
        )
    return next(iter(texts), None)


def _last(path: str) -> str:
    """The name of a file, whatever system wrote its path."""
    return same_letters(PurePosixPath(path.replace("\\", "/")).name)
