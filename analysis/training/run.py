"""Training on: a compressed or original model learns from data, with or without pinching gates."""

import copy
import json
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from filelock import FileLock, Timeout
from transformers import PreTrainedModel

from analysis.errors import Cancelled, UserError
from analysis.evaluation.corpora import Corpus
from analysis.files import replace_text
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from analysis.plan.training_record import DISTILLATION, OWN_WORDS, TrainingMethod, TrainingRecord
from analysis.plan.training_settings import GateSettings, TrainingSettings
from analysis.progress import Progress, no_progress
from analysis.training.callbacks import (
    Completing,
    Logging,
    Pinching,
    Stopping,
    last_checkpoint,
    stored_integral,
)
from analysis.training.data import Examples
from analysis.training.finishing import finish
from analysis.training.gates import Gated, SparsityControl, add_element_gates
from analysis.training.log import TrainingLog
from analysis.training.trainer import SpeechTrainer, training_arguments
from analysis.training.unit_gates import add_unit_gates

_RUN_FILE = "run.json"
_LOCK_FILE = "run.lock"


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be trained on what.

    Parameters
    ----------
    data : Examples
        Made for the model.
    data_name : str
        Of the corpus, for people.
    validation : Corpus
        Whose WER is measured every epoch; no part of `data`.
    settings : TrainingSettings
    gates : GateSettings or None
        None for plain fine-tuning.
    """

    data: Examples
    data_name: str
    validation: Corpus
    settings: TrainingSettings
    gates: GateSettings | None = None

    @property
    def method(self) -> TrainingMethod:
        """Key of `analysis.plan.training_record.TRAINING_METHODS`."""
        if self.gates is None:
            return DISTILLATION if self.data.data_free else "fine-tuning"
        return "self-pinching" if self.gates.kind == "elements" else "unit gates"

    @property
    def keeps_best(self) -> bool:
        """Whether the epoch of the best validation is the result, not the last one.

        Of gates, the sparsity is there at the end only. Without data, the few clips of the
        validation would choose by chance; the last steps are the gentlest.
        """
        return self.gates is None and not self.data.data_free

    @property
    def validation_against(self) -> str:
        """What the validation WER counts as right."""
        return OWN_WORDS if self.data.data_free else "transcripts"


def train(
    model: SpeechModel,
    task: Task,
    folder: Path,
    *,
    teacher: SpeechModel | None = None,
    progress: Progress = no_progress,
) -> SpeechModel:
    """Train a copy of a model; a run that was killed or stopped in the folder is gone on with.

    Parameters
    ----------
    model : SpeechModel
        In float32; it stays as it is.
    task : Task
    folder : Path
        For the log and the state of the run.
    teacher : SpeechModel, optional
        The original, for distillation; of the same family, depth and width.
    progress : callable
        Reports steps.

    Returns
    -------
    SpeechModel
        With a `TrainingRecord` more; of unit gates, smaller.

    Raises
    ------
    UserError
        When the folder holds a run of something else, or settings and data do not go together.
    Cancelled
        When the process was asked to stop; the state is kept.
    """
    if model.dtype != torch.float32:
        raise UserError(
            f"{model.name} was loaded in {model.dtype}.", "Load it in float32 to train."
        )
    if teacher is not None:
        _check_teacher(model, teacher)
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder, PartialState(cpu=model.device.type == "cpu")):
        return _train(model, task, folder, teacher, progress)


def _train(
    model: SpeechModel,
    task: Task,
    folder: Path,
    teacher: SpeechModel | None,
    progress: Progress,
) -> SpeechModel:
    groups = model.groups
    speech = replace(model, model=_trainable(model), lock=threading.Lock())
    if teacher is not None or task.gates is not None:
        _keep_all_layers(speech.model)
    gated = _add_gates(speech.model, groups, task.gates)
    checkpoint = _enter(folder, _identity(model, task, teacher))
    arguments = training_arguments(
        task.settings,
        folder,
        len(task.data),
        device=model.device.type,
        keep_best=task.keeps_best,
        resumed=checkpoint is not None,
    )
    control, pinching = None, None
    n_steps = task.settings.epochs * (len(task.data) // task.settings.batch_size)
    if task.gates is not None:
        if task.gates.sparsity is not None:
            control = SparsityControl(task.gates.sparsity, n_steps)
        pinching = Pinching(gated, task.gates.weight, control)
    trainer = SpeechTrainer(
        speech,
        task.data,
        task.validation,
        task.settings,
        arguments,
        teacher=teacher,
        pinching=pinching,
        threshold_rate=task.gates.threshold_rate if task.gates is not None else float,
    )
    log, stopping = TrainingLog(folder), Stopping()
    for callback in (Logging(log, pinching, progress), stopping, Completing(control)):
        trainer.add_callback(callback)
    if trainer.is_world_process_zero():
        head = {
            "method": task.method,
            "model": model.name,
            "data": task.data_name,
            "validation_against": task.validation_against,
            "n_steps": n_steps,
            "settings": task.settings.model_dump(),
        }
        _begin(log, head, checkpoint)
    if control is not None and checkpoint is not None:
        control.integral = stored_integral(checkpoint)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if stopping.asked and trainer.state.global_step < trainer.state.max_steps:
        log.write("stopped", {"step": trainer.state.global_step})
        raise Cancelled
    if trainer.is_world_process_zero():
        log.write("finished", {"step": trainer.state.global_step})
    trainer.accelerator.unwrap_model(speech.model, keep_fp32_wrapper=False)  # off half precision
    speech.model.to(model.device)  # type: ignore[arg-type]
    if hasattr(model.config, "layerdrop"):
        speech.config.layerdrop = model.config.layerdrop
    return finish(model, speech.model, gated, _record(model, task, teacher, trainer))


@contextmanager
def _alone(folder: Path, state: PartialState) -> Iterator[None]:
    """Keep other runs out of a folder, such as one that a restarted server forgot."""
    if not state.is_main_process:
        yield
        return
    lock = FileLock(folder / _LOCK_FILE)
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise UserError(
            "Another process is training in this folder.", "Wait for it, or stop it first."
        ) from error
    try:
        yield
    finally:
        lock.release()


def clear_state(folder: Path) -> None:
    """Delete what only going on would need, once the result is saved; log and settings stay."""
    for path in folder.glob("checkpoint-*"):
        shutil.rmtree(path)


def _trainable(model: SpeechModel) -> PreTrainedModel:
    """A copy whose weights can be trained; those of the convolutional front end stay."""
    module = copy.deepcopy(model.model).requires_grad_(True)
    if model.architecture.decoding == "ctc":
        module.freeze_feature_encoder()  # type: ignore[operator]
    else:
        # a table of sines, no weight
        module.get_encoder().embed_positions.requires_grad_(False)
    return module


def _keep_all_layers(module: PreTrainedModel) -> None:
    """Drop no layer by chance: each is compared with the teacher's, or has gates that count."""
    for part in (module.config, *module.modules()):
        if hasattr(part, "layerdrop"):
            part.layerdrop = 0.0


def _record(
    model: SpeechModel, task: Task, teacher: SpeechModel | None, trainer: SpeechTrainer
) -> TrainingRecord:
    settings = task.settings.model_dump()
    settings |= {"gates": task.gates.model_dump()} if task.gates else {}
    settings |= {"teacher": teacher.source} if teacher else {}
    wers = [row["eval_wer"] for row in trainer.state.log_history if "eval_wer" in row]
    return TrainingRecord(
        method=task.method,
        data=task.data_name,
        utterances=len(task.data),
        seconds=task.data.seconds,
        settings=settings,
        steps=trainer.state.global_step,
        validation_wer=trainer.state.best_metric if task.keeps_best else wers[-1],
        validation_against=task.validation_against,
        after_plans=len(model.lineage),
    )


def _add_gates(
    module: PreTrainedModel, groups: Sequence[UnitGroup], gates: GateSettings | None
) -> list[Gated]:
    if gates is None:
        return []
    add = add_element_gates if gates.kind == "elements" else add_unit_gates
    return add(module, groups, gates.temperature)


def _check_teacher(model: SpeechModel, teacher: SpeechModel) -> None:
    """Refuse a teacher whose outputs cannot be compared with the student's."""
    config, other = model.config, teacher.config
    sizes = ("model_type", "hidden_size", "vocab_size", "num_hidden_layers", "decoder_layers")
    same = all(getattr(config, size, None) == getattr(other, size, None) for size in sizes)
    if not same:
        raise UserError(
            f"{teacher.name} cannot teach {model.name}: depth, width or vocabulary differ.",
            "Name the model that it was made from.",
        )


def _identity(model: SpeechModel, task: Task, teacher: SpeechModel | None) -> dict[str, Any]:
    """Everything that decides the result of a run."""
    return {
        "model": model.weight_hash,
        "teacher": teacher.weight_hash if teacher else None,
        "data": task.data.identity,
        "validation": [[u.digest, u.text] for u in task.validation.utterances],
        "settings": task.settings.model_dump(),
        "gates": task.gates.model_dump() if task.gates else None,
    }


def _enter(folder: Path, identity: Mapping[str, Any]) -> Path | None:
    """Make the folder of a run, or find where the run in it was left: its last checkpoint."""
    stored = folder / _RUN_FILE
    text = json.dumps(identity)
    with PartialState().main_process_first():
        checkpoint = last_checkpoint(folder)
        if not stored.is_file() or stored.read_text(encoding="utf-8") != text:
            if checkpoint is not None:
                raise UserError(
                    f"{folder} holds a run with other data or settings.",
                    "Choose another folder, or delete that one.",
                )
            replace_text(stored, text)
    return checkpoint


def _begin(log: TrainingLog, head: Mapping[str, Any], checkpoint: Path | None) -> None:
    if checkpoint is None:
        log.write("start", head)
    else:
        log.write("resume", {"step": int(checkpoint.name.removeprefix("checkpoint-"))})
