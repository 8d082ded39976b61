"""What training minimises: CTC or cross-entropy per token, and the distance to a teacher."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from analysis.training.data import IGNORED, Batch


def task_loss(logits: torch.Tensor, batch: Batch, blank: int) -> torch.Tensor:
    """Summed over the batch: CTC where it holds ``frames``, cross-entropy otherwise.

    Parameters
    ----------
    logits : Tensor, (batch, steps, vocabulary)
    batch : mapping of str to Tensor
        See `analysis.training.data.Collator`.
    blank : int
        Id of the CTC blank.

    Returns
    -------
    Tensor
        Scalar, in nats; over the number of labels it is the loss per token.
    """
    labels = batch["labels"]
    if "frames" not in batch:
        return functional.cross_entropy(
            logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="sum"
        )
    with torch.backends.cudnn.flags(enabled=False):  # its CTC is not deterministic
        return functional.ctc_loss(
            functional.log_softmax(logits.float(), dim=-1).transpose(0, 1),
            labels.clamp(min=0),
            batch["frames"],
            (labels != IGNORED).sum(dim=-1),
            blank=blank,
            reduction="sum",
            zero_infinity=True,
        )


def distillation_loss(
    student: Any, teacher: Any, batch: Batch, layers: Sequence[str]
) -> torch.Tensor:
    """Distance of a student to its teacher on the same batch, in outputs and hidden states.

    The Kullback-Leibler divergence of the student's distributions from the teacher's, plus, over
    the layers, the mean squared difference of hidden states relative to the teacher's variance.
    The residual stream is never compressed, so that both have the same width everywhere.

    Parameters
    ----------
    student, teacher : transformers.utils.ModelOutput
        With logits and hidden states.
    batch : mapping of str to Tensor
    layers : sequence of str
        Fields that hold the hidden states.

    Returns
    -------
    Tensor
        Scalar, mean over the frames and tokens that are no padding.
    """
    counted = _counted(batch, student.logits.shape[1])
    divergence = functional.kl_div(
        functional.log_softmax(student.logits.float(), dim=-1)[counted],
        functional.log_softmax(teacher.logits.float(), dim=-1)[counted],
        log_target=True,
        reduction="batchmean",
    )
    distances = []
    for field in layers:
        for own, goal in zip(student[field], teacher[field], strict=True):
            # an encoder that hears whole windows has no padding that could be told from silence
            part = counted if own.shape[:2] == counted.shape else slice(None)
            own, goal = own[part].float(), goal[part].float()
            distances.append(functional.mse_loss(own, goal) / goal.var().clamp(min=1e-6))
    return divergence + torch.stack(distances).mean()


def hidden_fields(module: nn.Module) -> tuple[str, ...]:
    """Fields of a model's output that hold hidden states, when it is asked for them."""
    if getattr(module.config, "is_encoder_decoder", False):
        return ("encoder_hidden_states", "decoder_hidden_states")
    return ("hidden_states",)


def _counted(batch: Batch, steps: int) -> torch.Tensor:
    """Which frames or tokens are no padding: (batch, steps)."""
    if "frames" in batch:
        positions = torch.arange(steps, device=batch["frames"].device)
        return positions[None] < batch["frames"][:, None]
    return batch["labels"] != IGNORED
