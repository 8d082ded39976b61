"""The same work is done once: whoever asks while it is being done waits, and sees how far it is."""

import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from analysis.progress import UNWATCHED, Watch

_LOOK_SECONDS = 0.1  # between two looks of those who wait


class _Turn:
    """One piece of work, and all who want it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.n_askers = 0
        self.latest: tuple[int, int, str] | None = None


class Turns:
    """Lets one thread at a time work on what a key names; other keys are not held up.

    Whoever gets in looks first whether the work was done meanwhile. Work on one key may ask for
    another one, as long as no circle comes of it.
    """

    def __init__(self) -> None:
        self._turns: dict[Hashable, _Turn] = {}
        self._lock = threading.Lock()

    @contextmanager
    def take(self, key: Hashable, watch: Watch = UNWATCHED) -> Iterator[Watch]:
        """Wait until nobody else works on a key.

        Parameters
        ----------
        key : hashable
        watch : Watch
            Hears meanwhile how far the work of the other one is.

        Yields
        ------
        Watch
            For one's own work, so that those who wait hear of it.

        Raises
        ------
        Cancelled
            Where one does not want to wait any longer.
        """
        with self._lock:
            turn = self._turns.setdefault(key, _Turn())
            turn.n_askers += 1
        try:
            while not turn.lock.acquire(timeout=_LOOK_SECONDS):
                watch.check()
                if turn.latest is not None:
                    watch.progress(*turn.latest)

            def tell(done: int, total: int, note: str) -> None:
                turn.latest = (done, total, note)
                watch.progress(done, total, note)

            try:
                yield Watch(tell, watch.should_cancel)
            finally:
                turn.latest = None
                turn.lock.release()
        finally:
            with self._lock:
                turn.n_askers -= 1
                if not turn.n_askers:
                    self._turns.pop(key, None)
