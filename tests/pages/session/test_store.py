"""The folder of a session: whole items, limits, age, and a visitor who wants to be forgotten."""

import os
import threading
import time
from pathlib import Path

import pytest

from analysis.errors import UserError
from pages.session import store
from pages.session.store import HEAD, Store, days_kept, is_id, new_id, store_of, sweep_out

DAY = 86_400


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COALESCE_CACHE", str(tmp_path))
    monkeypatch.delenv("COALESCE_SESSION_DAYS", raising=False)
    return tmp_path


def kept(age_days: float = 0, content: bytes = b"{}") -> Store:
    own = store_of(new_id())
    own.write("clip-1.sound", content)
    own.write(HEAD, b"{}")
    then = time.time() - age_days * DAY
    os.utime(own.folder / HEAD, (then, then))
    return own


def test_an_id_is_long_random_and_on_no_disk(cache: Path) -> None:
    ids = {new_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(is_id(each) and len(each) == 32 for each in ids)
    assert not any(map(is_id, ("", "..", "short", "a/" * 20, "a" * 65, "ä" * 30)))
    own = store_of(next(iter(ids)))
    own.write(HEAD, b"{}")
    names = [name for path in cache.rglob("*") for name in path.parts]
    assert not ids & set(names)
    assert own.folder.stat().st_mode & 0o077 == 0
    assert (own.folder / HEAD).stat().st_mode & 0o077 == 0


def test_items_are_replaced_whole_while_others_read_them() -> None:
    own = store_of(new_id())
    versions = [bytes([letter]) * 300_000 for letter in b"ab"]
    own.write("clip-1.sound", versions[0])
    seen: set[bytes] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(own.read("clip-1.sound"))

    def write(version: bytes) -> None:
        for _ in range(20):
            own.write("clip-1.sound", version)

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=(version,)) for version in versions]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    assert seen <= set(versions)
    assert own.names() == ["clip-1.sound"]
    assert len(list(own.folder.iterdir())) == 1


@pytest.mark.parametrize("name", ["../x.json", "x", "clip-../../x.json", "X.json", "clip-1.py"])
def test_no_item_lies_outside_its_folder(name: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        store_of(new_id()).write(name, b"")


def test_a_session_is_only_so_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST_BYTES", 50_000)
    own = kept(content=b"x" * 30_000)
    with pytest.raises(UserError, match="A session keeps"):
        own.write("clip-2.sound", b"x" * 30_000)
    own.write("clip-2.json", b"{}")  # small things always fit
    assert "clip-2.sound" not in own.names()


def test_old_sessions_go_and_used_ones_stay() -> None:
    old, used = kept(age_days=8), kept(age_days=6)
    assert not old.exists
    assert used.exists
    used.touch()
    sweep_out(at_once=True)
    assert not old.folder.exists()
    assert used.names() == ["clip-1.sound", HEAD]
    assert time.time() - (used.folder / HEAD).stat().st_mtime < 60


def test_the_server_says_how_long(monkeypatch: pytest.MonkeyPatch) -> None:
    own = kept(age_days=2)
    monkeypatch.setenv("COALESCE_SESSION_DAYS", "1.5")
    assert not own.exists
    monkeypatch.setenv("COALESCE_SESSION_DAYS", "0")
    assert days_kept() == 0
    monkeypatch.setenv("COALESCE_SESSION_DAYS", "a week")
    with pytest.raises(UserError, match="a week"):
        days_kept()


@pytest.mark.parametrize(("name", "value"), [("MOST_SESSIONS", 2), ("MOST_BYTES_IN_ALL", 2500)])
def test_of_too_many_sessions_the_least_recent_go(
    name: str, value: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, name, value)
    stores = [kept(age_days=age, content=b"x" * 1000) for age in (3, 1, 2)]
    sweep_out(at_once=True)
    assert [each.exists for each in stores] == [False, True, True]


def test_what_is_forgotten_is_gone_and_stays_gone() -> None:
    own = kept()
    own.forget()
    assert own.is_forgotten
    assert not own.folder.exists()
    own.write(HEAD, b"{}")  # by another process, which has not heard of it
    assert not own.exists
    assert not kept().is_forgotten
