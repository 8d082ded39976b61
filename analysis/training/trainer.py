"""`transformers.Trainer` for speech recognisers: their losses, their WER, their gates."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from torch import nn
from torch.nn.utils import parametrize
from transformers import PreTrainedModel, Trainer, TrainingArguments
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from analysis.errors import UserError
from analysis.evaluation.corpora import Corpus
from analysis.evaluation.corpus_evaluation import evaluate
from analysis.models.speech_model import SpeechModel
from analysis.plan.training_settings import TrainingSettings
from analysis.speech.recognition import TranscriptionOptions
from analysis.training.callbacks import Pinching
from analysis.training.data import Batch, Collator, EpochSampler, Examples
from analysis.training.gates import density
from analysis.training.losses import distillation_loss, hidden_fields, task_loss


class SpeechTrainer(Trainer):
    """Trains a copy of a speech model.

    Parameters
    ----------
    speech : SpeechModel
        Its `model` is trained; a copy of one's own.
    data : Examples
    validation : Corpus
    settings : TrainingSettings
    arguments : transformers.TrainingArguments
        See `training_arguments`.
    teacher : SpeechModel or None
    pinching : Pinching or None
        Gates in the model, and λ.
    threshold_rate : callable
        Number of steps → learning rate of the thresholds.
    """

    def __init__(
        self,
        speech: SpeechModel,
        data: Examples,
        validation: Corpus,
        settings: TrainingSettings,
        arguments: TrainingArguments,
        *,
        teacher: SpeechModel | None,
        pinching: Pinching | None,
        threshold_rate: Callable[[int], float],
    ) -> None:
        super().__init__(
            model=speech.model,
            args=arguments,
            data_collator=Collator(speech),
            train_dataset=data,
            eval_dataset=data,  # looked for, and not read: see evaluate
            callbacks=[pinching] if pinching else [],
        )
        self.remove_callback(PrinterCallback)
        self.remove_callback(ProgressCallback)
        # the losses below are sums over the batch of all processes, and need its number of labels
        self.model_accepts_loss_kwargs = True
        self._speech = speech
        self._data = data
        self._validation = validation
        self._settings = settings
        self._teacher = teacher.model.to(arguments.device) if teacher else None  # type: ignore[arg-type]
        self._pinching = pinching
        self._threshold_rate = threshold_rate
        self._task_total = torch.zeros((), device=arguments.device)  # since the last log line
        self._task_steps = 0.0

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """Loss of one part of a batch, scaled so that the parts of all processes add up to it."""
        if self._data.data_free and not self._settings.gradient_checkpointing:
            model.eval()  # what a student drops by chance its teacher has; checkpoints need train()
        fed = {name: value for name, value in inputs.items() if name not in ("labels", "frames")}
        hidden = {"output_hidden_states": True} if self._teacher is not None else {}
        output = model(**fed, **hidden)
        assert num_items_in_batch is not None
        blank = self._speech.config.pad_token_id
        loss = task_loss(output.logits, inputs, blank) / num_items_in_batch
        loss = loss * self.accelerator.num_processes  # gradients are averaged over processes
        n_parts = self.current_gradient_accumulation_steps
        self._task_total += loss.detach()
        self._task_steps += 1 / n_parts
        if self._teacher is not None:
            with torch.no_grad():
                goal = self._teacher(**fed, output_hidden_states=True)
            fields = hidden_fields(self._teacher)
            distance = distillation_loss(output, goal, inputs, fields) / n_parts
            share = self._settings.teacher_weight
            loss = distance if share == 1 else (1 - share) * loss + share * distance
        if self._pinching is not None:
            loss = loss + self._pinching.weight * density(self._pinching.gated) / n_parts
        return (loss, output) if return_outputs else loss

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """AdamW: weights with decay, biases and norms without, thresholds at a rate of theirs."""
        if self.optimizer is None:
            gated = self._pinching.gated if self._pinching is not None else ()
            levels = {id(one.gate.level) for one in gated}
            module = self._speech.model
            decaying = set(self.get_decay_parameter_names(module))
            groups: dict[str, list[nn.Parameter]] = {"decay": [], "plain": [], "levels": []}
            for name, parameter in module.named_parameters():
                if not parameter.requires_grad:
                    continue
                kind = "decay" if name in decaying else "plain"
                groups["levels" if id(parameter) in levels else kind].append(parameter)
            rate, decay = self._settings.learning_rate, self._settings.weight_decay
            chosen = [
                {"params": groups["decay"], "lr": rate, "weight_decay": decay},
                {"params": groups["plain"], "lr": rate, "weight_decay": 0.0},
            ]
            if gated:
                own_rate = self._threshold_rate(self.state.max_steps)
                chosen.append({"params": groups["levels"], "lr": own_rate, "weight_decay": 0.0})
            self.optimizer = torch.optim.AdamW(chosen, lr=rate)
        return self.optimizer

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Beside the loss that is minimised, log the task's own, which all methods share."""
        if "loss" in logs:
            total = float(self.accelerator.gather(self._task_total).mean())
            logs["task_loss"] = total / self._task_steps
            self._task_total.zero_()
            self._task_steps = 0.0
        super().log(logs, start_time)

    def evaluate(self, *arguments: Any, **options: Any) -> dict[str, float]:
        """Validation WER, as a fraction, of the weights as they are now."""
        module = self.accelerator.unwrap_model(self.model)
        assert isinstance(module, PreTrainedModel)
        module.eval()
        model = replace(self._speech, model=module, lock=threading.Lock())
        recognition = TranscriptionOptions(
            language=self._settings.language,
            warm_up=False,
            batch_size=self._settings.evaluation_batch,
        )
        state = PartialState()
        with parametrize.cached():  # masks are made once and not for every batch and token
            found = evaluate(
                model,
                self._validation,
                recognition,
                self._settings.normaliser,
                state=state if state.num_processes > 1 else None,
            )
        metrics = {"eval_wer": found.total.wer}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    def _get_train_sampler(self, train_dataset: Any = None) -> EpochSampler:
        size, seed = self._settings.batch_size, self._settings.seed
        return EpochSampler(self._data, size, seed, lambda: int(self.state.epoch or 0))


def training_arguments(
    settings: TrainingSettings,
    folder: Path,
    n_examples: int,
    *,
    device: str,
    keep_best: bool,
    resumed: bool,
) -> TrainingArguments:
    """The library's arguments for a run.

    Parameters
    ----------
    settings : TrainingSettings
    folder : Path
        Of the run.
    n_examples : int
    device : str
    keep_best : bool
        Whether the weights of the best validation WER are the result, not the last ones.
    resumed : bool

    Raises
    ------
    UserError
        When a batch is larger than the data, or cannot be shared by the processes.
    """
    size = settings.batch_size
    parts = PartialState(cpu=device == "cpu").num_processes * settings.accumulation
    if size % parts:
        raise UserError(
            f"A batch of {size} cannot be divided into {parts} equal parts.",
            "Choose a batch size that processes times accumulation divide.",
        )
    if n_examples < size:
        raise UserError(
            f"A batch of {size} needs more clips than there are ({n_examples}).",
            "Choose a smaller batch size.",
        )
    n_steps = settings.epochs * (n_examples // size)
    on_gpu = device == "cuda"
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        per_device_train_batch_size=size // parts,
        gradient_accumulation_steps=settings.accumulation,
        warmup_steps=round(settings.warm_up * n_steps),
        lr_scheduler_type="linear",
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_gradient_norm,
        activation_checkpointing=settings.gradient_checkpointing,
        bf16=on_gpu and torch.cuda.is_bf16_supported(),
        fp16=on_gpu and not torch.cuda.is_bf16_supported(),
        use_cpu=device == "cpu",
        dataloader_drop_last=True,
        ddp_find_unused_parameters=True,  # of layers that are dropped, of masks that are not drawn
        dataloader_pin_memory=on_gpu,
        remove_unused_columns=False,
        eval_strategy="epoch",
        eval_on_start=not resumed,
        save_strategy="epoch",
        save_total_limit=2,
        load_best_model_at_end=keep_best,
        metric_for_best_model="eval_wer",
        greater_is_better=False,
        logging_steps=max(1, n_steps // _LOGGED),
        logging_first_step=True,
        disable_tqdm=True,
        report_to="none",
        seed=settings.seed,
    )
    if arguments.n_gpu > 1:
        arguments._n_gpu = 1  # a process has one device; for more there is `accelerate launch`
    return arguments


_LOGGED = 200  # points of a curve
