"""Several visitors at once, cold: seconds to a result, and the memory when they have left.

    python -m benchmarks.visitors [--visitors 8] [--model demo-whisper] [--rounds 1]

Starts `coalesce app` with an empty cache. Each visitor opens Compress, presses the button as soon
as it is there, and waits for the variant; all speak Streamlit's own protocol, so that no browser
takes part in the work. Then all leave, and the server's memory is read when their sessions have
ended; a process that only imports the libraries is measured beside it.
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psutil
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from benchmarks.timing import megabytes

TIME_OUT_SECONDS = 30
"""After which the server lets go of a session whose visitor has left; Streamlit has 120."""

_SETTLE_SECONDS = 25.0  # beyond that: two looks of the server and its collection of garbage
_PATIENCE_SECONDS = 900.0
_WHOLE_PAGE = ForwardMsg.FINISHED_SUCCESSFULLY  # and not a fragment of it

_LIBRARIES = (
    "import os, psutil, streamlit, plotly.graph_objects, pandas, sklearn, torch, transformers,"
    " analysis.compression.compress, analysis.evaluation.sweep, analysis.figures.allocations;"
    " print(psutil.Process(os.getpid()).memory_info().rss)"
)


@dataclass(frozen=True, slots=True)
class Seconds:
    """What one visitor waited for, from the opening of the page.

    Parameters
    ----------
    page : float
        Until Compress could be pressed.
    result : float
        Until the variant was there.
    """

    page: float
    result: float


class Visitor:
    """A tab on Compress, as the server sees it.

    Parameters
    ----------
    port : int
    """

    def __init__(self, port: int) -> None:
        address = f"ws://127.0.0.1:{port}/_stcore/stream"
        self._context = connect(
            address, subprotocols=[Subprotocol("streamlit")], max_size=None, ping_timeout=None
        )
        self._socket = self._context.__enter__()
        self._buttons: dict[str, str] = {}
        self._fragments: dict[str, tuple[float, float]] = {}  # interval, time of the next run
        self._drawn: set[str] = set()  # of these, since the page was last begun
        # As a browser, it says with each message which page it shows, and under which address: the
        # server takes a message without for a change of pages, and begins the page anew.
        self._page = self._query = ""

    def compress(self) -> Seconds:
        """Open the page, press the button, wait for the variant."""
        began = time.perf_counter()
        self._run()
        button = self._wait_for("compress")
        page = time.perf_counter() - began
        self._buttons.clear()
        self._run(press=button)
        self._wait_for("listen")
        return Seconds(page, time.perf_counter() - began)

    def leave(self) -> None:
        """Close the tab."""
        self._context.__exit__(None, None, None)

    def _run(self, press: str = "", fragment: str = "") -> None:
        message = BackMsg()
        state = message.rerun_script
        state.page_name = "" if self._page else "compress"
        state.page_script_hash, state.query_string = self._page, self._query
        state.fragment_id = fragment
        state.is_auto_rerun = bool(fragment)
        if press:
            state.widget_states.widgets.add(id=press, trigger_value=True)
        self._socket.send(message.SerializeToString())

    def _wait_for(self, key: str) -> str:
        """The id of a button that can be pressed, once it is drawn."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while key not in self._buttons:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{key} was not drawn")
            self._listen()
        return self._buttons[key]

    def _listen(self) -> None:
        try:
            content = self._socket.recv(timeout=0.1)
        except TimeoutError:
            content = None
        if content is not None:
            message = ForwardMsg.FromString(content)
            kind = message.WhichOneof("type")
            if kind == "new_session":
                self._drawn.clear()
            elif kind == "navigation":
                self._page = message.navigation.page_script_hash
            elif kind == "script_finished" and message.script_finished == _WHOLE_PAGE:
                for gone in self._fragments.keys() - self._drawn:
                    del self._fragments[gone]
            elif kind == "page_info_changed":
                self._query = message.page_info_changed.query_string
            elif kind == "auto_rerun":
                own = message.auto_rerun
                self._fragments[own.fragment_id] = (own.interval, time.monotonic() + own.interval)
                self._drawn.add(own.fragment_id)
            elif kind == "delta" and message.delta.new_element.WhichOneof("type") == "button":
                drawn = message.delta.new_element.button
                if not drawn.disabled:
                    self._buttons[drawn.id.rpartition("-")[2]] = drawn.id
        for fragment, (interval, due) in list(self._fragments.items()):
            if time.monotonic() >= due:
                self._fragments[fragment] = (interval, time.monotonic() + interval)
                self._run(fragment=fragment)


def main() -> None:
    """Run the benchmark and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visitors", type=int, default=8)
    parser.add_argument("--model", default="demo-whisper")
    parser.add_argument("--rounds", type=int, default=1, help="how often they come and leave")
    options = parser.parse_args()
    alone = int(subprocess.check_output([sys.executable, "-c", _LIBRARIES], text=True))
    print(f"libraries alone: {megabytes(alone)}", flush=True)
    with tempfile.TemporaryDirectory() as cache:
        port = free_port()
        server = serve(options.model, port, cache)
        try:
            wait_until_up(port, server)
            for number in range(options.rounds):
                _one_round(number, options.visitors, port, server)
        finally:
            stop(server)


def _one_round(number: int, n_visitors: int, port: int, server: subprocess.Popen[bytes]) -> None:
    load = os.getloadavg()[0]
    visitors = [Visitor(port) for _ in range(n_visitors)]
    with ThreadPoolExecutor(n_visitors) as pool:
        taken = list(pool.map(Visitor.compress, visitors))
    print(
        f"round {number + 1}, {n_visitors} visitors, {'warm' if number else 'cold'}: page"
        f" {_spread([one.page for one in taken])}, result {_spread([one.result for one in taken])}"
        f" (bar: 60 s median; load before {load:.1f}, after {os.getloadavg()[0]:.1f},"
        f" {os.cpu_count()} cores)"
    )
    print(f"memory with all of them: {megabytes(rss(server))}", flush=True)
    for visitor in visitors:
        visitor.leave()
    time.sleep(TIME_OUT_SECONDS + _SETTLE_SECONDS)
    print(f"memory after they left: {megabytes(rss(server))}", flush=True)


def serve(model: str, port: int, cache: str) -> subprocess.Popen[bytes]:
    """Start the app with a model, on a port, with a folder as its cache."""
    environment = os.environ | {
        "COALESCE_CACHE": cache,
        "STREAMLIT_SERVER_DISCONNECTED_SESSION_TTL": str(TIME_OUT_SECONDS),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "coalesce", "app", model, "--port", str(port), "--headless"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def wait_until_up(port: int, server: subprocess.Popen[bytes]) -> None:
    """Return when it answers."""
    while server.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the server did not start")


def free_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def stop(server: subprocess.Popen[bytes]) -> None:
    """End it, and what it started."""
    for process in _family(server):
        process.terminate()
    server.wait(30)


def _family(server: subprocess.Popen[bytes]) -> list[psutil.Process]:
    own = psutil.Process(server.pid)
    return [*own.children(recursive=True), own]


def rss(server: subprocess.Popen[bytes]) -> int:
    """Resident bytes of the process that serves, the largest of the family."""
    return max(int(process.memory_info().rss) for process in _family(server))


def _spread(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.1f} s ({min(seconds):.1f} to {max(seconds):.1f})"


if __name__ == "__main__":
    main()
