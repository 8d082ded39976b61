"""A session that is saved while the process is killed, or the disk is full: nothing is lost."""

import os
import time
from pathlib import Path

import pytest

from analysis.errors import UserError
from pages.session import store
from pages.session.records import restore
from pages.session.store import HEAD, Store, new_id, store_of, sweep_out
from tests.helpers.doomed import die, done_without_room, killed
from tests.helpers.kept_sessions import kept_items


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COALESCE_CACHE", str(tmp_path))
    monkeypatch.delenv("COALESCE_SESSION_DAYS", raising=False)
    monkeypatch.setattr(store, "_swept", {})
    return tmp_path


def save(own: Store, items: dict[str, bytes]) -> None:
    for name, content in items.items():  # the head comes last
        own.write(name, content)


@pytest.fixture
def items() -> dict[str, bytes]:
    return dict(kept_items())


@pytest.mark.parametrize("moment", ["in the midst of an item", "between two items", "at the head"])
def test_after_a_kill_every_item_is_the_old_or_the_new_one(
    moment: str, items: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = new_id()
    own = store_of(session_id)
    save(own, items)
    newer = {name: b" " + content for name, content in items.items() if name.endswith(".json")}
    first, second, *_ = newer
    fatal = {"between two items": second, "at the head": HEAD}.get(moment, first)
    rename = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if target.name == fatal:
            die()
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        killed(lambda: save(own, newer))
    for name in items:
        assert own.read(name) in (items[name], newer.get(name))
    assert own.read(fatal) == items[fatal]
    session = restore(own, session_id)
    assert session is not None
    assert (session.lost, len(session.waiting), len(session.clips)) == ([], 1, 1)
    [half] = [path for path in own.folder.iterdir() if path.suffix == ".tmp"]
    sweep_out(at_once=True)
    assert half.exists(), "another process may be writing it"
    long_ago = time.time() - 7200
    os.utime(half, (long_ago, long_ago))
    sweep_out(at_once=True)
    assert not half.exists()
    assert own.names() == sorted(items)


def test_a_new_session_that_was_not_saved_to_its_end_is_none(
    items: dict[str, bytes],
) -> None:
    session_id = new_id()
    own = store_of(session_id)
    rest = {name: content for name, content in items.items() if name != HEAD}

    def save_without_end() -> None:
        save(own, rest)
        die()

    killed(save_without_end)
    assert not own.exists
    assert restore(own, session_id) is None


def test_a_full_disk_is_told_and_takes_nothing_away(items: dict[str, bytes]) -> None:
    session_id = new_id()
    own = store_of(session_id)
    save(own, items)
    [sound] = [name for name in items if name.endswith(".sound")]

    def work() -> None:
        with pytest.raises(UserError, match="cannot be saved") as caught:
            own.write(sound, b"x" * 50_000)
        assert "disk has room" in caught.value.remedy

    done_without_room(work, 10_000)
    assert sorted(path.name for path in own.folder.iterdir()) == sorted(items)
    session = restore(own, session_id)
    assert session is not None
    assert len(session.clips) == 1
