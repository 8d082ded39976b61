"""Transcripts of an evaluation on disk as they come, so that a killed run goes on where it was."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

from analysis.errors import UserError

_LONGEST_SECONDS = 1e9  # for one utterance; also keeps out what is no number


@dataclass(frozen=True, slots=True)
class UtteranceResult:
    """What one model wrote for one utterance.

    Parameters
    ----------
    utterance : str
        Its id.
    digest : str
        SHA-256 of its file.
    text : str
        As the model wrote it.
    seconds : float
        Processing time; its share by duration where it was in a batch.
    words : tuple of (str, float)
        Each word as the model wrote it, with how likely its tokens are; empty unless word times
        were asked for.
    """

    utterance: str
    digest: str
    text: str
    seconds: float
    words: tuple[tuple[str, float], ...] = ()

    @property
    def confidence(self) -> float | None:
        """How sure the model was of a word, in the mean; None where that is unknown."""
        return fmean(sure for _, sure in self.words) if self.words else None


@dataclass(frozen=True, slots=True)
class Run:
    """Everything that decides the transcripts of a corpus, but for the corpus.

    Parameters
    ----------
    model : str
        For people.
    weight_hash : str
        Of the model, or of the original where a plan is given.
    plan : str or None
        What the original is compressed by, as JSON.
    decoding : mapping of str to str
        Options of recognition, dtype and device.
    """

    model: str
    weight_hash: str
    plan: str | None
    decoding: Mapping[str, str]

    @property
    def key(self) -> str:
        """64 hexadecimal digits: the same for the same transcripts."""
        decisive = [self.weight_hash, self.plan, sorted(self.decoding.items())]
        return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()


class ResultStore:
    """Results in a folder: for every run and process one JSONL file, a line per utterance.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    process : int
        Number of the process that writes; each has files of its own.

    Raises
    ------
    UserError
        Where the folder cannot be made.
    """

    def __init__(self, folder: Path, process: int = 0) -> None:
        self._folder = folder
        self._process = process
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"The folder {folder} cannot be made.", "Choose another one.", str(error)
            ) from error

    def read(self, run: Run) -> dict[tuple[str, str], UtteranceResult]:
        """What is there of a run, by utterance and digest, whichever process wrote it."""
        found: dict[tuple[str, str], UtteranceResult] = {}
        for path in sorted(self._folder.glob(f"{run.key[:16]}.*.jsonl")):
            for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
                result = _result(line)
                if result is not None:
                    found[result.utterance, result.digest] = result
        return found

    def append(self, run: Run, results: Iterable[UtteranceResult]) -> None:
        """Add results in one write; a kill in the midst of it costs their last lines at most.

        Raises
        ------
        UserError
            Where the disk is full, or the folder cannot be written any more.
        """
        path = self._folder / f"{run.key[:16]}.{self._process}.jsonl"
        try:
            with path.open("a+b") as file:
                if file.tell():
                    file.seek(-1, 2)
                    torn = file.read(1) != b"\n"
                    text = "\n" if torn else ""
                else:
                    text = json.dumps({"run": asdict(run)}, ensure_ascii=False) + "\n"
                for result in results:
                    text += json.dumps(asdict(result), ensure_ascii=False) + "\n"
                file.write(text.encode())
        except OSError as error:
            raise UserError(
                f"The results cannot be written to {self._folder}.",
                "Free some space and start again: what is there is not computed twice.",
                str(error),
            ) from error


def _result(line: str) -> UtteranceResult | None:
    """A line's result; None for the head of the file and for what nobody wrote here like that."""
    try:
        values = json.loads(line)
        values["words"] = tuple((str(word), float(sure)) for word, sure in values.get("words", ()))
        result = UtteranceResult(**values)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None
    texts = (result.utterance, result.digest, result.text)
    whole = all(isinstance(text, str) for text in texts) and _is_time(result.seconds)
    return result if whole else None


def _is_time(seconds: object) -> bool:
    known = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    return known and 0 <= seconds < _LONGEST_SECONDS  # type: ignore[operator]
