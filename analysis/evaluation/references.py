"""Reference transcripts from whatever a person has: a text, lines of text, a table."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from analysis.errors import UserError
from analysis.evaluation.corpus_tables import READERS, Entry, Fault, read_text
from analysis.speech.letters import same_letters


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
        if len(audio_paths) != 1:
            raise UserError(
                f"One reference text was given for {len(audio_paths)} clips.",
                "Give a file with a line per clip.",
            )
        return [given]
    if path.suffix.lower() in (".csv", ".jsonl"):
        return _from_table(path, audio_paths)
    lines = [line.strip() for line in read_text(path, path.name).split("\n") if line.strip()]
    pairs = [line.split(maxsplit=1) for line in lines if len(line.split(maxsplit=1)) == 2]
    named = {same_letters(name): text for name, text in pairs}
    if all(_text_of(audio, named) is not None for audio in audio_paths):
        return _pick(named, audio_paths, path.name)
    if len(audio_paths) == 1:
        return [" ".join(lines)]
    if len(lines) == len(audio_paths):
        return lines
    raise UserError(
        f"{path.name} has {len(lines)} lines for {len(audio_paths)} clips.",
        "Give one line per clip, or start each line with the clip's name.",
    )


def _as_file(given: str) -> Path | None:
    try:
        path = Path(given).expanduser()
        return path if path.is_file() else None
    except (OSError, RuntimeError):  # a long text is no file name, nor is one that begins with ~
        return None


def _from_table(table: Path, audio_paths: Sequence[Path]) -> list[str]:
    read = READERS["manifest" if table.suffix.lower() == ".jsonl" else "audiofolder"]
    found = list(read(table, table.name))
    named = {
        _last(str(entry.path)): " ".join(entry.text.splitlines())
        for entry in found
        if isinstance(entry, Entry)
    }
    faults = [f"{fault.where}: {fault.reason}" for fault in found if isinstance(fault, Fault)]
    return _pick(named, audio_paths, table.name, *faults[:1])


def _pick(
    named: Mapping[str, str],
    audio_paths: Sequence[Path],
    name: str,
    remedy: str = "Add a line for it.",
) -> list[str]:
    texts = []
    for audio in audio_paths:
        text = _text_of(audio, named)
        if text is None:
            raise UserError(f"{name} has no transcript for {audio.name}.", remedy)
        texts.append(text)
    return texts


def _text_of(audio: Path, named: Mapping[str, str]) -> str | None:
    return named.get(same_letters(audio.name), named.get(same_letters(audio.stem)))


def _last(path: str) -> str:
    """The name of a file, whatever system wrote its path."""
    return same_letters(PurePosixPath(path.replace("\\", "/")).name)
