"""The main job from an installed wheel, as somebody has it who never saw the repository.

``python tests/wheel_job.py`` builds the wheel, installs it into a fresh virtual environment in a
temporary folder, and works from a folder outside the clone: transcribe, compress, transcribe again,
export, evaluate on two processes, import in a notebook's way, open the app. It needs what the extra
`dev` installs: the packages that the wheel asks for, and no others, are linked from there, since
installing them once more takes three minutes. A test of pytest it is not, for it takes minutes.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 120

# What only the installed Python can say: who owns which names, and whether the pages draw.
OWNERS = """
import importlib.metadata as metadata, importlib.util as util, json
names = {f.parts[0] for f in metadata.files("coalesce") if f.parts[0] != ".."}
generic = [n for n in ("analysis", "pages", "demo", "app", "tests", "pytest") if util.find_spec(n)]
print(json.dumps({"names": sorted(n for n in names if ".dist-info" not in n), "generic": generic}))
"""
SITE = "import sysconfig; print(sysconfig.get_path('purelib'))"
NOTEBOOK = """
import coalesce, json
model = coalesce.load("demo-hubert")
text = coalesce.transcribe(model, str(coalesce.CLIPS / "set.flac")).text
clips = len(list(coalesce.HELDOUT.glob("*.ogg")))
print(json.dumps({"home": coalesce.__file__, "text": text, "clips": clips}))
"""
MODULES = """
import coalesce
from pathlib import Path
from analysis.progress import UNWATCHED
from analysis.training.process import run_module, run_training
run_module(["demo.training_clips", "--help"], Path("clips.log"), should_cancel=lambda: False)
run_training(["finetune", "--help"], Path("training"), watch=UNWATCHED, on_log=lambda: None)
print(Path("clips.log").read_text() + Path("training.log").read_text())
"""
PAGE = """
import coalesce, json, pathlib
from streamlit.testing.v1 import AppTest
app = pathlib.Path(coalesce.__file__).with_name("app.py")
page = AppTest.from_file(str(app), default_timeout=120).run()
print(json.dumps([fault.value for fault in page.exception]))
"""


class Installed:
    """A fresh environment with the wheel in it, and a folder to work in.

    Parameters
    ----------
    scratch : Path
        An empty folder, which the caller removes.
    """

    def __init__(self, scratch: Path) -> None:
        self.work = scratch / "work"
        self.work.mkdir()
        self._bin = scratch / "venv" / ("Scripts" if os.name == "nt" else "bin")
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        own = {"COALESCE_CACHE": str(scratch / "cache"), "HF_HUB_OFFLINE": "1", "BROWSER": "true"}
        self._environment = kept | own
        build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
        subprocess.run([*build, "-q", "-w", str(scratch), str(ROOT)], check=True)
        (self.wheel,) = scratch.glob("*.whl")
        new = [sys.executable, "-m", "venv", "--without-pip", str(scratch / "venv")]
        subprocess.run(new, check=True)
        pip = [sys.executable, "-m", "pip", "--python", str(self._bin / "python"), "install"]
        subprocess.run([*pip, "-q", "--no-deps", str(self.wheel)], check=True, cwd=self.work)
        self._link_requirements()

    def _link_requirements(self) -> None:
        """Link what the wheel and its extra `export` require, as far as their metadata lead."""
        site = Path(self.run("python", "-c", SITE).strip())
        (own,) = metadata.distributions(name="coalesce", path=[str(site)])
        waiting = [(line, "export") for line in own.requires or ()]
        followed = set(waiting)
        while waiting:
            line, extra = waiting.pop()
            wanted = Requirement(line)
            if wanted.marker and not wanted.marker.evaluate({"extra": extra}):
                continue
            found = metadata.distribution(wanted.name)
            more = {
                (line, extra) for line in found.requires or () for extra in wanted.extras | {""}
            }
            waiting += more - followed
            followed |= more
            for top in {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}:
                if not (site / top).exists():
                    (site / top).symlink_to(Path(str(found.locate_file(top))).resolve())

    def run(self, *command: str) -> str:
        """Run a program of the environment and give what it printed.

        Parameters
        ----------
        *command : str
            The program's name and its arguments.
        """
        done = subprocess.run(
            [str(self._bin / command[0]), *command[1:]],
            cwd=self.work,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return done.stdout

    def serve(self, port: int, log: Path) -> "subprocess.Popen[bytes]":
        """Start the app with a home in which nobody ever ran Streamlit.

        Parameters
        ----------
        port : int
        log : Path
            What the server prints.
        """
        home = self.work / "home"
        home.mkdir()
        return subprocess.Popen(
            [str(self._bin / "coalesce"), "app", "--headless", "--port", str(port)],
            cwd=self.work,
            env=self._environment | {"HOME": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=log.open("wb"),
            stderr=subprocess.STDOUT,
        )


def main() -> None:
    """Do the job, and say how long each step took."""
    with tempfile.TemporaryDirectory(prefix="coalesce-wheel-") as scratch:
        clock = time.monotonic()

        def done(step: str) -> None:
            nonlocal clock
            now = time.monotonic()
            print(f"  {step}: {now - clock:.1f} s", flush=True)
            clock = now

        installed = Installed(Path(scratch).resolve())
        done(f"install {installed.wheel.name}, {installed.wheel.stat().st_size / 1e6:.1f} MB")
        _check_names(installed)
        done("names and help")
        _check_shell(installed)
        done("transcribe, compress, transcribe, export")
        _check_processes(installed)
        done("processes")
        _check_app(installed)
        done("app")


def _check_names(installed: Installed) -> None:
    """One name is taken, nothing of the tests is there, and a notebook's import needs no other."""
    owners = json.loads(installed.run("python", "-c", OWNERS))
    assert owners == {"names": ["coalesce"], "generic": []}, owners
    assert "transcribe" in installed.run("python", "-m", "coalesce", "--help")
    assert "transcribe" in installed.run("coalesce", "--help")
    notebook = json.loads(installed.run("python", "-c", NOTEBOOK))
    assert not Path(notebook["home"]).is_relative_to(ROOT), notebook
    assert notebook["text"] == "set the alarm for twenty seven minutes to one", notebook
    assert notebook["clips"] == 200, notebook


def _check_shell(installed: Installed) -> None:
    """A person's main job, with a clip that came along and the recipe that nobody chose."""
    where = "import coalesce; print(coalesce.CLIPS / 'set.flac', end='')"
    clip = installed.run("python", "-c", where)
    installed.run("coalesce", "compress", "demo-whisper", "smaller")
    record = json.loads((installed.work / "smaller" / "coalesce.json").read_text(encoding="utf-8"))
    listened = list(_values(record["plan"], "excitation"))
    assert listened == ["speech"], f"the default recipe listened to {listened}"
    rows = json.loads(
        installed.run("coalesce", "transcribe", "demo-whisper", "smaller", clip, "--json")
    )
    assert [row["model"] for row in rows] == ["demo-whisper", "smaller"], rows
    assert rows[0]["text"].startswith("set the alarm for"), rows
    assert len(rows[1]["text"].split()) > 3, rows
    assert rows[1]["model_bytes"] < rows[0]["model_bytes"], rows
    installed.run("coalesce", "export", "smaller", "exported", "--format", "ctranslate2")
    assert (installed.work / "exported" / "model.bin").is_file()


def _values(tree: object, name: str) -> "list[object]":
    """All values of a key, at any depth: the layout of a plan may change."""
    if not isinstance(tree, dict):
        return []
    own = [tree[name]] if name in tree else []
    return own + [value for branch in tree.values() for value in _values(branch, name)]


def _check_processes(installed: Installed) -> None:
    """What the pages start as processes of their own, and what a launcher starts."""
    told = installed.run("python", "-c", MODULES)
    assert "demo.training_clips" in told, told
    assert "coalesce finetune" in told, told
    heldout = installed.run("python", "-c", "import coalesce; print(coalesce.HELDOUT, end='')")
    launch = ["python", "-m", "accelerate.commands.launch", "--multi_gpu"]
    launch += ["--num_processes", "2", "--num_machines", "1"]
    launch += ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    launch += ["-m", "coalesce"]
    launch += ["evaluate", "demo-hubert", "--data", heldout, "--limit", "8", "--json"]
    assert json.loads(installed.run(*launch))["utterances"] == 8


def _check_app(installed: Installed) -> None:
    """The server answers with its own settings, and the first page draws without a fault."""
    faults = json.loads(installed.run("python", "-c", PAGE).splitlines()[-1])
    assert faults == [], faults
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = installed.work / "app.log"
    server = installed.serve(port, log)
    try:
        deadline = time.monotonic() + START_SECONDS
        while _fetch(port, "_stcore/health") is None:
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, "the dashboard did not start"
            time.sleep(0.2)
        assert _fetch(port, "_stcore/health") == "ok"
        assert "<title>" in (_fetch(port, "") or "")
        # without the config.toml beside the app, Streamlit says that it gathers statistics
        assert "usage statistics" not in log.read_text(encoding="utf-8"), log.read_text()
    finally:
        server.terminate()
        server.wait(30)


def _fetch(port: int, path: str) -> str | None:
    """The body of an answer, or None where nobody answers yet."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return None


if __name__ == "__main__":
    main()
