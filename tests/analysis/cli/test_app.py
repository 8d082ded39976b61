"""README's command: the dashboard starts on a machine that never ran Streamlit, and stops.

Nobody reaches it from another machine who was not let in.
"""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from analysis.cli.parser import main
from analysis.serving import VARIABLE, Serving
from tests.helpers.places import ROOT

START_SECONDS = 120


def listening(port: int) -> set[str]:
    """Addresses on which anything listens at a port, as this machine's own tables have them."""
    tables = [Path("/proc/net", name) for name in ("tcp", "tcp6")]
    if not tables[0].is_file():
        pytest.skip("this system does not tell who listens")
    found = set()
    for row in [line.split() for table in tables for line in table.read_text().splitlines()[1:]]:
        address, _, own_port = row[1].partition(":")
        if row[3] == "0A" and int(own_port, 16) == port:  # it listens
            packed = bytes.fromhex(address)[::-1] if len(address) == 8 else bytes.fromhex(address)
            family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
            found.add(socket.inet_ntop(family, packed))
    return found


Start = tuple[Sequence[str], Mapping[str, str]]


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[Start]:
    """What would be started, as command and environment."""
    found: list[Start] = []

    def call(command: Sequence[str], env: Mapping[str, str]) -> int:
        found.append((command, env))
        return 0

    monkeypatch.setattr(subprocess, "call", call)
    # the demonstration's handler must not stay with the tests
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)
    return found


def option(start: Start, name: str) -> str:
    command, _ = start
    return command[command.index(f"--{name}") + 1]


def test_nobody_is_let_in_without_being_asked(
    starts: list[Start], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["app", "demo-hubert", "--headless"]) == 0
    [start] = starts
    assert option(start, "server.address") == "127.0.0.1"
    assert option(start, "server.maxUploadSize") == "1000"
    assert Serving.model_validate_json(start[1][VARIABLE]) == Serving()
    assert start[1]["COALESCE_MODEL"] == "demo-hubert"
    assert capsys.readouterr().err == ""


def test_who_opens_it_is_told_what_holds(
    starts: list[Start], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "models").mkdir()
    root = ["--root", str(tmp_path / "models"), "--root", str(tmp_path)]
    assert main(["app", "--host", "0.0.0.0", "--max-clip", "90", *root]) == 0
    [start] = starts
    assert option(start, "server.address") == "0.0.0.0"
    assert option(start, "server.maxUploadSize") == "100"
    told = Serving.model_validate_json(start[1][VARIABLE])
    assert told.roots == (str(tmp_path / "models"), str(tmp_path))
    notice = capsys.readouterr().err
    for word in ("0.0.0.0", "password", str(tmp_path), "100 MB", "90 s", "12 jobs"):
        assert word in notice


def test_a_demonstration_keeps_its_cache_no_longer_than_it_runs(
    starts: list[Start], monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[Path] = []

    def call(command: Sequence[str], env: Mapping[str, str]) -> int:
        used.append(Path(env["COALESCE_CACHE"]))
        assert used[0].is_dir()
        return 0

    monkeypatch.setattr(subprocess, "call", call)
    assert main(["app", "--demo"]) == 0
    assert used[0] != Path(os.environ["COALESCE_CACHE"])
    assert not used[0].exists()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--root", "/nowhere/at/all"], "no folder"),
        (["--demo", "--allow-downloads"], "bundled models alone"),
        (["--max-jobs", "0"], "at least 1"),
        (["--host", ""], "host"),
    ],
)
def test_what_makes_no_sense_is_refused(
    starts: list[Start], capsys: pytest.CaptureFixture[str], arguments: list[str], word: str
) -> None:
    assert main(["app", *arguments]) == 2
    assert word in capsys.readouterr().err
    assert starts == []


@pytest.mark.slow
def test_first_start_asks_nothing(tmp_path: Path) -> None:
    """Without a terminal, and with a home in which nobody has answered anything.

    The settings that keep Streamlit from asking lie beside the app, not in the working folder.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "coalesce", "app", "--port", str(port)],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "HOME": str(tmp_path),
            "BROWSER": "true",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            assert process.poll() is None, "the dashboard stopped"
            assert time.monotonic() < deadline, "the dashboard did not start"
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1):
                    break
            except OSError:
                time.sleep(0.2)
        assert listening(port) == {"127.0.0.1"}
        process.terminate()  # the command alone, as a service manager does
        process.wait(30)
        assert not listening(port), "the server outlives the command that started it"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize(
    "given",
    [
        ["--port", "99999999"],
        ["--port", "-5"],
        ["--port", "0"],
        ["--host", "999.1.1.1"],
        ["--host", "."],
    ],
)
def test_where_nothing_can_listen_is_said_in_a_sentence(
    starts: list[Start], capsys: pytest.CaptureFixture[str], given: list[str]
) -> None:
    assert main(["app", "--headless", *given]) == 2
    assert "Nothing can listen at" in capsys.readouterr().err
    assert not starts


def test_a_port_that_is_taken_is_said(
    starts: list[Start], capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["app", "--headless", "--port", str(port)]) == 2
    assert f"port {port}" in capsys.readouterr().err
    assert not starts
