"""The training loop of the demo models: optimiser, averaged weights, checkpoints.

Both models train on the CPU for a fixed number of steps under bfloat16 autocast; the result is an
exponential moving average of the weights. A checkpoint in safetensors every few hundred steps
lets an interrupted run go on where it was.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from demo.examples import ExampleSource
from demo.plan import TrainingPlan
from demo.tasks import HubertTask, WhisperTask


def learned(module: nn.Module) -> dict[str, nn.Parameter]:
    """Parameters that training changes, by name."""
    return {name: p for name, p in module.named_parameters() if p.requires_grad}


Optimizers = tuple[torch.optim.Muon, torch.optim.AdamW]
MOMENTS = (("momentum_buffer",), ("step", "exp_avg", "exp_avg_sq"))  # what each remembers
MUON_FACTOR = 4.0  # its learning rate, in units of AdamW's


def make_optimizers(task: nn.Module, plan: TrainingPlan) -> Optimizers:
    """Muon for the matrices of the transformer layers, AdamW for everything else.

    Orthogonalised updates cost 3 % more time a step and save many steps.
    """
    parameters = learned(task)
    matrices = {name for name, p in parameters.items() if ".layers." in name and p.ndim == 2}
    muon = torch.optim.Muon(
        [parameters[name] for name in sorted(matrices)],
        lr=0.0,
        weight_decay=plan.weight_decay,
        ns_steps=3,
        adjust_lr_fn="match_rms_adamw",
    )
    others = [parameter for name, parameter in parameters.items() if name not in matrices]
    adam = torch.optim.AdamW(
        others, lr=0.0, betas=(0.9, 0.98), weight_decay=plan.weight_decay, fused=True
    )
    return muon, adam


class Averaged:
    """Exponential moving average of a module's parameters."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        """Start from the module's present parameters."""
        self._decay = decay
        self.parameters = {name: p.detach().clone() for name, p in learned(module).items()}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Take in the parameters after optimiser step ``step``."""
        decay = min(self._decay, (step + 1) / (step + 10))
        ours = list(self.parameters.values())
        theirs = [parameter.detach() for parameter in learned(module).values()]
        torch._foreach_lerp_(ours, theirs, 1 - decay)


def save_checkpoint(
    path: Path, task: nn.Module, average: Averaged, optimizers: Optimizers, step: int
) -> None:
    """Write weights, their average and the optimisers' moments in one safetensors file."""
    tensors = {"step": torch.tensor([step])}
    for name, parameter in learned(task).items():
        tensors[f"weights.{name}"] = parameter.detach().contiguous()
        tensors[f"average.{name}"] = average.parameters[name].contiguous()
        for optimizer in optimizers:
            for moment, value in optimizer.state.get(parameter, {}).items():
                tensors[f"{moment}.{name}"] = torch.as_tensor(value)
    partial = path.with_suffix(".partial")
    save_file({name: tensor.clone() for name, tensor in tensors.items()}, partial)
    partial.rename(path)


def load_checkpoint(path: Path, task: nn.Module, average: Averaged, optimizers: Optimizers) -> int:
    """Restore what :func:`save_checkpoint` wrote; returns the number of steps done."""
    tensors = load_file(path)
    with torch.no_grad():
        for name, parameter in learned(task).items():
            parameter.copy_(tensors[f"weights.{name}"])
            average.parameters[name].copy_(tensors[f"average.{name}"])
            for optimizer, moments in zip(optimizers, MOMENTS, strict=True):
                ours = any(parameter is p for g in optimizer.param_groups for p in g["params"])
                stored = [moment for moment in moments if f"{moment}.{name}" in tensors]
                if ours and stored:
                    optimizer.state[parameter] = {m: tensors[f"{m}.{name}"] for m in stored}
    return int(tensors["step"])


def load_average(path: Path, task: nn.Module) -> int:
    """Put a checkpoint's averaged weights into ``task``; returns the number of steps done."""
    tensors = load_file(path)
    with torch.no_grad():
        for name, parameter in learned(task).items():
            parameter.copy_(tensors[f"average.{name}"])
    return int(tensors["step"])


def train(
    task: WhisperTask | HubertTask, source: ExampleSource, plan: TrainingPlan, checkpoint: Path
) -> None:
    """Train ``task`` to the end of ``plan``, from ``checkpoint`` on if that exists."""
    torch.set_num_threads(plan.n_threads)
    torch.manual_seed(plan.seed)
    # HuBERT's SpecAugment draws from NumPy's global generator
    np.random.seed(plan.seed)  # noqa: NPY002
    parameters = list(learned(task).values())
    optimizers = make_optimizers(task, plan)
    average = Averaged(task, plan.ema_decay)
    first = load_checkpoint(checkpoint, task, average, optimizers) if checkpoint.exists() else 0
    task.train()
    running, began = 0.0, time.monotonic()
    for step, batch in enumerate(task.batches(source, plan, first), first):
        for optimizer, factor in zip(optimizers, (MUON_FACTOR, 1.0), strict=True):
            for group in optimizer.param_groups:
                group["lr"] = plan.learning_rate(step) * factor
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = task(batch)
        task.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, plan.max_gradient_norm)
        for optimizer in optimizers:
            optimizer.step()
        average.update(task, step)
        running += float(loss.detach())
        if (step + 1) % 50 == 0:
            pace = (step + 1 - first) / (time.monotonic() - began)
            print(f"step {step + 1} loss {running / 50:.4f} {pace:.2f} steps/s", flush=True)
            running = 0.0
        if (step + 1) % plan.checkpoint_every == 0 or step + 1 == plan.n_steps:
            save_checkpoint(checkpoint, task, average, optimizers, step + 1)
