"""A real server and a real Chromium."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.models.loading import DEMO_MODELS
from tests.helpers.chromium import chromium, page
from tests.helpers.places import ROOT

__all__ = ["chromium", "page", "server"]  # the fixtures of the tests in a browser

START_SECONDS = 60


@pytest.fixture(scope="session")
def server(own_cache: Path) -> Iterator[str]:
    """Address of the app, started as a person starts it."""
    if not (DEMO_MODELS["demo-whisper"] / "model.safetensors").is_file():
        pytest.skip("the bundled model demo-whisper has not been built")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "app.py")]
    options = {
        "server.port": port,
        "server.address": "127.0.0.1",
        "server.headless": "true",
        "server.fileWatcherType": "none",
    }
    process = subprocess.Popen(
        [*command, *(f"--{name}={value}" for name, value in options.items())],
        cwd=ROOT,
        env={**os.environ, "COALESCE_MODEL": "demo-whisper", "COALESCE_CACHE": str(own_cache)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{address}/_stcore/health", process)
        yield address
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server stopped"
        try:
            with urllib.request.urlopen(address, timeout=1):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError("the server did not start")
