"""Background jobs: progress, cancelling, errors, and what becomes of a newer job's elder."""

import gc
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from streamlit import runtime

from analysis.errors import UNKNOWN, UserError
from analysis.progress import Watch
from pages.session.jobs import Job, Jobs


def collect(jobs: Jobs, slot: str) -> None:
    deadline = time.monotonic() + 10
    while jobs.running(slot) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
        jobs.collect()


def until_cancelled(started: threading.Event) -> Callable[[Watch], str]:
    def work(watch: Watch) -> str:
        started.set()
        for step in range(2000):
            watch.check()
            watch.progress(step, 2000, f"step {step}")
            time.sleep(0.005)
        return "late"

    return work


def test_quick_job_delivers_before_start_returns() -> None:
    got: list[int] = []
    jobs = Jobs()
    jobs.start("x", Job("Adding", lambda watch: 1 + 1, got.append), lane="test")
    assert got == [2]
    assert jobs.running("x") is None


def test_slow_job_reports_itself_and_is_cancelled() -> None:
    got: list[str] = []
    jobs, started = Jobs(), threading.Event()
    jobs.start("x", Job("Working", until_cancelled(started), got.append), lane="test")
    job = jobs.running("x")
    assert job is not None
    assert started.wait(5)
    time.sleep(0.05)
    assert 0 < job.fraction < 1
    assert job.describe().startswith("Working · step ")
    jobs.stop("x")
    collect(jobs, "x")
    assert got == []
    assert jobs.problems["x"].message == "Working was cancelled."


def test_a_job_ends_when_the_server_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs, started = Jobs(), threading.Event()
    jobs.start("x", Job("Working", until_cancelled(started), lambda text: None), lane="test")
    assert started.wait(5)
    server = SimpleNamespace(state=runtime.RuntimeState.STOPPING)
    monkeypatch.setattr(runtime, "exists", lambda: True)
    monkeypatch.setattr(runtime, "get_instance", lambda: server)
    collect(jobs, "x")
    assert jobs.problems["x"].message == "Working was cancelled."


def test_others_that_begin_alike_are_cancelled() -> None:
    got: list[str] = []
    jobs, first, apart = Jobs(), threading.Event(), threading.Event()
    jobs.start("trees:a", Job("First", until_cancelled(first), got.append), lane="one")
    jobs.start("speech", Job("Apart", until_cancelled(apart), got.append), lane="two")
    assert first.wait(5)
    assert apart.wait(5)
    jobs.cancel_others("trees:b", "trees:")
    assert jobs.running("trees:a") is None
    assert jobs.running("speech") is not None
    jobs.start("trees:b", Job("Next", lambda watch: "b", got.append), lane="one")
    collect(jobs, "trees:b")  # the lane is free again
    assert got == ["b"]
    jobs.stop("speech")


def test_newer_job_replaces_the_elder_and_its_result_is_thrown_away() -> None:
    got: list[str] = []
    jobs, started = Jobs(), threading.Event()
    jobs.start("x", Job("Elder", until_cancelled(started), got.append), lane="test")
    jobs.start("x", Job("Newer", lambda watch: "new", got.append), lane="test")
    collect(jobs, "x")
    assert got == ["new"]
    assert "x" not in jobs.problems


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (UserError("Too long.", "Cut it."), "Too long."),
        (OSError(28, "No space left on device"), "Saving stopped: No space left on device."),
        (RuntimeError("CUDA out of memory"), "Saving failed: the memory is full."),
        (MemoryError(), "Saving failed: the memory is full."),
        (KeyError("x"), f"Saving {UNKNOWN} (KeyError: 'x')."),
        (RuntimeError("sizes differ"), f"Saving {UNKNOWN} (RuntimeError: sizes differ)."),
    ],
)
def test_errors_are_kept_for_the_page(error: Exception, message: str) -> None:
    def work(watch: Watch) -> None:
        raise error

    jobs = Jobs()
    jobs.start("x", Job("Saving", work, lambda nothing: None), lane="test")
    assert jobs.problems["x"].message == message
    assert jobs.problems["x"].remedy


def test_jobs_of_a_session_that_is_gone_are_cancelled() -> None:
    jobs, started, stopped = Jobs(), threading.Event(), threading.Event()

    def work(watch: Watch) -> None:
        started.set()
        while not watch.should_cancel():
            time.sleep(0.01)
        stopped.set()

    jobs.start("x", Job("Waiting", work, lambda nothing: None), lane="test-gone")
    assert started.wait(5)
    del jobs
    gc.collect()
    assert stopped.wait(5)


def test_reading_waits_for_nobody_elses_recording() -> None:
    long, short, started = Jobs(), Jobs(), threading.Event()
    got: list[str] = []
    long.start("x", Job("Reading", until_cancelled(started), got.append), lane="read")
    assert started.wait(5)
    short.start("x", Job("Reading", lambda watch: "short", got.append), lane="read")
    collect(short, "x")
    assert got == ["short"]
    assert long.running("x") is not None
    long.stop("x")


def test_a_bar_never_runs_back_however_often_the_work_counts_anew() -> None:
    job = Job("Working", lambda watch: None, lambda nothing: None, stages=3)
    seen = [job.fraction]
    for total in (4, 0, 10, 2, 5):
        for done in range(total + 1):
            job._progress(done, total, "")
            seen.append(job.fraction)
    assert seen == sorted(seen)
    assert seen[5] == pytest.approx(1 / 3)
    assert 0.9 < seen[-1] <= 1


def test_where_the_time_is_foreseen_the_bar_follows_the_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr("pages.session.jobs.time.monotonic", lambda: now)
    listening = Job("Listening", lambda watch: None, lambda nothing: None, foreseen=40.0)
    following = Job("Compressing", lambda watch: None, lambda nothing: None, after=listening)
    assert following.fraction == 0
    listening.run()
    fractions = []
    for second in range(120):
        now = 100.0 + second
        listening._progress(second % 7, 7, "again and again")
        fractions.append((listening.fraction, following.fraction))
    own, waits = zip(*fractions, strict=True)
    assert own[20] == pytest.approx(0.5)
    assert list(own) == sorted(own)
    assert own[-1] < 1
    assert list(waits) == sorted(waits)
    assert following.describe().startswith("Compressing: first Listening · again")
    before = following.fraction
    following.run()
    assert following.fraction >= before
