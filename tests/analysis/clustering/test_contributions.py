"""What units contribute: measured once, and as its definition says."""

from collections.abc import Sequence
from pathlib import Path

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
from analysis.clustering.moments import MomentAccumulator, Moments, packed, unpacked
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from analysis.progress import Watch
from analysis.speech.excitation import Excitation


def _rounded(moments: Moments) -> Moments:
    """As they come back from disk."""
    return unpacked(packed(moments), moments.mean.device)


def test_statistics_are_measured_once(
    speech_model: SpeechModel, sound: Excitation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a cache of its own: a run for gradients may have measured them, too, bits apart."""
    monkeypatch.setenv("COALESCE_CACHE", str(tmp_path))
    groups = speech_model.groups
    measured = measure_groups(speech_model, sound, groups)
    for group in groups:
        group_moments(speech_model, sound, group)
    monkeypatch.setattr(contributions, "measure_groups", None)
    for group in groups:
        cached = group_moments(speech_model, sound, group)
        fresh = measured[group.id]
        kept = _rounded(fresh.moments)
        assert torch.equal(cached.moments.covariance, kept.covariance)
        assert torch.equal(cached.moments.mean, fresh.moments.mean)
        assert cached.ridge == fresh.ridge
        assert cached.residual_variance == fresh.residual_variance > 0


@pytest.mark.parametrize("limit", ["0", "60 kB"])
def test_a_small_cache_is_not_overrun(
    limit: str,
    hubert: SpeechModel,
    sound: Excitation,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COALESCE_CACHE", str(tmp_path))
    monkeypatch.setenv("COALESCE_CACHE_LIMIT", limit)
    measured = measure_groups(hubert, sound, hubert.groups)
    runs: list[Sequence[UnitGroup]] = []

    def listen(
        model: SpeechModel, excitation: Excitation, groups: Sequence[UnitGroup], *, watch: Watch
    ) -> dict[str, GroupMoments]:
        runs.append(groups)
        return {group.id: measured[group.id] for group in groups}

    monkeypatch.setattr(contributions, "measure_groups", listen)
    for group in hubert.groups:
        found = group_moments(hubert, sound, group)
        kept = _rounded(measured[group.id].moments)
        assert torch.equal(found.moments.covariance, kept.covariance)
    heard = [group.id for groups in runs for group in groups]
    assert heard == [group.id for group in hubert.groups], "each is measured once"
    if limit == "0":
        assert {len(groups) for groups in runs} == {1}


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
