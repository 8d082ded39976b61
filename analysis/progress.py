"""How long work reports itself and hears that it should stop, without knowing any interface."""

from collections.abc import Callable
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Watch:
    """Whoever waits for long work: hears how far it is, and may ask it to stop.

    Parameters
    ----------
    progress : callable
        Called as ``progress(done, total, note)``.
    should_cancel : callable
        Polled between steps.
    """

    progress: Progress = no_progress
    should_cancel: ShouldCancel = never_cancel

    def check(self) -> None:
        """Let work stop between two steps.

        Raises
        ------
        Cancelled
            When the person asked to stop.
        """
        check_cancelled(self.should_cancel)


UNWATCHED = Watch()
"""Nobody waits: the default of all long work."""


def check_cancelled(should_cancel: ShouldCancel) -> None:
    """Raise `Cancelled` when the person asked to stop.

    Raises
    ------
    Cancelled
        When `should_cancel()` is true.
    """
    if should_cancel():
        raise Cancelled
