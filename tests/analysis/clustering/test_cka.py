"""Centred kernel alignment: exact by hand, blind to rotation and scale, debiased about 0."""

import math

import numpy as np
import pytest
import torch

from analysis.clustering.cka import cka_matrix, debiased_cka


def linear_cka(first: torch.Tensor, second: torch.Tensor) -> float:
    """The plain estimate (Kornblith et al. 2019, section 3), which few positions make high."""
    x, y = first - first.mean(dim=0), second - second.mean(dim=0)
    scale = float(torch.linalg.norm(x.T @ x) * torch.linalg.norm(y.T @ y))
    return float(torch.linalg.norm(y.T @ x) ** 2) / scale if scale else float("nan")


def test_cka_by_hand() -> None:
    """Centred x = (-1, 0, 1), y = (1, -2, 1): xᵀy = 0. And z = (-1, 1, 0): (xᵀz)² = 1 of 2·2."""
    x = torch.tensor([[0.0], [1.0], [2.0]])
    y = torch.tensor([[5.0], [2.0], [5.0]])
    z = torch.tensor([[0.0], [2.0], [1.0]])
    assert linear_cka(x, y) == pytest.approx(0)
    assert linear_cka(x, z) == pytest.approx(1 / 4)
    # both products of a wide pair: XXᵀ = 2·xxᵀ, so that nothing changes
    assert linear_cka(x.repeat(1, 8), z.repeat(1, 5)) == pytest.approx(1 / 4)


@pytest.mark.parametrize("cka", [linear_cka, debiased_cka])
@pytest.mark.parametrize("shape", [(40, 6), (6, 40)])
def test_cka_sees_neither_rotation_nor_scale(cka: object, shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(shape, generator=generator)
    turn = torch.linalg.qr(torch.randn(shape[1], shape[1], generator=generator))[0]
    assert cka(x, 3 * x @ turn + 7) == pytest.approx(1, abs=1e-4)  # type: ignore[operator]
    assert cka(x, torch.randn(shape, generator=generator)) < 0.95  # type: ignore[operator]


def test_what_does_not_vary_has_no_cka() -> None:
    for cka in (linear_cka, debiased_cka):
        assert math.isnan(cka(torch.ones(4, 2), torch.eye(4)[:, :2]))
    assert math.isnan(debiased_cka(torch.eye(3), torch.eye(3))), "three positions are too few"


def test_the_debiased_one_is_the_definition() -> None:
    """HSIC₁ as the papers write it, with the vector of ones."""
    generator = torch.Generator().manual_seed(1)
    x, y = (torch.randn(9, d, generator=generator).double() for d in (4, 5))

    def hsic(one: torch.Tensor, other: torch.Tensor) -> float:
        k, own = (g - torch.diag(torch.diag(g)) for g in (one @ one.T, other @ other.T))
        ones = torch.ones(9, 1).double()
        total = torch.trace(k @ own) + (ones.T @ k @ ones) * (ones.T @ own @ ones) / (8 * 7)
        return float(total - 2 / 7 * ones.T @ k @ own @ ones) / (9 * 6)

    wanted = hsic(x, y) / math.sqrt(hsic(x, x) * hsic(y, y))
    assert debiased_cka(x, y) == pytest.approx(wanted)


def test_strangers_are_about_zero_where_the_plain_one_says_that_they_are_alike() -> None:
    generator = torch.Generator().manual_seed(2)
    pairs = [[torch.randn(20, 300, generator=generator) for _ in range(2)] for _ in range(8)]
    assert min(linear_cka(*pair) for pair in pairs) > 0.85
    many = torch.randn(5000, 3, generator=generator)
    assert debiased_cka(many, many + 0.01 * torch.randn(5000, 3, generator=generator)) > 0.99
    assert abs(float(np.mean([debiased_cka(*pair) for pair in pairs]))) < 0.05


def test_a_matrix_of_pairs() -> None:
    generator = torch.Generator().manual_seed(3)
    x, y = (torch.randn(30, 4, generator=generator) for _ in range(2))
    found = cka_matrix([x, y, 2 * x], [x, y, 2 * x])
    np.testing.assert_allclose(found, found.T)
    assert found[0, 2] == pytest.approx(1)
    assert found[0, 1] == pytest.approx(debiased_cka(x, y))
