"""Reference transcripts from whatever a person has: a text, lines of text, a table."""

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from analysis.errors import UserError
from analysis.evaluation.corpus_tables import READERS, Entry, Fault, read_text
from analysis.speech.letters import same_letters

_TABLES = (".csv", ".jsonl")

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
        if _names_a_file(given):
            raise UserError(
                f"There is no file {given!r} to read references from.", "Check its path."
            )
        if len(audio_paths) != 1:
            raise UserError(
                f"One reference text was given for {len(audio_paths)} clips.",
                "Give a file with a line per clip.",
            )
        return [given]
    if path.suffix.lower() in _TABLES:
        return _from_table(path, audio_paths)
    lines = [line.strip() for line in read_text(path, path.name).split("\n") if line.strip()]
    named = _by_first_word(lines)
    if all(_text_of(audio, named, path.name) is not None for audio in audio_paths):
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
    suffix, faults = Path(table).suffix.lower(), list[str]()
    with TemporaryDirectory() as folder:
        path = Path(folder, f"table{suffix if suffix in _TABLES else '.txt'}")
        path.write_bytes(content)
        if suffix in _TABLES:
            named, faults = _read_table(path, table)
        else:
            lines = [line.strip() for line in read_text(path, table).split("\n")]
            whole = " ".join(filter(None, lines))
            named = _by_first_word(lines) | (
                {same_letters(Path(table).stem): {whole}} if whole else {}
            )
    found = {clip: _text_of(Path(clip), named, table) for clip in clips}
    texts = {clip: text for clip, text in found.items() if text is not None}
    if not texts:
        raise UserError(
            f"{table} names none of the clips that are loaded.",
            faults[0]
            if faults
            else "Load the clips first, or together with it; give each clip's file name in it, or"
            " call a text file as its one clip is called.",
        )
    return texts


def _by_first_word(lines: Sequence[str]) -> Named:
    """Lines of ``name text``."""
    pairs = [line.split(maxsplit=1) for line in lines if len(line.split(maxsplit=1)) == 2]
    return _gather((same_letters(name), text) for name, text in pairs)


def _gather(pairs: Iterable[tuple[str, str]]) -> Named:
    named: Named = {}
    for name, text in pairs:
        named.setdefault(name, set()).add(text)
    return named


def _names_a_file(given: str) -> bool:
    """Whether a text can only be meant as a path; “24/7” is said, “words.txt” is not."""
    ends_so = given.strip().lower().endswith((*_TABLES, ".txt"))
    return ends_so or (len(given.split()) == 1 and given.startswith(("/", "./", "../")))


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
    read = READERS["manifest" if table.suffix.lower() == ".jsonl" else "audiofolder"]
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
