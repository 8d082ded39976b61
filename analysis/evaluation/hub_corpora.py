"""Corpora of the `datasets` library: fetched once, then a folder like any other."""

import json
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock

from analysis.cache import cache_folder
from analysis.errors import UserError
from analysis.progress import (
    UNWATCHED,
    Watch,
)
from analysis.speech.audio import SUPPORTED_EXTENSIONS

_ID = re.compile(r"[\w.-]+/[\w.-]+(:[\w.+-]*){0,2}")
_TABLE = "metadata.jsonl"
_TEXT_COLUMNS = ("text", "transcription", "transcript", "sentence", "normalized_text")
_SPEAKER_COLUMNS = ("speaker_id", "speaker", "client_id")


def is_hub_id(source: str) -> bool:
    """Whether a text is an ID, ID:CONFIG or ID:CONFIG:SPLIT rather than a path that is there.

    Examples
    --------
    >>> is_hub_id("openslr/librispeech_asr:clean:test"), is_hub_id("/data/test-clean")
    (True, False)
    """
    return bool(_ID.fullmatch(source)) and not Path(source).expanduser().exists()


def fetch(source: str, *, watch: Watch = UNWATCHED) -> Path:
    """Fetch a split of a dataset, sound files as they are.

    Parameters
    ----------
    source : str
        ID, ID:CONFIG or ID:CONFIG:SPLIT; by default the only configuration and the split "test".
    watch : Watch
        Reports clips.

    Returns
    -------
    Path
        A folder with the clips and `metadata.jsonl`, in the cache.

    Raises
    ------
    UserError
        Where the library is missing, the network does not give the dataset, it holds no speech
        with transcripts, or a clip comes without its sound.
    Cancelled
    """
    # no id holds a comma, so no two share a folder
    folder = cache_folder("corpora") / re.sub("[/:]", ",", source)
    if _is_whole(folder):
        return folder
    rows, audio, text, speaker = _open(source)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".fetching-"))
    try:
        number = -1
        with (temporary / _TABLE).open("w", encoding="utf-8") as table:
            for number, row in enumerate(rows):
                watch.check()
                watch.progress(number, 0, f"fetching clip {number + 1}")
                name = _save(row[audio], temporary, number, source)
                line = {"file_name": name, "text": row[text]}
                if speaker and row[speaker] is not None:
                    line["speaker"] = str(row[speaker])
                table.write(json.dumps(line, ensure_ascii=False) + "\n")
        if number < 0:
            raise UserError(f"The data set {source} holds no clips.", "Choose another split.")
        _name_folder(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _is_whole(folder: Path) -> bool:
    """Whether a fetch got to its end: the folder is named only then."""
    return (folder / _TABLE).is_file()


def _name_folder(fetched: Path, folder: Path) -> None:
    """Give a fetched folder its name, unless another fetcher was first: theirs may be in use."""
    with FileLock(folder.parent / ".lock"):
        if not _is_whole(folder):
            shutil.rmtree(folder, ignore_errors=True)
            fetched.rename(folder)


def _open(source: str) -> tuple[Iterable[dict[str, Any]], str, str, str | None]:
    """Rows one by one, and the names of their columns of sound, text and speaker."""
    try:
        from datasets import Audio, load_dataset
    except ImportError as error:
        raise UserError(
            "Data sets by id need the library `datasets`.",
            "Install it with pip install datasets, or give a folder.",
            str(error),
        ) from error
    name, _, rest = source.partition(":")
    config, _, split = rest.partition(":")
    try:
        data = load_dataset(name, config or None, split=split or "test", streaming=True)
        features = data.features or {}
    except Exception as error:  # the library passes on whatever its file systems and parsers raise
        raise _not_fetched(source, error) from error
    audio = next((column for column, kind in features.items() if isinstance(kind, Audio)), None)
    text = next((column for column in _TEXT_COLUMNS if column in features), None)
    if audio is None or text is None:
        raise UserError(
            f"The data set {source} holds no speech with transcripts.",
            f"Its columns are {', '.join(features) or 'unknown'}; sound and one of "
            f"{', '.join(_TEXT_COLUMNS)} are needed.",
        )
    speaker = next((column for column in _SPEAKER_COLUMNS if column in features), None)
    rows = _rows(data.cast_column(audio, Audio(decode=False)), source)
    return rows, audio, text, speaker


def _rows(data: Iterable[dict[str, Any]], source: str) -> Iterator[dict[str, Any]]:
    rows = iter(data)
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except Exception as error:  # as above, now from the midst of it
            raise _not_fetched(source, error) from error
        yield row


def _not_fetched(source: str, error: Exception) -> UserError:
    return UserError(
        f"The data set {source} cannot be fetched.",
        "Check its id (ID:CONFIG:SPLIT) and the network, or give a folder.",
        repr(error),
    )


def _save(sound: dict[str, Any] | None, folder: Path, number: int, source: str) -> str:
    """Write one clip as it came; returns the name of its file."""
    sound = sound or {}
    path = Path(sound.get("path") or "")
    content = sound.get("bytes")
    if not content and path.is_file():
        content = path.read_bytes()
    if not content:
        raise UserError(
            f"Clip {number + 1} of the data set {source} comes without its sound.",
            "Choose another split or data set, or give a folder.",
            f"path: {sound.get('path')}",
        )
    suffix = path.suffix.lower() if path.suffix.lower() in SUPPORTED_EXTENSIONS else ".wav"
    name = f"{number:06d}{suffix}"
    (folder / name).write_bytes(content)
    return name
