"""How long work reports itself and hears that it should stop, without knowing any interface."""

from collections.abc import Callable

from analysis.errors import Cancelled

Progress = Callable[[int, int, str], None]
"""Called as ``progress(done, total, note)``; `done` of `total` steps are finished."""

ShouldCancel = Callable[[], bool]
"""Polled between steps; True asks the work to stop."""


def no_progress(done: int, total: int, note: str) -> None:
    """Report to nobody."""


def never_cancel() -> bool:
    """Keep going."""
    return False


def check_cancelled(should_cancel: ShouldCancel) -> None:
    """Raise `Cancelled` when the person asked to stop.

    Raises
    ------
    Cancelled
        When `should_cancel()` is true.
    """
    if should_cancel():
        raise Cancelled
