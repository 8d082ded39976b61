"""Results on disk: found again, rebuilt when broken, done without where they cannot be written."""

from pathlib import Path

import numpy as np
import pytest

from analysis.cache import (
    DEFAULT_LIMIT,
    REVISION,
    Shape,
    cache_folder,
    cache_limit,
    cache_root,
    cached,
    read_arrays,
    write_arrays,
)
from analysis.errors import Cancelled

ARRAYS = {"linkage": np.arange(8.0).reshape(2, 4), "norms": np.array([1.0, 2.0, 3.0])}


def test_arrays_there_and_back(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "down" / "x.npz"
    write_arrays(path, ARRAYS)
    found = read_arrays(path)
    assert found is not None
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert np.array_equal(found[name], array)
        assert found[name].dtype == array.dtype
    assert [p.name for p in path.parent.iterdir()] == ["x.npz"], "temporary files are left"


def test_an_entry_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    write_arrays(path, {"a": np.zeros(3)})
    write_arrays(path, {"a": np.ones(2)})
    found = read_arrays(path)
    assert found is not None
    assert found["a"].tolist() == [1.0, 1.0]


def test_what_is_not_there_is_none(tmp_path: Path) -> None:
    assert read_arrays(tmp_path / "x.npz") is None


def whole(tmp_path: Path) -> bytes:
    write_arrays(tmp_path / "whole.npz", ARRAYS)
    return (tmp_path / "whole.npz").read_bytes()


@pytest.mark.parametrize("damage", ["empty", "half", "text", "flipped", "bare", "pickled"])
def test_what_is_broken_is_none(tmp_path: Path, damage: str) -> None:
    path, good = tmp_path / "x.npz", whole(tmp_path)
    if damage == "empty":
        path.write_bytes(b"")
    elif damage == "half":
        path.write_bytes(good[: len(good) // 2])
    elif damage == "text":
        path.write_text("not an archive")
    elif damage == "flipped":  # a bit of the data, which the archive's checksum tells
        at = good.index(ARRAYS["norms"].tobytes())
        path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
    elif damage == "bare":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    else:
        with path.open("wb") as file:
            np.savez(file, a=np.array([{"an": "object"}], dtype=object))
    assert read_arrays(path) is None


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    write_arrays(tmp_path / "file" / "x.npz", ARRAYS)
    assert read_arrays(tmp_path / "file" / "x.npz") is None


def test_a_full_disk_leaves_no_half_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.npz"
    write_arrays(path, {"a": np.zeros(3)})

    def full(file: object, **_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    write_arrays(path, ARRAYS)
    assert [p.name for p in tmp_path.iterdir()] == ["x.npz"]
    found = read_arrays(path)
    assert found is not None
    assert list(found) == ["a"]


def test_what_was_made_once_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    made = cached(path, {"linkage": (2, 4)}, lambda: ARRAYS)
    assert made is ARRAYS

    def again() -> dict[str, np.ndarray]:
        raise AssertionError("it is on disk")

    found = cached(path, {"linkage": (2, None), "norms": (3,)}, again)
    assert {name: array.tolist() for name, array in found.items()} == {
        name: array.tolist() for name, array in ARRAYS.items()
    }


@pytest.mark.parametrize(
    "shapes",
    [{"other": (3,)}, {"norms": (4,)}, {"norms": ()}, {"linkage": (None,)}, {"linkage": (None, 3)}],
    ids=["lacking", "length", "scalar", "dimensions", "partly"],
)
def test_what_does_not_fit_is_made_anew(tmp_path: Path, shapes: dict[str, Shape]) -> None:
    path = tmp_path / "x.npz"
    write_arrays(path, ARRAYS)
    cached(path, shapes, lambda: {"new": np.ones(1)})
    found = read_arrays(path)
    assert found is not None
    assert list(found) == ["new"]


def test_what_could_not_be_made_is_not_kept(tmp_path: Path) -> None:
    def stopped() -> dict[str, np.ndarray]:
        raise Cancelled

    with pytest.raises(Cancelled):
        cached(tmp_path / "x.npz", {"norms": (3,)}, stopped)
    assert not any(tmp_path.iterdir())


def test_where_the_cache_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COALESCE_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder("trees") == tmp_path / "own" / REVISION / "trees"
    monkeypatch.delenv("COALESCE_CACHE")
    assert cache_folder("trees") == tmp_path / "xdg" / "coalesce" / REVISION / "trees"


@pytest.mark.parametrize(
    ("platform", "place"),
    [
        ("linux", ".cache/coalesce"),
        ("darwin", "Library/Caches/coalesce"),
        ("win32", "AppData/Local/coalesce"),
    ],
)
def test_the_place_of_each_platform(
    platform: str, place: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("COALESCE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, "")  # empty is as good as not set, and never the working folder
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setattr("sys.platform", platform)
    assert cache_root() == tmp_path / place


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [
        ("", DEFAULT_LIMIT),
        ("4 GB", 4_000_000_000),
        ("500MB", 500_000_000),
        ("1.5 gib", 1_610_612_736),
        ("2k", 2_000),
        ("1234", 1_234),
        ("0", 0),
    ],
)
def test_the_limit_is_a_size(text: str, n_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COALESCE_CACHE_LIMIT", text)
    assert cache_limit() == n_bytes
