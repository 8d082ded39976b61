"""Lanes: the workers of the server, which take jobs in turn, whoever asked for them."""

import threading
from collections.abc import Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import streamlit as st

LANE_WORKERS = {"read": 4}
"""Jobs that a lane runs at once; one, where nothing is said. Reading takes little memory, and one
visitor's long recording must not hold up all others."""


class Work(Protocol):
    """What a lane knows of a job; see `pages.session.jobs.Job`."""

    same: Hashable | None
    lane: "Lane | None"
    future: Future[Any] | None

    @property
    def is_wanted(self) -> bool:
        """Whether anybody still waits for it."""

    @property
    def seconds_left(self) -> float:
        """As far as they can be foreseen; 0 where they cannot."""

    def run(self) -> Any:
        """Do it."""

    def follow(self, earlier: Any) -> None:
        """Show the progress of an earlier one that makes the same."""


class Lane:
    """Workers that take jobs in the order in which they came, whoever asked for them.

    Parameters
    ----------
    name : str
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._workers = ThreadPoolExecutor(
            LANE_WORKERS.get(name, 1), thread_name_prefix=f"coalesce-{name}"
        )
        self._queue: list[Work] = []
        self._lock = threading.Lock()

    def submit(self, job: Work) -> None:
        """Queue a job; one that makes what an earlier one makes follows it."""
        job.lane = self
        with self._lock:
            twin = next(
                (one for one in self._queue if one.is_wanted and one.same == job.same), None
            )
            if job.same is not None and twin is not None:
                job.follow(twin)
            self._queue.append(job)
            job.future = self._workers.submit(job.run)
        job.future.add_done_callback(lambda future: self._leave(job))

    def before(self, job: Work) -> list[Work]:
        """The jobs that are to be done before this one begins, on a lane with one worker.

        One that nobody wants any more ends at its next step, and is not among them.
        """
        with self._lock:
            before = self._queue[: self._queue.index(job)] if job in self._queue else []
            return [one for one in before if one.is_wanted]

    @property
    def n_jobs(self) -> int:
        """Running and waiting."""
        return len(self._queue)

    def _leave(self, job: Work) -> None:
        with self._lock:
            self._queue.remove(job)


@st.cache_resource(show_spinner=False)
def lanes() -> dict[str, Lane]:
    """For all sessions, mostly of one worker: models are too big to work on many at a time."""
    return {}


_making_lane = threading.Lock()


def lane_of(name: str) -> Lane:
    """The lane of a name; made by the first who asks."""
    with _making_lane:
        known = lanes()
        if name not in known:
            known[name] = Lane(name)
        return known[name]
