"""Background jobs: progress, cancelling, errors, and what becomes of a newer job's elder."""

import gc
import re
import threading
import time
import weakref
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from streamlit import runtime

from analysis.errors import UNKNOWN, Cancelled, UserError
from analysis.progress import Watch
from analysis.serving import VARIABLE, Serving
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


@pytest.mark.parametrize("where", ["work", "delivery"])
def test_what_nobody_foresaw_is_in_the_servers_log_once(
    where: str, caplog: pytest.LogCaptureFixture
) -> None:
    fault = KeyError("nobody foresaw it")

    def work(watch: Watch) -> None:
        if where == "work":
            raise fault

    def deliver(nothing: None) -> None:
        raise fault

    jobs = Jobs()
    jobs.start("x", Job("Saving", work, deliver), lane="test-log")
    collect(jobs, "x")
    [record] = [record for record in caplog.records if record.name.startswith("pages")]
    assert record.getMessage() == "Saving failed."
    assert record.exc_info is not None
    assert record.exc_info[1] is fault


@pytest.mark.parametrize("error", [UserError("Too long."), Cancelled(), OSError(28, "No space")])
def test_what_is_the_visitors_is_not_in_the_servers_log(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def work(watch: Watch) -> None:
        raise error

    jobs = Jobs()
    jobs.start("x", Job("Saving", work, lambda nothing: None), lane="test-log")
    collect(jobs, "x")
    assert "x" in jobs.problems
    assert not [record for record in caplog.records if record.name.startswith("pages")]


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
    assert listening.describe() == "Listening · again and again · longer than foreseen"
    assert list(waits) == sorted(waits)
    assert following.describe().startswith("Compressing: first listening · again")
    before = following.fraction
    following.run()
    assert following.fraction >= before


def test_a_queue_tells_how_many_come_before() -> None:
    started = threading.Event()
    visitors = [Jobs() for _ in range(3)]
    for jobs in visitors:
        jobs.start("x", Job("Working", until_cancelled(started), lambda text: None), lane="queue")
    waiting = visitors[2].running("x")
    assert waiting is not None
    assert waiting.describe().startswith("Working: waiting, 2 before you")
    visitors[1].cancel("x")  # one that waits gives up its place at once
    assert waiting.describe().startswith("Working: waiting, 1 before you")
    work = until_cancelled(threading.Event())
    visitors[1].start("x", Job("Working", work, lambda text: None, foreseen=90.0), lane="queue")
    last = Jobs()
    last.start("x", Job("Working", work, lambda text: None), lane="queue")
    waits_longest = last.running("x")
    assert waits_longest is not None
    told = re.fullmatch(
        r"Working: waiting, 3 before you, for about (\d) min (\d+) s or more",
        waits_longest.describe(),
    )
    assert told is not None
    assert 60 * int(told[1]) + int(told[2]) >= 90
    last.cancel("x")
    for jobs in visitors:
        jobs.cancel("x")


def test_what_another_visitor_makes_is_shown_and_kept_going() -> None:
    started = threading.Event()
    got: list[str] = []
    made: list[int] = []
    shelf: dict[str, str] = {}

    def work(watch: Watch) -> str:
        if "trees" not in shelf:
            made.append(1)
            started.set()
            for step in range(100):
                watch.check()
                watch.progress(step, 100, f"step {step}")
                time.sleep(0.01)
            shelf["trees"] = "made"
        return shelf["trees"]

    first, second = Jobs(), Jobs()
    first.start("x", Job("Trees", work, got.append, same="trees"), lane="shared")
    assert started.wait(5)
    second.start("x", Job("Trees", work, got.append, same="trees"), lane="shared")
    job = second.running("x")
    assert job is not None
    assert job.describe().startswith("Trees · step ")
    assert 0 < job.fraction < 1
    first.cancel("x")  # its visitor leaves; the other still waits for it
    collect(second, "x")
    assert (got, made) == (["made"], [1])
    assert second.problems == {}


def test_what_nobody_waits_for_any_more_stops() -> None:
    started, first, second = threading.Event(), Jobs(), Jobs()
    for jobs in (first, second):
        job = Job("Trees", until_cancelled(started), lambda text: None, same="both")
        jobs.start("x", job, lane="both")
    running = first.running("x")
    assert running is not None
    assert started.wait(5)
    first.cancel("x")
    assert running.is_wanted
    second.cancel("x")
    assert not running.is_wanted
    assert running.future is not None
    assert isinstance(running.future.exception(5), Cancelled)


def test_an_open_server_takes_so_many_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Serving(host="0.0.0.0", max_jobs=2, max_jobs_in_all=3)
    monkeypatch.setenv(VARIABLE, settings.model_dump_json())
    lanes: dict[str, object] = {}  # without those of other tests
    for module in ("lanes", "jobs"):
        monkeypatch.setattr(f"pages.session.{module}.lanes", lambda: lanes)
    started, one, other = threading.Event(), Jobs(), Jobs()

    def ask(jobs: Jobs, slot: str) -> None:
        jobs.start(slot, Job("Working", until_cancelled(started), lambda text: None), lane="full")

    for slot in ("a", "b", "c"):
        ask(one, slot)
    assert one.slots() == ["a", "b"]
    assert "2 jobs of yours" in one.problems["c"].message
    ask(one, "b")  # in the place of the one before
    assert set(one.slots()) == {"a", "b"}
    ask(other, "a")
    ask(other, "b")
    assert other.slots() == ["a"]
    assert "as many jobs as it takes" in other.problems["b"].message
    own = Jobs(of_server=True)
    ask(own, "a")
    assert own.slots() == ["a"]
    for jobs in (one, other, own):
        jobs.abandon()
        assert jobs.slots() == []


def test_a_lane_holds_no_result_of_a_job_that_ended() -> None:
    class Large:
        pass

    jobs, gone = Jobs(), []

    def work(watch: Watch) -> Large:
        made = Large()
        gone.append(weakref.ref(made))
        return made

    jobs.start("x", Job("Making", work, lambda made: None), lane="results")
    collect(jobs, "x")
    gc.collect()
    deadline = time.monotonic() + 5
    while gone[0]() is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert gone[0]() is None
