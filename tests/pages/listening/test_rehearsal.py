"""What is made beforehand: in which order, once for all, and what a fault does to it."""

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.errors import UserError
from analysis.evaluation.ladder import Heard
from pages.listening import rehearsal as module
from pages.listening.bundled import BundledClip, bundled_clips
from pages.listening.rehearsal import SLOT, Rehearsal
from pages.session.shelves import Shelf

PERCENTS = (0, 10, 20)


def finish(rehearsal: Rehearsal) -> None:
    deadline = time.monotonic() + 30
    while rehearsal.jobs.running(SLOT) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
        rehearsal.jobs.collect()


class Spoken:
    """Stands in for the ladder: says at once what it is asked, and notes it."""

    asked: list[tuple[str, str, int, str]]
    gate: threading.Event

    def __init__(self, model: str) -> None:
        self._model = model

    def hear(self, audio: Any, percent: int, side: str, **_: object) -> Heard:
        self.gate.wait(10)
        self.asked.append((self._model, audio.name, percent, side))
        return Heard(f"{self._model} {audio.name} {percent} {side}", 1, 1.0)


@pytest.fixture
def spoken(monkeypatch: pytest.MonkeyPatch) -> type[Spoken]:
    Spoken.asked, Spoken.gate = [], threading.Event()
    Spoken.gate.set()
    monkeypatch.setattr(module, "Ladder", Spoken)
    monkeypatch.setattr(module, "load_model", lambda shelf, key: key.source)
    return Spoken


@pytest.fixture
def clips() -> list[BundledClip]:
    return bundled_clips()[:2]


def test_what_is_on_show_comes_first(spoken: type[Spoken], clips: list[BundledClip]) -> None:
    rehearsal = Rehearsal(Shelf(1), ("demo-whisper", "demo-hubert"), clips, PERCENTS)
    shown = max(clips, key=lambda clip: clip.duration)
    rehearsal.show("demo-hubert", shown.path.name, 20)
    finish(rehearsal)
    models, titles, percents, sides = zip(*spoken.asked, strict=True)
    assert len(spoken.asked) == len(set(spoken.asked)) == 2 * 2 * (1 + 2 * len(PERCENTS))
    assert set(models[:14]) == {"demo-hubert"}
    assert len(set(titles[:7])) == 1
    assert (sides[0], percents[1:7]) == ("original", (20, 20, 10, 10, 0, 0))


def test_each_is_made_once_and_shown_to_all(spoken: type[Spoken], clips: list[BundledClip]) -> None:
    rehearsal = Rehearsal(Shelf(1), ("demo-whisper",), clips, PERCENTS)
    name = clips[0].path.name
    spoken.gate.clear()
    assert rehearsal.show("demo-whisper", name, 10) == {}
    assert rehearsal.n_made("demo-whisper", name) == (0, 7)
    assert rehearsal.show("demo-whisper", name, 10) == {}  # of a second visitor, meanwhile
    spoken.gate.set()
    finish(rehearsal)
    assert rehearsal.n_made("demo-whisper", name) == (7, 7)
    heard = rehearsal.show("demo-whisper", name, 10)
    assert {side: own.text.split()[-2:] for side, own in heard.items()} == {
        "original": ["0", "original"],
        "merged": ["10", "merged"],
        "pruned": ["10", "pruned"],
    }
    assert rehearsal.jobs.running(SLOT) is None
    assert len(spoken.asked) == len(set(spoken.asked))


def test_a_fault_is_told_and_nothing_is_tried_until_it_was_read(
    spoken: type[Spoken], clips: list[BundledClip]
) -> None:
    lost = replace(clips[0], path=Path("gone.flac"))
    rehearsal = Rehearsal(Shelf(1), ("demo-whisper",), [lost], PERCENTS)
    rehearsal.show("demo-whisper", "gone.flac", 10)
    finish(rehearsal)
    assert isinstance(rehearsal.jobs.problems[SLOT], UserError)
    rehearsal.show("demo-whisper", "gone.flac", 10)
    assert rehearsal.jobs.running(SLOT) is None
    assert spoken.asked == []
