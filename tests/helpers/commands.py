"""Commands in processes of their own, one or several, and what they print."""

import json
import subprocess
import sys

from tests.helpers.places import ROOT


def accelerate_launch(n_processes: int) -> list[str]:
    """`accelerate launch`, which calls every distributed run "multi_gpu", also on processors."""
    command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"]
    command += ["--num_processes", str(n_processes), "--num_machines", "1"]
    command += ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    return command


def printed_by(command: list[str]) -> dict[str, object]:
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    printed: dict[str, object] = json.loads(done.stdout)
    return printed
