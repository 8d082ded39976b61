"""What training made, as a model like any other: gates off, pinched units cut out."""

import threading
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn
from transformers import PreTrainedModel

from analysis.compression.allocation import achieved_sparsity
from analysis.compression.compress import compress
from analysis.models.modules import linear_at
from analysis.models.speech_model import SpeechModel
from analysis.models.weight_hash import model_hash
from analysis.plan.choices import MANUAL
from analysis.plan.compression_plan import CompressionPlan
from analysis.plan.recipe import Recipe
from analysis.plan.training_record import TrainingRecord
from analysis.training.gates import Gated, matrix_paths, remove_gates
from analysis.training.unit_gates import units_kept


def finish(
    model: SpeechModel, module: PreTrainedModel, gated: Sequence[Gated], record: TrainingRecord
) -> SpeechModel:
    """Turn trained weights into a model that can be saved, loaded and compared.

    Parameters
    ----------
    model : SpeechModel
        What was trained on.
    module : PreTrainedModel
        The trained copy of it; becomes part of the result.
    gated : sequence of Gated
        Its gates, if it has any.
    record : TrainingRecord
        Without what is found here: sparsities and sparse size.

    Returns
    -------
    SpeechModel
        Its plan says how many units every group has.
    """
    groups = model.groups
    kept = units_kept(gated, groups) if record.method == "unit gates" else None
    remove_gates(gated)
    module.eval().requires_grad_(False)
    trained = replace(
        model,
        model=module,
        weight_hash=model_hash(module),
        health=None,  # it was of other weights
        lock=threading.Lock(),
    )
    if kept is not None:
        # of the trained weights, those that are pinched have the smallest norms
        plan = CompressionPlan(
            origin=trained.origin,
            recipe=Recipe(
                method="magnitude",
                align_heads=False,
                allocation=MANUAL,
                sparsity=achieved_sparsity(groups, kept),
            ),
            n_clusters=kept,
        )
        trained = compress(trained, plan).model
        trained = replace(trained, plan=plan.changed(origin=model.origin))
    elif model.plan is None:
        trained = replace(trained, plan=_all_units(model))
    if record.method == "self-pinching":
        record = record.changed(
            sparsities=zero_shares(trained),
            sparsity=unstructured_sparsity(trained),
            sparse_bytes=sparse_bytes(trained),
        )
    return replace(trained, training=(*model.training, record))


def _all_units(model: SpeechModel) -> CompressionPlan:
    """The plan of a model that lost no unit, which says what it was made from."""
    return CompressionPlan(
        origin=model.origin,
        recipe=Recipe(align_heads=False, allocation=MANUAL, sparsity=0.0),
        n_clusters={group.id: group.n_units for group in model.groups},
    )


_NEAR = 0.02  # a sparsity this near to what was asked for is as asked for


def reached_sparsity(model: SpeechModel) -> float:
    """What pinching came to: share of zeros, or of the parameters of units that were cut out.

    Parameters
    ----------
    model : SpeechModel
        Whose last training pinched it.
    """
    record = model.training[-1]
    if record.sparsity is not None:
        return record.sparsity
    assert model.plan is not None
    return model.plan.recipe.sparsity


def falls_short(reached: float, asked: float) -> bool:
    """Whether a sparsity is clearly less than what was asked for, as after too few steps.

    Examples
    --------
    >>> falls_short(0.26, 0.5), falls_short(0.49, 0.5), falls_short(0.57, 0.5)
    (True, False, False)
    """
    return reached < asked - _NEAR


def zero_shares(model: SpeechModel) -> dict[str, float]:
    """Share of exact zeros in every matrix that can be gated: unstructured sparsity, by path."""
    return {
        path: float((linear_at(model.model, path).weight == 0).float().mean())
        for path in matrix_paths(model.groups)
    }


def unstructured_sparsity(model: SpeechModel) -> float:
    """Share of exact zeros over all matrices that can be gated."""
    weights = [linear_at(model.model, path).weight for path in matrix_paths(model.groups)]
    return sum(int((w == 0).sum()) for w in weights) / sum(w.numel() for w in weights)


def sparse_bytes(model: SpeechModel) -> int:
    """Size of the model with every gated matrix stored as a bitmap and its values.

    A bit for every entry, and what is not zero in the model's dtype; all other tensors as they are.
    """
    paths = list(matrix_paths(model.groups))
    total = sum(p.numel() * p.element_size() for p in model.model.parameters())
    return total + sum(_saved(linear_at(model.model, path)) for path in paths)


def _saved(linear: nn.Linear) -> int:
    """Bytes that bitmap and values take more than the dense matrix; mostly below 0."""
    weight: torch.Tensor = linear.weight
    zeros = int((weight == 0).sum())
    return (weight.numel() + 7) // 8 - zeros * weight.element_size()
