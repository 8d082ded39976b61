"""Refits and compensation: the mean output is met, the error never rises."""

import numpy as np
import pytest
import torch

from analysis.clustering.moments import Moments
from analysis.compression.compress import compress
from analysis.compression.repair import Change, refit, repair
from analysis.models.modules import linear_at, share_modules
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_weights import UnitWeights, read_units
from analysis.speech.excitation import Excitation
from tests.helpers.random_units import random_moments
from tests.helpers.repaired_models import listening_plan, output_error, output_variance

# --- the surgeon -------------------------------------------------------------------------------


def test_refit_never_raises_the_error() -> None:
    covariance = random_moments(12, seed=6)
    columns = torch.randn(12, 5, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    kept = torch.tensor([0, 2, 3, 7, 8, 11])
    moments = Moments(48, torch.zeros(6).double(), covariance[kept][:, kept])
    cross = covariance[kept] @ columns
    units = UnitWeights({}, {}, columns[kept].float().unsqueeze(1))

    def error(weight: torch.Tensor) -> float:
        lost = columns.clone()
        lost[kept] -= weight.squeeze(1).double()
        return float((lost * (covariance @ lost)).sum())

    assert error(refit(units, moments, cross, 0.1)) < error(units.output)


# --- whole models ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["cluster", "surgeon", "magnitude", "random"])
@pytest.mark.parametrize("repair", ["mean", "refit"])
def test_repair_meets_the_mean_output_on_the_excitation(
    speech_model: SpeechModel, sound: Excitation, method: str, repair: str
) -> None:
    """One group at a time, so that it hears what the original gives it."""
    for group in (speech_model.groups[0], speech_model.groups[-1]):
        wanted = {group.id: max(1, group.n_units * 2 // 3)}
        results = [
            compress(
                speech_model,
                listening_plan(speech_model, sound, method=method, repair=kind, n_clusters=wanted),
                excitation=sound,
            )
            for kind in ("none", repair)
        ]
        plain, repaired = (output_error(speech_model, r.model, group.id, sound) for r in results)
        told = [result.groups[group.id].output_error for result in results]
        assert told == [None, pytest.approx(repaired[1] / repaired[2], rel=3e-3)]
        assert repaired[0] < 1e-9 < plain[0]
        assert repaired[1] <= plain[1] * (1 + 1e-6)
        if repair == "refit":
            assert repaired[1] < plain[1]


def test_with_ctc_a_refit_keeps_the_variance_of_the_output(
    speech_model: SpeechModel, sound: Excitation
) -> None:
    """Of a decoder's model the refit stays the least squares one, whose output varies less."""
    group = speech_model.groups[-1]
    wanted = {group.id: max(1, group.n_units // 3)}
    plan = listening_plan(speech_model, sound, method="surgeon", repair="refit", n_clusters=wanted)
    made = compress(speech_model, plan, excitation=sound).model
    before, after = output_variance(speech_model, made, group.id, sound)
    if speech_model.architecture.decoding == "ctc":
        assert after == pytest.approx(before, rel=1e-4)
    else:
        assert after < before * (1 - 1e-4)


def test_repair_leaves_the_model_alone(whisper: SpeechModel, sound: Excitation) -> None:
    group = whisper.groups[0]
    before = share_modules(whisper.model)
    labels = np.array([0, 1, 1, 2])
    units = read_units(whisper.model, group).take(torch.tensor([0, 1, 3]))
    repair(whisper, sound, [Change(group, labels, units)], "refit")
    assert all(a is b for a, b in zip(before.parameters(), whisper.model.parameters(), strict=True))
    assert not linear_at(whisper.model, group.output_path)._forward_hooks
