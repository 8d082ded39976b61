"""Models that are changed by hand or narrowed, and compared bit by bit."""

import torch
from transformers import PreTrainedModel

from analysis.compression.compress import compress
from analysis.models.modules import linear_at
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from analysis.models.unit_weights import UnitWeights
from tests.helpers.tiny_models import make_plan


def same_bits(a: SpeechModel, b: SpeechModel) -> bool:
    mine, theirs = a.model.state_dict(), b.model.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[k], theirs[k]) for k in mine)


def overwrite(module: PreTrainedModel, group: UnitGroup, weights: UnitWeights) -> None:
    """Put units into a model of one's own, in place."""
    width = group.n_units * group.rows
    for role, path in group.input_paths.items():
        linear = linear_at(module, path)
        linear.weight.data.copy_(weights.inputs[role].reshape(width, -1))
        if role in weights.biases:
            linear.bias.data.copy_(weights.biases[role].reshape(width))
    linear_at(module, group.output_path).weight.data.copy_(weights.output.reshape(width, -1).T)


def narrower(model: SpeechModel, *, uneven_heads: bool = False) -> SpeechModel:
    """Every FFN of another width; one head fewer everywhere, or in the first group only."""
    groups = model.groups
    n_clusters = {
        group.id: group.n_units - (1 + group.layer if group.component == "ffn" else 1)
        for group in groups
    }
    if uneven_heads:
        heads = [group for group in groups if group.component == "heads"]
        n_clusters |= {group.id: group.n_units for group in heads[1:]}
    return compress(model, make_plan(model, n_clusters=n_clusters)).model
