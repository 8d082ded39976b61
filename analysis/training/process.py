"""A training run as a process of its own, which can neither take a server along nor be lost."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from analysis.errors import Cancelled, UserError
from analysis.files import PROJECT
from analysis.progress import ShouldCancel, Watch
from analysis.training.log import read_log

_POLL = 0.5  # seconds
_PATIENCE = 600.0  # seconds that a run has to end a validation and write its state
_POLITENESS = 10  # whoever uses the page meanwhile comes first


def run_training(
    arguments: Sequence[str],
    state: Path,
    *,
    watch: Watch,
    on_log: Callable[[], None],
) -> None:
    """Run a command of the shell that trains, and wait for it.

    Parameters
    ----------
    arguments : sequence of str
        Of `analysis.cli.parser`, e.g. ``["finetune", "demo-hubert", …]``.
    state : Path
        Folder of the run (`analysis.training.log.state_folder`).
    watch : Watch
        Reports steps. Cancelling lets the run write its state first, so that it can go on later.
    on_log : callable
        Called when the log has grown.

    Raises
    ------
    UserError
        With the last line that the process wrote, when it failed.
    Cancelled
    """
    seen = -1

    def look() -> None:
        nonlocal seen
        curves = read_log(state)
        done = curves.steps[-1]["step"] if curves.steps else 0
        total = curves.start.get("n_steps", 0)
        watch.progress(done, total, f"step {done:,} of {total:,}" if done else "preparing")
        size = len(curves.steps) + len(curves.validations)
        if size != seen:
            seen = size
            on_log()

    _run(["-m", "coalesce", *arguments], state.with_suffix(".log"), look, watch.should_cancel)


def run_module(arguments: Sequence[str], log: Path, *, should_cancel: ShouldCancel) -> None:
    """Run another module of the project in a process of its own; see `run_training`."""
    _run(["-m", *arguments], log, lambda: None, should_cancel)


def _run(
    arguments: Sequence[str], log: Path, look: Callable[[], None], should_cancel: ShouldCancel
) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                *arguments,
            ],  # -P: modules of Coalesce, none of the working folder
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a group of its own: signals for the server do not reach it
        )
    try:
        with suppress(psutil.Error):  # a server may be more polite than it can ask of others
            psutil.Process(process.pid).nice(_POLITENESS)
        while process.poll() is None:
            look()
            if should_cancel():
                raise Cancelled
            time.sleep(_POLL)
        look()
    finally:
        _end(process)
    if process.returncode == 130:
        raise Cancelled
    if process.returncode < 0:
        name = signal.Signals(-process.returncode).name
        raise UserError(
            f"Training was killed from outside ({name}).",
            "If memory ran out, choose a smaller batch or shorter clips, then start it again:"
            " it goes on from its last epoch.",
        )
    if process.returncode:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        last = lines[-1] if lines else f"code {process.returncode}"
        raise UserError("Training stopped: " + last, "", "\n".join(lines[-30:]))


def _environment() -> dict[str, str]:
    """The environment of a process that finds Coalesce's parts, installed or not.

    The working folder stays the person's own, so that relative paths mean the same in it.
    """
    paths = filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")])
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths)}


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to stop; kill its group if it does not."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
