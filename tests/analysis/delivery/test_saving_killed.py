"""Saves that the system ends: killed, out of room; what was there before is there afterwards."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from analysis.compression.compress import compress
from analysis.delivery.saving import save
from analysis.models.loading import load
from analysis.models.speech_model import SpeechModel
from tests.helpers.places import ROOT
from tests.helpers.tiny_models import logits, make_plan

pytestmark = pytest.mark.slow

# Loads argv[1] and saves it to argv[2]; how it is stopped stands in between.
SCRIPT = """
import os, signal, sys
from pathlib import Path
from analysis import files
from analysis.delivery import saving
from analysis.models.loading import load
from analysis.errors import UserError
model = load(sys.argv[1])
{stop}
try:
    saving.save(model, Path(sys.argv[2]), overwrite=True)
except UserError as error:
    print(error)
"""

KILL = """
def kill(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
"""

# Where the kill strikes, and whether the new model is the one that is there afterwards.
MOMENTS = {
    "weights written, processor not": KILL + "type(model.processor).save_pretrained = kill",
    "all written, old one in place": KILL + "files._put_in_place = kill",
    "old one set aside": KILL
    + """
rename = Path.replace
def replace(self, target):
    if ".new-" in self.name:
        kill()
    return rename(self, target)
Path.replace = replace
""",
}

# The system refuses the bytes beyond the limit, in the middle of the weights.
NO_ROOM = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
"""


def run(stop: str, source: Path, target: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT.format(stop=stop), str(source), str(target)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def source(whisper: SpeechModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = compress(whisper, make_plan(whisper)).model
    return save(model, tmp_path_factory.mktemp("source") / "new")


def files(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize("moment", list(MOMENTS.values()), ids=list(MOMENTS))
def test_a_killed_save_is_undone_by_the_next_one(
    moment: str, source: Path, hubert: SpeechModel, tmp_path: Path
) -> None:
    target = save(hubert, tmp_path / "model")
    before = files(target)
    done = run(moment, source, target)
    assert done.returncode == -signal.SIGKILL, done.stderr
    # at any moment the folder is the old one, or (between two renames) set aside beside it
    if target.exists():
        assert files(target) == before
    visible = [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")]
    assert visible in (["model"], [])
    # the next save finds what is left of it, puts the old one back and takes its place
    save(load(str(source)), target, overwrite=True)
    assert torch.equal(logits(load(str(target))), logits(load(str(source))))
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.slow
def test_a_killed_save_leaves_no_folder_where_there_was_none(source: Path, tmp_path: Path) -> None:
    done = run(MOMENTS["weights written, processor not"], source, tmp_path / "model")
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not (tmp_path / "model").exists()


@pytest.mark.slow
def test_when_the_system_takes_no_more_bytes_the_old_model_stays(
    source: Path, hubert: SpeechModel, tmp_path: Path
) -> None:
    target = save(hubert, tmp_path / "model")
    before = files(target)
    done = run(NO_ROOM, source, target)
    assert done.returncode == 0, done.stderr
    assert "cannot be written" in done.stdout
    assert files(target) == before
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
