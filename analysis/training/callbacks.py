"""What happens around the steps of a training run: λ, the log, a stop that can be resumed."""

import json
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from accelerate import PartialState
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from analysis.files import replace_text
from analysis.progress import Progress
from analysis.training.gates import Gated, SparsityControl, sparsity
from analysis.training.log import TrainingLog

COMPLETE = "coalesce-training.json"
"""Written last into a training checkpoint: without it the checkpoint is one that a kill cut off."""


class Pinching(TrainerCallback):
    """The sparsity term's weight λ, step by step.

    Parameters
    ----------
    gated : sequence of Gated
    weight : float
        λ, where no sparsity is asked for.
    control : SparsityControl or None
    """

    def __init__(
        self, gated: Sequence[Gated], weight: float, control: SparsityControl | None
    ) -> None:
        self.gated = gated
        self.weight = weight
        self.control = control

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Adapt λ to what is pinched by now."""
        if self.control is not None:
            self.weight = self.control.update(sparsity(self.gated), state.global_step)

    @torch.no_grad()
    def describe(self, step: int) -> dict[str, Any]:
        """For the log: the sparsity of all and of each, λ, and every threshold."""
        found: dict[str, Any] = {"sparsity": sparsity(self.gated), "weight": self.weight}
        if self.control is not None:
            found["wanted"] = self.control.wanted(step)
        found["thresholds"] = {one.name: abs(float(one.gate.threshold)) for one in self.gated}
        found["sparsities"] = {one.name: 1 - one.kept() for one in self.gated}
        return found


class Logging(TrainerCallback):
    """Writes the run's log and tells a progress callable.

    Parameters
    ----------
    log : TrainingLog
    pinching : Pinching or None
    progress : callable
        Reports steps.
    """

    def __init__(self, log: TrainingLog, pinching: Pinching | None, progress: Progress) -> None:
        self._log = log
        self._pinching = pinching
        self._progress = progress

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Report progress."""
        self._progress(state.global_step, state.max_steps, "training")

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Write a line for the steps since the last one, or for a validation."""
        logs = logs or {}
        if not state.is_world_process_zero:
            return
        row: dict[str, Any] = {"step": state.global_step, "epoch": state.epoch}
        if "loss" in logs:
            row |= {
                "loss": logs["task_loss"],
                "objective": logs["loss"],
                "learning_rate": logs["learning_rate"],
                "gradient_norm": logs.get("grad_norm"),
            }
            if self._pinching is not None:
                row |= self._pinching.describe(state.global_step)
            self._log.write("step", row)
        elif "eval_wer" in logs:
            self._log.write("validation", row | {"wer": logs["eval_wer"]})


class Stopping(TrainerCallback):
    """Ends a run at the next step, with a checkpoint, when the process is asked to stop.

    SIGTERM and SIGINT are heard where there is one process; several would have to agree on the
    step, so that they go back to their last epoch instead.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self.asked = True

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Listen to signals."""
        # only a main thread may listen
        if args.world_size == 1 and threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._hear)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Stop after this step; leaving the epoch saves a checkpoint."""
        if self.asked and state.global_step < state.max_steps:
            control.should_training_stop = control.should_log = True

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """In the midst of an epoch, do not wait for a validation: it comes at the epoch's end."""
        if control.should_training_stop and state.epoch is not None and state.epoch % 1:
            control.should_evaluate = False

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Who asked during a validation does not wait for another step."""
        self.on_step_end(args, state, control)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Leave the signals as they were."""
        for number, handler in self._before.items():
            signal.signal(number, handler)


class Completing(TrainerCallback):
    """Marks checkpoints as whole, and keeps what the library does not: the integral of λ.

    Parameters
    ----------
    control : SparsityControl or None
    """

    def __init__(self, control: SparsityControl | None) -> None:
        self._control = control

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Write the mark, after every process wrote its part."""
        PartialState().wait_for_everyone()
        if state.is_world_process_zero:
            integral = self._control.integral if self._control is not None else 0.0
            folder = Path(str(args.output_dir)) / f"checkpoint-{state.global_step}"
            replace_text(folder / COMPLETE, json.dumps({"integral": integral}))


def last_checkpoint(folder: Path) -> Path | None:
    """The latest training checkpoint that was written to its end."""
    found = [path.parent for path in folder.glob(f"checkpoint-*/{COMPLETE}")]
    return max(found, key=lambda path: int(path.name.removeprefix("checkpoint-")), default=None)


def stored_integral(checkpoint: Path) -> float:
    """What `Completing` kept."""
    return float(json.loads((checkpoint / COMPLETE).read_text(encoding="utf-8"))["integral"])
