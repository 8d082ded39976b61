"""The weight of the ridge: light where much was heard, heavy where little was."""

import torch

from analysis.clustering.moments import MomentAccumulator, Moments
from analysis.clustering.ridge import WEIGHTS, choose_ridge, refit_error


def heard(positions: int, seed: int) -> Moments:
    """Twenty inputs that four causes move, and noise of their own."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(4, 20, generator=torch.Generator().manual_seed(0))
    causes = torch.randn(positions, 4, generator=generator)
    noise = 0.5 * torch.randn(positions, 20, generator=generator)
    accumulator = MomentAccumulator(20, torch.device("cpu"))
    accumulator.update((causes @ mixing + noise).double())
    return accumulator.moments()


OUTPUT = torch.randn(20, 6, generator=torch.Generator().manual_seed(3)).double()


def test_the_chosen_weight_is_the_one_of_least_error_on_other_voices() -> None:
    one, other = heard(30, 1), heard(30, 2)
    added = one.covariance.diagonal() * OUTPUT.square().sum(dim=1)
    kept = torch.argsort(added, descending=True)[:15]
    errors = {
        weight: refit_error(one, other, OUTPUT, kept, weight)
        + refit_error(other, one, OUTPUT, kept, weight)
        for weight in WEIGHTS
    }
    assert choose_ridge(one, other, OUTPUT) == min(errors, key=lambda w: errors[w])


def test_little_sound_asks_for_a_heavier_ridge_than_much() -> None:
    little = choose_ridge(heard(16, 1), heard(16, 2), OUTPUT)
    much = choose_ridge(heard(20_000, 1), heard(20_000, 2), OUTPUT)
    assert much == WEIGHTS[0] < little
