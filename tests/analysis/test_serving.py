"""What a server allows: everything to its own computer, little to others, less to the public."""

from pathlib import Path

import pytest

from analysis.errors import UserError
from analysis.models.finding import list_folders, model_roots
from analysis.serving import VARIABLE, Serving, serving

OPEN = Serving(host="0.0.0.0")
DEMO = Serving(demo=True)


def test_a_server_for_its_own_computer_allows_everything(tmp_path: Path) -> None:
    for host in ("127.0.0.1", "localhost", "::1", "[::1]", "127.3.2.1"):
        own = Serving(host=host)
        assert not own.is_open
        assert own.downloads
        assert own.writes
        assert own.folders
        own.require_folder(tmp_path)
        own.require_downloads()
        own.require_writing()
    assert Serving().limits.clip_seconds == 3600


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "coalesce.example"])
def test_an_open_server_allows_neither_folders_nor_the_hub(host: str, tmp_path: Path) -> None:
    server = Serving(host=host)
    assert server.is_open
    with pytest.raises(UserError):
        server.require_folder(tmp_path)
    with pytest.raises(UserError):
        server.require_downloads()
    server.require_writing()
    Serving(host=host, allow_downloads=True).require_downloads()


def test_a_demonstration_allows_least() -> None:
    assert DEMO.is_open
    assert {DEMO.downloads, DEMO.writes, DEMO.folders} == {False}
    assert not Serving(demo=True, allow_downloads=True).downloads
    for name in ("upload_mb", "clip_seconds", "jobs"):
        assert getattr(DEMO.limits, name) <= getattr(OPEN.limits, name)
        assert getattr(OPEN.limits, name) <= getattr(Serving().limits, name)
    with pytest.raises(UserError, match="writes nothing"):
        DEMO.require_writing()


def test_folders_lie_below_a_root_whatever_path_leads_there(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root / "in", outside):
        folder.mkdir(parents=True)
    (root / "link").symlink_to(outside)
    (outside / "back").symlink_to(root / "in")
    server = Serving(host="0.0.0.0", roots=(str(root),))
    for inside in (root, root / "in", root / "new" / "er", outside / "back", root / "x" / ".."):
        assert server.allows_folder(inside)
    for beyond in (
        *(outside, root / "link", root / ".." / "outside", tmp_path / "rooted", "relative"),
        *("~", "~nobody-of-this-name/x", "/", "", "a\0b", "x" * 10_000, "/etc/passwd"),
    ):
        assert not server.allows_folder(beyond), beyond
    # an own computer that was told to stay below a root does so, too
    assert not Serving(roots=(str(root),)).allows_folder(outside)


def test_a_folder_of_the_visitors_own_may_be_read_besides(tmp_path: Path) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    own.mkdir()
    other.mkdir()
    (own / "out").symlink_to(other)
    (own / "loop").symlink_to(own / "loop")
    for settings in ({}, {"demo": True}, {"roots": (str(tmp_path / "root"),)}):
        serving = Serving(host="0.0.0.0", **settings)
        assert serving.allows_folder(own / "clip.wav", within=own)
        assert not serving.allows_folder(own / "clip.wav")
        for path in (other, own / "out" / "clip.wav", own / ".." / "other", own / "loop"):
            assert not serving.allows_folder(path, within=own)


def test_a_folder_whose_files_lead_out_is_not_read(tmp_path: Path) -> None:
    root, other = tmp_path / "root", tmp_path / "results.json"
    other.write_text("{}")
    for name in ("own", "linked"):
        (root / name).mkdir(parents=True)
        (root / name / "config.json").write_text("{}")
    (root / "own" / "again.json").symlink_to("config.json")
    (root / "linked" / "results.json").symlink_to(other)
    serving = Serving(host="0.0.0.0", roots=(str(root),))
    serving.require_folder(root / "own", contents=True)
    serving.require_folder(root / "linked")
    for folder in (root / "linked", tmp_path, root / "no" / ".." / ".."):
        assert not serving.allows_contents(folder)
        with pytest.raises(UserError, match="not open to visitors"):
            serving.require_folder(folder, contents=True)


def test_a_refusal_does_not_tell_what_exists(tmp_path: Path) -> None:
    def refusal(path: Path) -> str:
        with pytest.raises(UserError) as caught:
            OPEN.require_folder(path)
        return f"{caught.value}{caught.value.detail}"

    assert refusal(tmp_path) == refusal(tmp_path / "missing") == refusal(Path("/etc/ssl"))


def test_limits_that_were_asked_for_hold() -> None:
    limits = Serving(host="0.0.0.0", max_upload=7, max_clip=5.0, max_jobs=2).limits
    assert (limits.upload_mb, limits.clip_seconds, limits.jobs) == (7, 5.0, 2)
    with pytest.raises(UserError):
        Serving(max_jobs=0)


def test_the_environment_carries_the_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert serving() == Serving()
    told = Serving(host="0.0.0.0", roots=(str(tmp_path),), max_clip=9.0)
    monkeypatch.setenv(VARIABLE, told.model_dump_json())
    assert serving() == told
    assert model_roots() == [tmp_path]
    assert list_folders(tmp_path.parent, model_roots()) == []
