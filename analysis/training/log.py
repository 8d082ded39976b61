"""The log of a training run: one JSON object per line, which a page can read while it grows."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


def state_folder(out: Path) -> Path:
    """Where a run keeps its log and what it needs to go on: beside its result."""
    return out.with_name(f"{out.name}.training")


LOG_FILE = "log.jsonl"


@dataclass(slots=True)
class TrainingCurves:
    """What a run has logged so far.

    Parameters
    ----------
    start : mapping
        Of the run: method, model, data, settings, number of steps.
    steps : list of dict
        ``step, epoch, loss, objective, learning_rate, gradient_norm, seconds`` and, with gates,
        ``sparsity``, ``wanted``, ``weight`` (λ), ``thresholds`` and ``sparsities`` by matrix or
        unit group. The loss is the task's, per token; the objective is all that is minimised.
    validations : list of dict
        ``step, epoch, wer``; the WER as a fraction.
    ended : str or None
        "stopped" or "finished" once the run says so.
    seconds : float
        That the run took so far; what was made twice after a kill counts once.
    """

    start: dict[str, Any] = field(default_factory=dict)
    steps: list[dict[str, Any]] = field(default_factory=list)
    validations: list[dict[str, Any]] = field(default_factory=list)
    ended: str | None = None
    seconds: float = 0.0


class TrainingLog:
    """Appends to the log of one run.

    Parameters
    ----------
    folder : Path
        Of the run.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOG_FILE
        self._began = time.monotonic()
        before = self._path.read_bytes() if self._path.is_file() else b""
        self._torn = "\n" if before and not before.endswith(b"\n") else ""  # by a kill

    def write(self, event: str, content: Mapping[str, Any]) -> None:
        """Add a line.

        Parameters
        ----------
        event : {"start", "resume", "step", "validation", "stopped", "finished"}
        content : mapping
        """
        seconds = round(time.monotonic() - self._began, 2)
        line = json.dumps({"event": event, **content, "seconds": seconds})
        with self._path.open("a", encoding="utf-8") as file:
            file.write(self._torn + line + "\n")
        self._torn = ""


def read_log(folder: Path) -> TrainingCurves:
    """Read a run's log, also one that is still written to.

    Lines that a killed process wrote beyond the checkpoint that the run was resumed from are left
    out: those steps were made again.

    Parameters
    ----------
    folder : Path
        Of the run.

    Returns
    -------
    TrainingCurves
        Empty where there is no log yet.
    """
    curves = TrainingCurves()
    path = folder / LOG_FILE
    if not path.is_file():
        return curves
    before = 0.0  # seconds that earlier processes took
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        content = _content(line)
        if content is None:
            continue
        event = content.pop("event")
        if event == "resume":
            _go_back(curves, content["step"])
            before = curves.seconds
            continue
        content["seconds"] = curves.seconds = before + content["seconds"]
        if event == "start":
            curves = TrainingCurves(start=content)
            before = 0.0
        elif event == "step":
            curves.steps.append(content)
        elif event == "validation":
            curves.validations.append(content)
        elif event in ("stopped", "finished"):
            curves.ended = event
    return curves


_MOST = 1e12  # steps or seconds, of which no run has as many

_NUMBERS: Mapping[str, tuple[str, ...]] = {
    "start": (),
    "resume": ("step",),
    "step": ("step", "loss"),
    "validation": ("step", "wer"),
    "stopped": (),
    "finished": (),
}
"""Each event, and the numbers that its line has beside the seconds."""


def _content(line: str) -> dict[str, Any] | None:
    """A line that `TrainingLog` wrote; None for one that was cut off, or that somebody else wrote.

    A loss may be NaN, which is what a person has to see; steps and seconds may not.
    """
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):  # cut off by a kill, or not written to its end yet
        return None
    if not isinstance(content, dict) or str(content.get("event")) not in _NUMBERS:
        return None
    wanted = ("seconds", *_NUMBERS[content["event"]])
    return content if all(_is_known(name, content.get(name)) for name in wanted) else None


def _is_known(name: str, number: object) -> bool:
    """Whether a number of a line can be what its name says."""
    if name in ("seconds", "step"):
        kind = int if name == "step" else int | float
        return isinstance(number, kind) and 0 <= number < _MOST
    return isinstance(number, float) or (isinstance(number, int) and abs(number) < _MOST)


def _go_back(curves: TrainingCurves, step: int) -> None:
    """Forget what was logged beyond a step."""
    curves.ended = None
    curves.steps = [row for row in curves.steps if row["step"] <= step]
    curves.validations = [row for row in curves.validations if row["step"] <= step]
    kept = curves.steps[-1:] + curves.validations[-1:]
    curves.seconds = max((row["seconds"] for row in kept), default=0.0)
