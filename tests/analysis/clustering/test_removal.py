"""The surgeon's order of removal, against brute force."""

import numpy as np
import pytest
import torch

from analysis.clustering.removal import RIDGE, removal_order
from tests.helpers.random_units import random_moments


def ridge_error(covariance: torch.Tensor, weight: torch.Tensor, kept: list[int]) -> float:
    """min over V of ‖Σ_all a·w - Σ_kept a·v‖² + λ·‖w - v‖², v = 0 off the kept: least squares."""
    hessian = covariance + RIDGE * torch.diag(covariance.diagonal())
    best = torch.zeros_like(weight)
    best[kept] = torch.linalg.solve(hessian[kept][:, kept], hessian[kept] @ weight)
    lost = weight - best
    return float((lost * (hessian @ lost)).sum())


@pytest.mark.parametrize("rows", [1, 3])
def test_surgeon_is_the_greedy_least_squares(rows: int) -> None:
    n = 7
    covariance = random_moments(n * rows, seed=rows)
    output = torch.randn(n, rows, 5, generator=torch.Generator().manual_seed(9))
    weight = output.reshape(n * rows, 5).double()
    removal = removal_order(covariance, output)
    left = list(range(n))

    def inputs(units: list[int]) -> list[int]:
        return [unit * rows + row for unit in units for row in range(rows)]

    for step, unit in enumerate(removal.order.tolist(), start=1):
        errors = {
            u: ridge_error(covariance, weight, inputs([v for v in left if v != u])) for u in left
        }
        assert unit == min(errors, key=lambda u: errors[u])
        assert removal.costs[:step].sum() == pytest.approx(errors[unit], rel=1e-8)
        left.remove(unit)
        assert np.flatnonzero(removal.labels(n - step) >= 0).tolist() == left
    assert len(left) == 1


def test_surgeon_in_blocks_finds_exact_copies() -> None:
    """600 channels of which half repeat the others: half go for nothing but the ridge."""
    covariance = random_moments(300, seed=4)
    twice = covariance.repeat(2, 2)
    output = torch.randn(600, 1, 8, generator=torch.Generator().manual_seed(5))
    removal = removal_order(twice, output, 0.01)
    last = np.flatnonzero(removal.labels(1) >= 0).tolist()
    assert sorted(removal.order.tolist() + last) == list(range(600))
    assert removal.costs[:300].mean() < 0.05 * removal.costs[300:350].mean()
    kept = np.flatnonzero(removal.labels(300) >= 0) % 300
    assert len(np.unique(kept)) == 300, "of each pair one stays"
