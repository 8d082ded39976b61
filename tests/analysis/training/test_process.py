"""A training process that ends badly says why."""

from pathlib import Path

import pytest

from analysis.errors import UserError
from analysis.progress import Watch, never_cancel
from analysis.training import process as training_process
from analysis.training.process import run_training


def test_a_process_that_is_killed_is_told(tmp_path: Path) -> None:
    command = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    with pytest.raises(UserError, match="killed from outside"):
        training_process._run(["-c", command], tmp_path / "log", lambda: None, never_cancel)


@pytest.mark.slow
def test_a_process_that_fails_tells_its_last_line(tmp_path: Path) -> None:
    command = ["finetune", "no/such/model", "--data", str(tmp_path), "--out", str(tmp_path / "out")]
    with pytest.raises(UserError, match="no folder 'no/such/model'"):
        run_training(command, tmp_path / "out.training", watch=Watch(), on_log=lambda: None)
