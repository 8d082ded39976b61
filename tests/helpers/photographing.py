"""The app on a port of its own and a Chromium that waits for it: what pictures are taken with."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, Playwright

from tests.helpers.places import ROOT

START_SECONDS = 120
REST_SECONDS = 300
"""As long as a busy machine may need to listen to the excitation, which the first page asks for."""
STILL_SECONDS = 2.0
"""A page that shows the same words for that long, with no progress bar, is at rest."""
AT_WORK = ", ".join(
    f"[data-testid={name}]" for name in ("stProgress", "stSpinner", "stSkeleton", "stAppSkeleton")
)
"""What a page shows where something is still to come."""
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")


def found_chromium() -> str | None:
    """The system's Chromium; None, and a line that says so, where there is none."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        print("There is no Chromium on this machine; install it first.", file=sys.stderr)
    return path


def started(playwright: Playwright, path: str) -> Browser:
    """The Chromium at a path, without a window."""
    return playwright.chromium.launch(executable_path=path, args=list(FLAGS))


@contextmanager
def served(model: str) -> Iterator[str]:
    """The app on a free port of this machine; gives its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "app.py")]
    command += ["--server.port", str(port), "--server.address", "127.0.0.1"]
    command += ["--server.headless", "true"]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "COALESCE_MODEL": model},
        stdout=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(f"{address}/_stcore/health"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("The app did not start; try `coalesce app`.")
            time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait(10)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=1):
            return True
    except OSError:
        return False


def comes_to_rest(page: Page) -> bool:
    """Wait until nothing runs and nothing changes any more; whether that came to pass."""
    page.locator("[data-testid=stHeading], [data-testid=stAlert]").first.wait_for(
        timeout=START_SECONDS * 1000
    )
    deadline = time.monotonic() + REST_SECONDS
    seen, since = "", time.monotonic()
    while time.monotonic() < deadline:
        running = page.locator("[data-test-script-state=running]").count()
        waiting = page.locator(AT_WORK).count()
        words = page.get_by_test_id("stApp").inner_text()
        if running or waiting or words != seen:
            seen, since = words, time.monotonic()
        elif time.monotonic() - since > STILL_SECONDS:
            return True
        page.wait_for_timeout(250)
    return False
