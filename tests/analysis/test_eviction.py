"""A cache with a limit: what goes first, what stays, and who may write at the same time."""

import os
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from analysis import eviction
from analysis.cache import (
    Cleared,
    Usage,
    cache_folder,
    cache_limit,
    cache_root,
    cached,
    clear,
    read_arrays,
    usage,
    write_arrays,
)
from analysis.cli.parser import main
from analysis.errors import UserError


@pytest.fixture
def limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where entries lie, in a cache for ten of `entry`."""
    monkeypatch.setenv("COALESCE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COALESCE_CACHE_LIMIT", "100 kB")
    return cache_folder("trees") / "model"


@pytest.mark.parametrize("text", ["much", "-1", "4 XB", "1e9", "i", "4 GB or so", "nan"])
def test_a_wrong_limit_is_told_and_stops_nothing(
    text: str, limited: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("COALESCE_CACHE_LIMIT", text)
    with pytest.raises(UserError, match="500 MB"):
        cache_limit()
    for number in range(3):
        write_arrays(limited / f"{number}.npz", entry(number))
    assert len(list(limited.iterdir())) == 3
    assert [text in record.getMessage() for record in caplog.records] == [True], "told once"


def entry(value: int = 0, n_bytes: int = 9_500) -> dict[str, np.ndarray]:
    return {"a": np.full(n_bytes, value, np.uint8)}


def write_aged(folder: Path, count: int) -> list[Path]:
    """So many entries, the first of which was used longest ago."""
    paths = [folder / f"{number}.npz" for number in range(count)]
    for number, path in enumerate(paths):
        write_arrays(path, entry(number))
        os.utime(path, (1_000 + number, 1_000 + number))
    return paths


def kept(folder: Path) -> set[str]:
    return {path.stem for path in folder.rglob("*.npz")}


def test_what_was_used_longest_ago_goes_first(limited: Path) -> None:
    write_aged(limited, 10)
    assert len(kept(limited)) == 10
    write_arrays(limited / "new.npz", entry())
    assert kept(limited) == {"2", "3", "4", "5", "6", "7", "8", "9", "new"}
    assert sum(path.stat().st_size for path in limited.iterdir()) <= 95_000


def test_what_was_read_stays(limited: Path) -> None:
    oldest = write_aged(limited, 10)[0]
    assert cached(oldest, {"a": (None,)}, entry)["a"][0] == 0
    write_arrays(limited / "new.npz", entry())
    assert kept(limited) == {"0", "3", "4", "5", "6", "7", "8", "9", "new"}


def test_the_limit_is_for_all_kinds_and_older_revisions(
    limited: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_aged(limited, 6)
    monkeypatch.setattr("analysis.cache.REVISION", "2")
    write_aged(cache_folder("contributions"), 5)
    assert kept(limited) == {"1", "2", "3", "4", "5"}, "the first of both are the oldest"
    assert kept(cache_folder("contributions")) == {"1", "2", "3", "4"}


def test_one_process_never_passes_the_limit(limited: Path) -> None:
    for number in range(60):
        write_arrays(limited / f"{number}.npz", entry(n_bytes=500 + 300 * (number % 20)))
        assert sum(path.stat().st_size for path in limited.iterdir()) <= 100_000
    assert len(kept(limited)) > 15


def test_the_folder_is_not_walked_at_every_write(
    limited: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweeps = []

    def count(folders: object, limit: int) -> int:
        sweeps.append(limit)
        return 5_000

    monkeypatch.setattr(eviction, "sweep", count)
    for number in range(100):
        write_arrays(limited / f"{number}.npz", entry(n_bytes=100))  # 370 bytes with its frame
    assert 2 <= len(sweeps) <= 10


def test_what_fills_the_cache_alone_is_not_kept(limited: Path) -> None:
    write_aged(limited, 5)
    write_arrays(limited / "huge.npz", entry(n_bytes=96_000))
    assert kept(limited) == {"0", "1", "2", "3", "4"}


def test_a_limit_of_0_keeps_nothing(limited: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_aged(limited, 3)
    monkeypatch.setenv("COALESCE_CACHE_LIMIT", "0")
    made = cached(limited / "new.npz", {"a": (None,)}, entry)
    assert made["a"].shape == (9_500,)
    assert kept(limited) == set()


def test_what_is_not_ours_is_left_alone(limited: Path, tmp_path: Path) -> None:
    foreign = [
        cache_folder("training") / "run" / "features.npz",
        cache_folder("corpora") / "owner,name" / "000000.npz",
        cache_folder("evaluations") / "results.0.jsonl",
        cache_folder("trees") / "notes.txt",
        cache_root() / "3000" / "trees" / "x.npz",
        cache_root() / "x.npz",
        tmp_path / "elsewhere" / "x.npz",
    ]
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(200_000))
        os.utime(path, (1, 1))
    cache_folder("trees").joinpath("link").symlink_to(tmp_path / "elsewhere")
    write_aged(limited, 12)
    assert len(kept(limited)) == 10
    clear()
    assert kept(limited) == set()
    assert all(path.stat().st_size == 200_000 for path in foreign)


def test_leftovers_of_killed_writers_go(limited: Path) -> None:
    limited.mkdir(parents=True)
    old, new, foreign = (limited / name for name in ("tmpold.tmp", "tmpnew.tmp", "my.tmp"))
    for path in (old, new, foreign):
        path.write_bytes(b"half")
    for path in (old, foreign):
        os.utime(path, (1, 1))
    write_arrays(limited / "x.npz", entry())
    assert not old.exists()
    assert new.exists(), "it may be in the making"
    assert foreign.exists()


def test_what_is_used_while_a_sweep_goes_on_stays(
    limited: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write_aged(limited, 5)
    listed = list(eviction.entries([limited]))
    assert read_arrays(paths[0]) is not None
    paths[1].unlink()
    monkeypatch.setattr(eviction, "entries", lambda _: iter(listed))
    eviction.sweep([limited], 30_000)
    assert kept(limited) == {"0", "4"}


def test_entries_that_cannot_be_deleted_stop_nothing(
    limited: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    write_aged(limited, 12)
    assert len(kept(limited)) == 12
    assert clear() == Cleared(0, 12)


@pytest.mark.parametrize("error", [PermissionError(13, "no"), NotImplementedError("no locks")])
def test_a_folder_without_locks_stops_nothing(
    error: Exception, limited: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(eviction, "FileLock", refuse)
    write_aged(limited, 12)
    assert len(kept(limited)) == 12


def test_a_sweep_elsewhere_is_not_waited_for(limited: Path) -> None:
    write_aged(limited, 10)
    with FileLock(cache_root() / ".sweep.lock"):
        write_arrays(limited / "new.npz", entry())
        assert len(kept(limited)) == 11
    write_arrays(limited / "newer.npz", entry())
    assert len(kept(limited)) == 9, "made up for at the next write"


def use_all_at_once(seed: int) -> None:
    """Read and write the same entries in another order, and see that none is mixed up."""
    for value in np.random.default_rng(seed).integers(0, 25, 60):
        path = cache_folder("trees") / "model" / f"{value}.npz"
        arrays = cached(path, {"a": (9_500,)}, partial(entry, int(value)))
        assert (arrays["a"] == value).all()


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_many_at_once_lose_old_entries_only(pool: Callable[..., Executor], limited: Path) -> None:
    spawned = {"mp_context": get_context("spawn")} if pool is ProcessPoolExecutor else {}
    with pool(3, **spawned) as executor:
        list(executor.map(use_all_at_once, range(3)))  # raises what they raise
    write_arrays(limited / "last.npz", entry())
    eviction.sweep([limited], cache_limit())
    assert "last" in kept(limited)
    assert 5 <= len(kept(limited)) <= 10
    assert not list(limited.glob("*.tmp"))


def test_usage_counts_by_kind(limited: Path) -> None:
    (path,) = write_aged(limited, 1)
    run = cache_folder("training") / "run" / "model.bin"
    run.parent.mkdir(parents=True)
    run.write_bytes(bytes(7))
    found = {item.kind: item for item in usage()}
    assert found["trees"] == Usage("trees", 1, path.stat().st_size, True)
    assert found["training"] == Usage("training", 1, 7, False)
    assert sum(item.files for item in found.values()) == 2


def test_clear_leaves_what_cannot_be_made_again_unless_told(limited: Path) -> None:
    (path,) = write_aged(limited, 1)
    size = path.stat().st_size
    run = cache_folder("training") / "run" / "model.bin"
    run.parent.mkdir(parents=True)
    run.write_bytes(bytes(7))
    assert clear() == Cleared(size, 0)
    assert not cache_folder("trees").exists()
    assert run.exists()
    assert clear(everything=True) == Cleared(7, 0)
    assert not cache_folder("training").exists()
    assert clear(everything=True) == Cleared(0, 0)


def test_what_a_kill_left_half_written_goes_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """At the start of a command that writes nothing; what may still be written to stays."""
    monkeypatch.setenv("COALESCE_CACHE", str(tmp_path / "own"))
    folder = cache_folder("trees") / "model"
    folder.mkdir(parents=True)
    old, new = folder / "tmpabcd.tmp", folder / "tmpefgh.tmp"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    assert main(["inspect", str(tmp_path / "nowhere")]) == 2
    assert not old.exists()
    assert new.exists()
