"""Models that listened to an excitation, and how far their groups' outputs are off on it."""

import torch

from analysis.clustering.listening import prepare
from analysis.compression.joint_moments import paired_moments
from analysis.models.modules import linear_at
from analysis.models.speech_model import SpeechModel
from analysis.plan.compression_plan import CompressionPlan
from analysis.speech.excitation import Excitation
from tests.helpers.tiny_models import make_plan


def listening_plan(model: SpeechModel, sound: Excitation, **fields: object) -> CompressionPlan:
    fields = {"repair": "refit", "distance": "contribution"} | fields
    return make_plan(model, excitation=sound.kind, **fields)


def output_variance(
    model: SpeechModel, changed: SpeechModel, group_id: str, sound: Excitation
) -> tuple[float, float]:
    """Total variance of the original's output, and of what the changed columns make of it."""
    before = next(g for g in model.groups if g.id == group_id)
    after = next(g for g in changed.groups if g.id == group_id)
    joint = paired_moments(model, changed.model, before, prepare(model, sound))
    width = after.n_units * after.rows
    weight = linear_at(changed.model, after.output_path).weight.double()
    made = weight @ joint.covariance[:width, :width] @ weight.T
    return float(joint.covariance[width:, width:].trace()), float(made.trace())


def output_error(
    model: SpeechModel, changed: SpeechModel, group_id: str, sound: Excitation
) -> tuple[float, float, float]:
    """Squared distance of the mean outputs, variances of their difference and of the original."""
    before = next(g for g in model.groups if g.id == group_id)
    after = next(g for g in changed.groups if g.id == group_id)
    joint = paired_moments(model, changed.model, before, prepare(model, sound))
    width = after.n_units * after.rows
    linear = linear_at(changed.model, after.output_path)
    weight, bias = linear.weight.double(), linear.bias.double()
    mean = joint.mean[width:] - joint.mean[:width] @ weight.T - bias
    both = torch.cat([-weight, torch.eye(len(weight), dtype=torch.float64)], dim=1)
    total = float(joint.covariance[width:, width:].trace())
    return float(mean.square().sum()), float((both @ joint.covariance @ both.T).trace()), total
