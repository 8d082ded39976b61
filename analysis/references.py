"""Reference transcripts from whatever a person has: a text, a LibriSpeech file, metadata.csv."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from analysis.errors import UserError

_TEXT_COLUMNS = ("transcription", "text", "sentence")


def read_references(given: str, audio_paths: Sequence[Path]) -> list[str]:
    """Find the reference transcript of each clip.

    Parameters
    ----------
    given : str
        The text itself (for one clip), or a file: metadata.csv with columns `file_name` and
        `transcription`; lines that start with the clip's name, as in LibriSpeech's `*.trans.txt`;
        one line per clip, in order; or, for one clip, the whole text.
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
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path.name} cannot be read as text.", "Give a UTF-8 text file.", str(error)
        ) from error
    if path.suffix.lower() == ".csv":
        return _pick(_from_csv(text, path.name), audio_paths, path.name)
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    named = dict(line.split(maxsplit=1) for line in lines if len(line.split(maxsplit=1)) == 2)
    if all(audio.stem in named or audio.name in named for audio in audio_paths):
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


def _from_csv(text: str, name: str) -> dict[str, str]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        rows = list(reader)
    except csv.Error as error:
        raise UserError(f"{name} is no CSV: {error}.", "Check its quotation marks.") from error
    columns = reader.fieldnames or ()
    column = next((c for c in _TEXT_COLUMNS if c in columns), None)
    if "file_name" not in columns or column is None:
        raise UserError(
            f"{name} lacks the columns file_name and {_TEXT_COLUMNS[0]}.",
            "Name the columns so in its first line.",
        )
    return {
        Path(row["file_name"]).name: " ".join((row[column] or "").splitlines())
        for row in rows
        if row["file_name"]
    }


def _pick(named: dict[str, str], audio_paths: Sequence[Path], name: str) -> list[str]:
    texts = []
    for audio in audio_paths:
        text = named.get(audio.name, named.get(audio.stem))
        if text is None:
            raise UserError(f"{name} has no transcript for {audio.name}.", "Add a line for it.")
        texts.append(text)
    return texts
