"""Whoever closes the last tab takes the jobs along within half a minute, without any visitor."""

import gc
import threading
import weakref

import pytest

from analysis.serving import VARIABLE, Serving
from pages.session import leaving
from pages.session.jobs import Job
from pages.session.session import Session, on_best_device
from tests.helpers.endless import endless


def busy(lane: str) -> tuple[Session, threading.Event]:
    session = Session(on_best_device("demo-whisper"))
    started, ended = threading.Event(), threading.Event()
    job: Job[None] = Job(
        f"Working at {lane}",
        endless(started, ended),
        lambda nothing: session.clips.clear(),  # as all that is delivered, it holds the session
    )
    session.jobs.start("work", job, lane=lane)
    assert started.wait(5)
    return session, ended


def test_a_closed_tab_ends_its_job_and_says_so() -> None:
    session, ended = busy("left")
    session.tabs = {"a": 0.0, "b": 0.0}
    assert leaving.look([session], lambda tab: tab == "b", 100.0) == []
    assert session.jobs.running("work") is not None  # another tab is open
    assert session.tabs["b"] == 100.0
    leaving.look([session], lambda tab: False, 100.0 + leaving.LEFT_SECONDS - 1)
    assert session.jobs.running("work") is not None  # a reload takes no longer
    leaving.look([session], lambda tab: False, 100.0 + leaving.LEFT_SECONDS)
    assert session.jobs.running("work") is None
    assert ended.wait(5)
    assert "no tab" in session.jobs.problems["work"].message


def test_all_of_it_fits_into_half_a_minute() -> None:
    assert leaving.LEFT_SECONDS + 2 * leaving.LOOK_SECONDS < 30


def test_training_goes_on_for_whoever_trains_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    session, ended = busy("train")
    session.tabs = {"a": 0.0}
    leaving.look([session], lambda tab: False, 1000.0)
    assert session.jobs.running("work") is not None
    monkeypatch.setenv(VARIABLE, Serving(host="0.0.0.0").model_dump_json())
    leaving.look([session], lambda tab: False, 2000.0)
    assert session.jobs.running("work") is None
    assert ended.wait(5)


def test_a_tab_is_given_up_before_streamlit_forgets_it() -> None:
    session = Session(on_best_device("demo-whisper"), tabs={"a": 0.0})
    limit = leaving._time_out()
    assert limit < 120  # Streamlit's own
    assert leaving.look([session], lambda tab: False, limit - 1) == []
    assert leaving.look([session], lambda tab: False, limit) == ["a"]
    assert session.tabs == {}


def test_what_goes_in_circles_is_given_back_though_it_was_set_apart() -> None:
    session = Session(on_best_device("demo-whisper"))
    session.choices["circle"] = session
    gone = weakref.ref(session)
    gc.collect()
    gc.freeze()  # as pages.frame.collecting does
    del session
    gc.collect()
    assert gone() is not None
    leaving.give_back()
    assert gone() is None


def test_memory_is_given_back_until_those_who_left_have_come_to_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A script of a closed tab may still run at the first look after it."""
    looks: list[int] = []
    given_back: list[int] = []
    closed = [False, True, False, False, False, False, False]

    def sleep(seconds: float) -> None:
        if len(looks) == len(closed):
            raise SystemExit

    def look_once(sessions: object) -> bool:
        looks.append(len(given_back))
        return closed[len(looks) - 1]

    monkeypatch.setattr(leaving.time, "sleep", sleep)
    monkeypatch.setattr(leaving.runtime, "exists", lambda: True)
    monkeypatch.setattr(leaving, "_look_once", look_once)
    monkeypatch.setattr(leaving, "give_back", lambda: given_back.append(len(looks)))
    with pytest.raises(SystemExit):
        leaving._watch(list)
    assert given_back == [2, 3, 4]  # after the looks at which it was, and would be, at rest
