"""A mapping that jobs and tabs may write while a page goes through it."""

import threading
from collections.abc import Callable, ItemsView, Iterator, MutableMapping, ValuesView
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Snapshots(MutableMapping[K, V]):
    """Each write makes a new dict, so that who goes through the one before is not disturbed.

    A plain dict raises "changed size during iteration" in the script run of a page while a worker
    thread, or the same visitor's other tab, adds to it. Made for at most some thousand entries,
    which are written rarely.
    """

    def __init__(self) -> None:
        self._now: dict[K, V] = {}
        self._writing = threading.Lock()

    def __getitem__(self, key: K) -> V:
        """As of a dict."""
        return self._now[key]

    def __iter__(self) -> Iterator[K]:
        """Over the keys of one moment."""
        return iter(self._now)

    def __len__(self) -> int:
        """Number of entries."""
        return len(self._now)

    def items(self) -> ItemsView[K, V]:
        """Of one moment."""
        return self._now.items()

    def values(self) -> ValuesView[V]:
        """Of one moment."""
        return self._now.values()

    def __setitem__(self, key: K, value: V) -> None:
        """As of a dict; no other writer's entry is lost."""
        with self._writing:
            self._now = {**self._now, key: value}

    def __delitem__(self, key: K) -> None:
        """As of a dict."""
        with self._writing:
            now = dict(self._now)
            del now[key]
            self._now = now

    def drop(self, unwanted: Callable[[K], bool]) -> None:
        """Remove the entries of all keys for which `unwanted` is true."""
        with self._writing:
            self._now = {key: value for key, value in self._now.items() if not unwanted(key)}
