"""Where a model comes from: what was done to it, and whether it is a variant of another."""

from dataclasses import replace

import torch
from transformers import PreTrainedModel

from analysis.compression.compress import Compression
from analysis.errors import UserError
from analysis.models.modules import share_modules
from analysis.models.speech_model import SpeechModel
from analysis.plan.compression_plan import CompressionPlan
from analysis.plan.training_record import TrainingRecord


def as_variant(original: SpeechModel, loaded: SpeechModel) -> Compression:
    """Take a checkpoint that was compressed elsewhere for one that was compressed here.

    Parameters
    ----------
    original : SpeechModel
    loaded : SpeechModel
        Of the same dtype, on the same device.

    Returns
    -------
    Compression
        Without what became of the single groups, which a checkpoint does not tell; its model shares
        every tensor with the original that is the same in both.

    Raises
    ------
    UserError
        When its recipe is missing, or says that it was made from other weights.
    """
    if loaded.plan is None:
        raise UserError(
            f"{loaded.name} carries no recipe, so nothing says what it was made from.",
            "Load it with Change model instead.",
        )
    if loaded.plan.origin.weight_hash != original.weight_hash:
        raise UserError(
            f"{loaded.name} was made from {loaded.plan.origin.model}, not from these weights.",
            "Load that model with Change model first, then add this one.",
            f"recipe: {loaded.plan.origin.weight_hash}, model: {original.weight_hash}",
        )
    shared = _share_equal(loaded.model, original.model)
    return Compression(replace(loaded, model=shared), loaded.plan, {})


def history(model: SpeechModel) -> list[CompressionPlan | TrainingRecord]:
    """What was done to a model, the first thing first; plans that removed nothing are left out."""
    steps: list[CompressionPlan | TrainingRecord] = []
    for number, plan in enumerate((None, *model.lineage)):
        if plan is not None and not (
            plan.recipe.allocation == "manual" and plan.recipe.sparsity == 0
        ):
            steps.append(plan)
        steps += [record for record in model.training if record.after_plans == number]
    return steps


def _share_equal(module: PreTrainedModel, original: PreTrainedModel) -> PreTrainedModel:
    """The same model around the original's tensors wherever both hold the same bits."""
    known = dict(original.named_parameters())
    twins = {
        id(own): known[name]
        for name, own in module.named_parameters()
        if name in known and own.shape == known[name].shape and torch.equal(own, known[name])
    }
    return share_modules(module, lambda tensor: twins.get(id(tensor), tensor))
