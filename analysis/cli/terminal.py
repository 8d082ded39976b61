"""What commands print: a progress bar for people, JSON for machines."""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from analysis.errors import UserError
from analysis.files import absolute
from analysis.progress import Progress

if TYPE_CHECKING:  # it loads torch
    from analysis.models.speech_model import SpeechModel

_CONTROLS = {
    code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code not in (9, 10)
}


@contextmanager
def progress_bar(label: str) -> Iterator[Progress]:
    """A progress bar with the time left on stderr, shown where stderr is a terminal."""
    with tqdm(desc=label, leave=False, disable=None, file=sys.stderr) as bar:

        def report(done: int, total: int, note: str) -> None:
            bar.total = total
            bar.set_postfix_str(note, refresh=False)
            bar.update(done - bar.n)

        yield report


def printable(text: object) -> str:
    """A text without what a terminal would obey: the names of files may hold anything."""
    return str(text).translate(_CONTROLS)


def require_other_place(out: Path, model: "SpeechModel", what: str) -> None:
    """Refuse a folder that is the loaded model's own, which would be lost.

    Parameters
    ----------
    out : Path
    model : SpeechModel
    what : str
        That would lie there, and in whose place.

    Raises
    ------
    UserError
    """
    if str(absolute(out)) == model.source:
        raise UserError(f"This would put {what} place.", "Name another folder.")


def place_for(out: Path, options: argparse.Namespace) -> Path:
    """Where a result goes that took long to make; says so where `out` was taken meanwhile."""
    from analysis.delivery.saving import free_place  # which loads torch

    place = free_place(out, overwrite=options.overwrite)
    if place != out:
        print(
            printable(f"coalesce {options.command}: {out} was taken meanwhile; see {place}"),
            file=sys.stderr,
        )
    return place


def say_notes(model: "SpeechModel") -> None:
    """What a checkpoint stores and Coalesce does not use, on stderr."""
    for note in model.notes:
        print(printable(f"{model.name}: {note}"), file=sys.stderr)


def print_json(value: object) -> None:
    """Print a value; a rate without reference words is null, since NaN is no JSON."""
    print(json.dumps(_without_nan(value), indent=2, ensure_ascii=False))


def _without_nan(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and value != value else value
