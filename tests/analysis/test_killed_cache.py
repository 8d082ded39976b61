"""A cache whose writer is killed, or finds no room: what was kept is kept, and the rest is made."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from analysis import eviction
from analysis.cache import cache_folder, cached, read_arrays, tidy, write_arrays
from analysis.clustering import trees
from analysis.models.speech_model import SpeechModel
from tests.helpers.doomed import die, done_without_room, killed

OLD, NEW = {"x": np.arange(9.0)}, {"x": np.ones(50_000)}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COALESCE_CACHE", str(tmp_path))
    monkeypatch.setattr(eviction, "_rooms", {})
    return tmp_path


def test_a_killed_writer_leaves_what_was_there_and_its_half_is_swept(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = cache_folder("trees") / "model" / "layer.npz"
    write_arrays(path, OLD)

    def write_half(file: object, **_: object) -> None:
        file.write(b"PK half of it")  # type: ignore[attr-defined]
        file.flush()  # type: ignore[attr-defined]
        die()

    for module, step, stroke in ((np, "savez", write_half), (Path, "replace", die)):
        with monkeypatch.context() as patch:
            patch.setattr(module, step, stroke)
            killed(lambda: write_arrays(path, NEW))
        np.testing.assert_array_equal((read_arrays(path) or {})["x"], OLD["x"])
    left = [file for file in path.parent.iterdir() if file != path]
    assert len(left) == 2
    long_ago = time.time() - 7200
    for file in left:
        os.utime(file, (long_ago, long_ago))
    eviction._rooms.clear()  # as in a process that starts
    tidy()
    assert list(path.parent.iterdir()) == [path]


def test_trees_are_built_anew_after_a_kill(
    hubert: SpeechModel, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trees.build_trees(hubert)
    kept = sorted(own_cache.rglob("*.npz"))
    assert kept
    for path in kept[1:]:
        path.unlink()
    content = kept[0].read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", die)
        killed(lambda: trees.build_trees(hubert))
    assert sorted(own_cache.rglob("*.npz")) == kept[:1]
    assert kept[0].read_bytes() == content
    again = trees.build_trees(hubert)
    assert sorted(own_cache.rglob("*.npz")) == kept
    for name, tree in whole.items():
        np.testing.assert_array_equal(again[name].linkage, tree.linkage)


def test_a_full_disk_costs_nothing_but_the_cache(own_cache: Path) -> None:
    path = cache_folder("trees") / "layer.npz"
    write_arrays(path, OLD)

    def make() -> Mapping[str, np.ndarray]:
        return NEW

    def work() -> None:
        own = cached(path.with_name("other.npz"), {"x": (None,)}, make)
        assert len(own["x"]) == 50_000
        write_arrays(path, NEW)

    done_without_room(work, 10_000)
    np.testing.assert_array_equal((read_arrays(path) or {})["x"], OLD["x"])
    assert [file.name for file in path.parent.iterdir()] == ["layer.npz"]
