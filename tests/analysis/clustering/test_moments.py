"""Moments of activations, gathered in pieces."""

from itertools import pairwise

import numpy as np
import torch

from analysis.clustering.moments import MomentAccumulator


def test_moments_in_pieces_are_those_in_one_go() -> None:
    vectors = 5 + torch.randn(97, 6, generator=torch.Generator().manual_seed(0))
    whole, pieces = (MomentAccumulator(6, torch.device("cpu")) for _ in range(2))
    whole.update(vectors)
    for start, stop in pairwise((0, 1, 30, 97)):
        pieces.update(vectors[start:stop])
    expected = np.cov(vectors.double().numpy(), rowvar=False, bias=True)
    for moments in (whole.moments(), pieces.moments()):
        assert moments.count == 97
        np.testing.assert_allclose(moments.mean, vectors.double().mean(dim=0), rtol=1e-12)
        np.testing.assert_allclose(moments.covariance, expected, rtol=1e-9, atol=1e-9)
