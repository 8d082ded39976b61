"""Background jobs: work that outlives a script run, reports progress and can be cancelled.

Streamlit kills a running script as soon as any widget fires, so nothing that takes more than a
moment may run in it. A job runs in a worker thread, which never touches Streamlit; what it made is
handed to the session by `collect`, in the session's own script run.
"""

import math
import threading
import time
import weakref
from collections.abc import Callable, Collection, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

from streamlit import runtime

from analysis.errors import Cancelled, UserError
from analysis.progress import Watch
from analysis.serving import serving
from analysis.wording import number_of
from pages.session.faults import logged, problem_of
from pages.session.lanes import Lane, lane_of, lanes
from pages.session.shelves import Shelf
from pages.widgets.formatting import seconds

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

SETTLE_SECONDS = 0.4
"""A job that is done this fast is shown at once, without ever drawing a progress bar."""

_ON_TIME = 0.8  # of the time foreseen: so far the bar follows the clock, then it slows down
_TELLING = 0.05  # of the work: before so much is done, what is gone tells nothing of what is left
_WAITING = 0.8  # of the bar of a job that has to wait for another one


class Parts:
    """Counts the parts of a result that are there before all of it is; a page draws each anew."""

    def __init__(self) -> None:
        self.n_ready = 0

    def one_is_ready(self) -> None:
        """Have the page drawn anew; called by the work."""
        self.n_ready += 1


class CancelNote(UserError):
    """What a visitor ended: told as the errors of jobs are, and not in their colour."""


class Job(Generic[T]):
    """One piece of background work.

    Parameters
    ----------
    title : str
        What it does, shown above its progress.
    work : callable
        ``work(watch)``; runs in a worker thread, must not touch Streamlit.
    deliver : callable
        Receives the result, in a script run of the session that asked for it.
    after_cancel : str
        What a person who cancelled it should know.
    parts : Parts, optional
        That the work counts.
    stages : int
        How often the work counts from nothing to all: each time gets an equal part of the bar,
        which never runs back.
    foreseen : float
        Seconds that it should take; 0 where nobody knows. Where they are known, the bar shows the
        time that is gone of them.
    after : Job, optional
        An earlier job, for which this one has to wait.
    same : hashable, optional
        Names what is made for all who ask for it. Where an earlier job of the lane makes the same,
        this one shows its progress, and keeps it going when its own visitor leaves.
    by_itself : bool
        Whether a page starts it without being asked, and does so again.
    """

    def __init__(
        self,
        title: str,
        work: Callable[[Watch], T],
        deliver: Callable[[T], None],
        *,
        after_cancel: str = "Nothing was changed; start it again when you like.",
        parts: Parts | None = None,
        stages: int = 1,
        foreseen: float = 0.0,
        after: "Job | None" = None,
        same: Hashable | None = None,
        by_itself: bool = False,
    ) -> None:
        self.title = title
        self.after_cancel = after_cancel
        self.deliver = deliver
        self.done, self.total, self.note = 0, 0, ""
        self.parts = parts or Parts()
        self._floor, self._stages_left = 0.0, stages
        self._foreseen, self._after = foreseen, after
        self.same, self.by_itself = same, by_itself
        self._heirs: weakref.WeakSet[Job] = weakref.WeakSet()
        self.lane: Lane | None = None
        self._work = work
        self._cancelled = threading.Event()
        self._started: float | None = None
        self.future: Future[T] | None = None

    def run(self) -> T:
        """Do the work; called by the worker thread."""
        if self._cancelled.is_set():
            raise Cancelled
        self._started = time.monotonic()
        watch = Watch(self._progress, lambda: not self.is_wanted or _server_stops())
        with logged(self.title):  # here, for nobody may be left to collect it
            return self._work(watch)

    def cancel(self) -> None:
        """Ask the work to stop at its next step, unless it is done for others, too."""
        self._cancelled.set()
        if not self.is_wanted:
            self.note = "stopping"
            if self.future is not None:
                self.future.cancel()  # one that waits gives up its place

    @property
    def is_wanted(self) -> bool:
        """Whether anybody still waits for it."""
        if not self._cancelled.is_set():
            return True
        return any(heir.is_wanted and not heir.finished for heir in list(self._heirs))

    def follow(self, earlier: "Job") -> None:
        """Show the progress of an earlier job that makes the same."""
        self._after = earlier
        earlier._heirs.add(self)

    @property
    def finished(self) -> bool:
        """Whether there is a result, an error or a cancellation to collect."""
        return self.future is not None and self.future.done()

    @property
    def fraction(self) -> float:
        """Progress from 0 to 1; it never falls."""
        if self._after is None:
            return self._own_fraction
        begun = self._started is not None or self._after.finished
        waited = 1.0 if begun else self._after.fraction
        return _WAITING * waited + (1 - _WAITING) * self._own_fraction

    @property
    def _own_fraction(self) -> float:
        if self._foreseen:
            gone = self._elapsed / self._foreseen
            rest = 1 - _ON_TIME
            return gone if gone < _ON_TIME else 1 - rest * math.exp((_ON_TIME - gone) / rest)
        done = min(1.0, self.done / self.total) if self.total else 0.0
        return self._floor + (1 - self._floor) * done / max(1, self._stages_left)

    @property
    def _elapsed(self) -> float:
        return time.monotonic() - self._started if self._started is not None else 0.0

    @property
    def seconds_left(self) -> float:
        """As far as they can be foreseen; 0 where they cannot."""
        if self._foreseen:
            return max(0.0, self._foreseen - self._elapsed)
        done = self._own_fraction
        return self._elapsed / done * (1 - done) if _TELLING <= done < 1 else 0.0

    def describe(self) -> str:
        """One line for the progress bar: title, step, time left."""
        if self._started is None:
            if self._after is not None and not self._after.finished:
                ahead = self._after.describe()
                if self.same is not None:
                    return ahead
                return f"{self.title}: first {ahead[:1].lower()}{ahead[1:]}"
            ahead_of_it = self.lane.before(self) if self.lane is not None else []
            if not ahead_of_it:
                return f"{self.title}: in a moment"
            told = f"{self.title}: waiting, {len(ahead_of_it)} before you"
            wait = sum(one.seconds_left for one in ahead_of_it)
            return f"{told}, for about {_told(wait)} or more" if wait >= 1 else told
        parts = [self.title]
        if self.note:
            parts.append(self.note)
        if (left := self.seconds_left) >= 1:
            parts.append(f"about {_told(left)} left")
        elif self._foreseen and not left:
            parts.append("longer than foreseen")
        return " · ".join(parts)

    def _progress(self, done: int, total: int, note: str) -> None:
        if self.total and (done < self.done or total != self.total):  # it counts anew
            self._floor = self._own_fraction
            self._stages_left -= 1
        self.done, self.total = done, total
        if not self._cancelled.is_set():
            self.note = note


class Jobs:
    """The jobs of one session, at most one per slot, and the errors they ended in.

    Parameters
    ----------
    of_server : bool
        Whether they are the server's own, which no limit of visitors holds for.
    """

    def __init__(self, *, of_server: bool = False) -> None:
        self._of_server = of_server
        self._running: dict[str, Job] = {}
        self._lock = threading.Lock()  # two tabs of one session start and collect at once
        self.problems: dict[str, UserError] = {}
        # A session that is gone for good takes its jobs with it.
        weakref.finalize(self, _cancel_all, self._running)

    def start(self, slot: str, job: Job, *, lane: str = "compute") -> None:
        """Queue a job, replace the one in the slot, and wait briefly for a quick one.

        Parameters
        ----------
        slot : str
            Names what the job is for; a newer job for the same slot cancels the older one.
        job : Job
        lane : str
            Jobs of one lane run one after the other, whoever asked for them; see
            `pages.session.lanes`.
        """
        self.cancel(slot)
        self.problems.pop(slot, None)
        refusal = None if self._of_server else self._refusal(job)
        if refusal is not None:
            self.problems[slot] = refusal
            return
        lane_of(lane).submit(job)
        with self._lock:
            self._running[slot] = job
        deadline = time.monotonic() + SETTLE_SECONDS
        while not job.finished and time.monotonic() < deadline:
            time.sleep(0.01)
        self.collect()

    def find_or_start(
        self, slot: str, shelf: Shelf[K, T], key: K, make: Callable[[Watch], T], label: str
    ) -> T | None:
        """What a shelf holds; a job makes it where nobody did yet, but not again after a problem.

        Parameters
        ----------
        slot : str
            See `start`.
        shelf : Shelf
        key : hashable
            Of the value on the shelf; a job that makes another one is replaced.
        make : callable
            Makes the value, in the job.
        label : str
            Of the job.

        Returns
        -------
        object or None
            None while a job is at work, and after a problem.
        """
        found = shelf.find(key)
        if found is not None or slot in self.problems:
            return found

        def work(watch: Watch) -> T:
            return shelf.get(key, make, watch)

        running = self.running(slot)
        if running is None or running.same != key:
            self.start(
                slot, Job(label, work, lambda made: None, stages=3, same=key), lane="measure"
            )
        return shelf.find(key)

    def cancel(self, slot: str) -> None:
        """Cancel the job in a slot, if there is one; its result is thrown away."""
        with self._lock:
            job = self._running.pop(slot, None)
        if job is not None:
            job.cancel()

    def stop(self, slot: str) -> None:
        """Cancel the job in a slot because the person asked to, and remember that."""
        job = self._running.get(slot)
        if job is not None:
            self.cancel(slot)
            self._note_cancelled(slot, job)

    def abandon(self, but: Collection[str] = ()) -> None:
        """End all jobs because nobody is there to see them; a page says what it was asked for.

        Parameters
        ----------
        but : collection of str
            Lanes whose jobs go on.
        """
        for slot, job in list(self._running.items()):
            if job.lane is not None and job.lane.name in but:
                continue
            self.cancel(slot)
            if not job.by_itself:
                self.problems[slot] = UserError(
                    f"{job.title} was stopped: no tab of yours was open any more.",
                    "Start it again.",
                )

    def _refusal(self, job: Job) -> UserError | None:
        """Why this visitor gets no further job now."""
        limits = serving().limits
        own = len([one for one in list(self._running.values()) if not one.finished])
        if own >= limits.jobs:
            return UserError(
                f"{job.title} was not started: {number_of(own, 'job')} of yours run or wait, and"
                " this server takes no more of one visitor.",
                "Wait until one has ended, or cancel one, then try again.",
            )
        if sum(lane.n_jobs for lane in list(lanes().values())) >= limits.jobs_in_all:
            return UserError(
                f"{job.title} was not started: this server has as many jobs as it takes.",
                "Try again in a minute.",
            )
        return None

    def cancel_others(self, own: str, prefix: str) -> None:
        """Cancel the jobs of all slots that begin alike, but for those that begin as one's own."""
        for other in self.slots():
            if other.startswith(prefix) and not other.startswith(own):
                self.cancel(other)

    def running(self, slot: str) -> Job | None:
        """The unfinished job in a slot."""
        return self._running.get(slot)

    def slots(self) -> list[str]:
        """Of all jobs that have not been handed over."""
        return list(self._running)

    def collect(self) -> None:
        """Hand over what has finished; keep the errors for the page to show."""
        while (taken := self._take_finished()) is not None:
            slot, job = taken
            assert job.future is not None
            try:
                result = job.future.result()
                with logged(job.title):
                    job.deliver(result)
            except Cancelled:
                self._note_cancelled(slot, job)
            except Exception as error:  # what nobody foresaw must not take the page with it
                self.problems[slot] = problem_of(job.title, error)

    def _take_finished(self) -> tuple[str, Job] | None:
        """One job that has finished; each is taken once, however many tabs ask."""
        with self._lock:
            done = next((pair for pair in self._running.items() if pair[1].finished), None)
            if done is not None:
                del self._running[done[0]]
            return done

    def _note_cancelled(self, slot: str, job: Job) -> None:
        self.problems[slot] = CancelNote(f"{job.title} was cancelled.", job.after_cancel)


def _told(left: float) -> str:
    return seconds(left) if left >= 60 else f"{left:.0f} s"


def _server_stops() -> bool:
    """Whether the server was asked to stop; Python would wait for every job to come to its end."""
    if not runtime.exists():
        return False
    return runtime.get_instance().state in (
        runtime.RuntimeState.STOPPING,
        runtime.RuntimeState.STOPPED,
    )


def _cancel_all(running: dict[str, Job]) -> None:
    for job in running.values():
        job.cancel()
