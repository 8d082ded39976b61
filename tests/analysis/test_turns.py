"""The same work is done once, however many threads ask; who waits sees it, and may go."""

import threading
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from analysis.cache import cache_folder, cached
from analysis.errors import Cancelled
from analysis.progress import Watch
from analysis.turns import Turns


def in_threads(n: int, work: object) -> None:
    threads = [threading.Thread(target=work, args=(i,)) for i in range(n)]  # type: ignore[arg-type]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


def test_eight_threads_make_one_result_once(own_cache: Path) -> None:
    path, made, got = cache_folder("statistics") / "turns" / "once.npz", [], []

    def make() -> Mapping[str, np.ndarray]:
        made.append(1)
        time.sleep(0.1)
        return {"a": np.arange(3)}

    in_threads(8, lambda i: got.append(cached(path, {"a": (3,)}, make)["a"].tolist()))
    assert made == [1]
    assert got == [[0, 1, 2]] * 8


def test_who_waits_hears_how_far_the_work_is() -> None:
    turns, begun, done = Turns(), threading.Event(), threading.Event()
    heard: list[tuple[int, int, str]] = []

    def hear(*step: object) -> None:
        heard.append(step)  # type: ignore[arg-type]
        done.set()

    def work(i: int) -> None:
        if i == 0:
            with turns.take("x") as watch:
                watch.progress(3, 7, "listening")
                begun.set()
                assert done.wait(10)
        else:
            assert begun.wait(10)
            with turns.take("x", Watch(hear)):
                pass

    in_threads(2, work)
    assert heard[0] == (3, 7, "listening")


def test_who_waits_may_go_and_other_keys_are_free() -> None:
    turns = Turns()
    with turns.take("x"):
        with turns.take("y"):
            pass
        with pytest.raises(Cancelled), turns.take("x", Watch(should_cancel=lambda: True)):
            pass
    with turns.take("x"):  # it is free again, and nothing of it is kept
        pass
    assert not turns._turns


def test_work_that_failed_is_taken_over() -> None:
    turns, tried = Turns(), []

    def work(i: int) -> None:
        try:
            with turns.take("x"):
                tried.append(i)
                if len(tried) == 1:
                    raise Cancelled
        except Cancelled:
            return

    in_threads(3, work)
    assert sorted(tried) == [0, 1, 2]
