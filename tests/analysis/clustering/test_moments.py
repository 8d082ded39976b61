"""Moments of activations, gathered in pieces."""

from itertools import pairwise

import numpy as np
import torch

from analysis.clustering.moments import (
    MomentAccumulator,
    packed,
    packed_shapes,
    pooled,
    ridged,
    unpacked,
)


def test_moments_in_pieces_are_those_in_one_go() -> None:
    vectors = 5 + torch.randn(97, 6, generator=torch.Generator().manual_seed(0))
    whole, pieces = (MomentAccumulator(6, torch.device("cpu")) for _ in range(2))
    whole.update(vectors)
    for start, stop in pairwise((0, 1, 30, 97)):
        pieces.update(vectors[start:stop])
    one, other = (MomentAccumulator(6, torch.device("cpu")) for _ in range(2))
    one.update(vectors[:30])
    other.update(vectors[30:])
    expected = np.cov(vectors.double().numpy(), rowvar=False, bias=True)
    for moments in (whole.moments(), pieces.moments(), pooled(one.moments(), other.moments())):
        assert moments.count == 97
        np.testing.assert_allclose(moments.mean, vectors.double().mean(dim=0), rtol=1e-9)
        np.testing.assert_allclose(moments.covariance, expected, rtol=1e-5, atol=1e-6)


def test_a_huge_mean_does_not_swamp_what_moves_around_it() -> None:
    moving = torch.randn(500, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    vectors = (1000 + 0.01 * moving).float()
    accumulator = MomentAccumulator(3, torch.device("cpu"))
    accumulator.update(vectors[:200])
    accumulator.update(vectors[200:])
    expected = np.cov(vectors.double().numpy(), rowvar=False, bias=True)
    np.testing.assert_allclose(accumulator.moments().covariance, expected, rtol=1e-4, atol=1e-9)


def test_the_ridge_knows_each_inputs_scale() -> None:
    scales = torch.tensor([1e-3, 1.0, 1e3, 0.0], dtype=torch.float64)
    added = ridged(torch.diag(scales), 0.1).diagonal() - scales
    np.testing.assert_allclose(added[:3], 0.1 * scales[:3], rtol=1e-2)
    assert added[3] > 0
    assert torch.equal(ridged(torch.zeros(2, 2).double(), 0.1), torch.eye(2).double())


def test_kept_moments_are_small_and_rounded_on_each_inputs_own_scale() -> None:
    """One input moves a million times more than the others, one never moves."""
    vectors = torch.randn(500, 40, generator=torch.Generator().manual_seed(0)).double()
    vectors[:, 3] *= 1e6
    vectors[:, 7] = 5.0
    vectors[:, 9] = -2 * vectors[:, 3]
    accumulator = MomentAccumulator(40, torch.device("cpu"))
    accumulator.update(vectors)
    moments = accumulator.moments()
    arrays = packed(moments)
    assert {name: array.shape for name, array in arrays.items()} == packed_shapes(40)
    assert arrays["correlations"].nbytes == 40 * 39
    found = unpacked(arrays, torch.device("cpu"))
    assert found.count == 500
    torch.testing.assert_close(found.mean, moments.mean, rtol=0, atol=0)
    deviations = moments.covariance.diagonal().sqrt()
    error = (found.covariance - moments.covariance).abs() / torch.outer(
        deviations, deviations
    ).clamp(min=1e-12)
    assert float(error.max()) <= 1.01 / 65534
    torch.testing.assert_close(found.covariance, found.covariance.T, rtol=0, atol=0)
    torch.testing.assert_close(found.covariance.diagonal(), moments.covariance.diagonal())
