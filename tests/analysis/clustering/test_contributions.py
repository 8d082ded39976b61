"""What units contribute: measured once, and as its definition says."""

import numpy as np
import pytest
import torch

from analysis.clustering import contributions
from analysis.clustering.contributions import (
    GroupMoments,
    contribution_distances,
    contribution_gram,
    contribution_vectors,
    group_moments,
    measure_groups,
)
from analysis.clustering.moments import MomentAccumulator
from analysis.models.speech_model import SpeechModel
from analysis.speech.excitation import Excitation


def test_statistics_are_measured_once(
    speech_model: SpeechModel, sound: Excitation, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = speech_model.groups
    measured = measure_groups(speech_model, sound, groups)
    for group in groups:
        group_moments(speech_model, sound, group)
    monkeypatch.setattr(contributions, "measure_groups", None)
    for group in groups:
        cached = group_moments(speech_model, sound, group)
        fresh = measured[group.id]
        assert torch.equal(cached.moments.covariance, fresh.moments.covariance)
        assert torch.equal(cached.moments.mean, fresh.moments.mean)
        assert cached.residual_variance == fresh.residual_variance > 0


def test_gram_is_that_of_the_contributions_themselves() -> None:
    """Against the definition: c_h(t) = a_h(t)·O_h, centred, inner products averaged over t."""
    generator = torch.Generator().manual_seed(1)
    activations = torch.randn(50, 3, 4, generator=generator, dtype=torch.float64) + 2
    output = torch.randn(3, 4, 7, generator=generator)
    accumulator = MomentAccumulator(12, torch.device("cpu"))
    accumulator.update(activations.reshape(50, 12))
    statistics = GroupMoments(accumulator.moments(), 1.0)
    gram = contribution_gram(statistics, output)
    added = torch.einsum("tnr,nrd->tnd", activations, output.double())
    centred = added - added.mean(dim=0)
    expected = torch.einsum("tnd,tmd->nm", centred, centred) / 50
    np.testing.assert_allclose(gram, expected, rtol=1e-9)
    distances = contribution_distances(gram)
    apart = (centred[:, 0] - centred[:, 2]).square().sum(dim=1).mean()
    assert distances.matrix[0, 2] == pytest.approx(float(apart), rel=1e-5)
    vectors = contribution_vectors(gram).astype(np.float64)
    np.testing.assert_allclose(vectors @ vectors.T, gram, rtol=1e-4, atol=1e-4)
