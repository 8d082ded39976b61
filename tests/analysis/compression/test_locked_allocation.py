"""Locked groups keep their K, and the others meet the budget to within one unit."""

import pytest

from analysis.compression.allocation import allocate
from analysis.compression.locked_allocation import allocate_around, budget_miss
from tests.helpers.group_shapes import evidence, group, parameters, seq2seq_groups

BUDGETED = ("uniform", "variance", "distortion")


@pytest.mark.parametrize("strategy", [*BUDGETED, "variance-literal"])
def test_without_a_lock_it_is_the_allocation_itself(strategy: str) -> None:
    groups = seq2seq_groups(layers=3, heads=4, channels=20, hidden=8)
    trees, variances = evidence(groups)
    found = allocate_around(
        groups, {}, sparsity=0.3, strategy=strategy, trees=trees, variances=variances
    )
    assert found == allocate(
        groups, sparsity=0.3, strategy=strategy, trees=trees, variances=variances
    )


@pytest.mark.parametrize("components", [("ffn", "heads"), ("ffn",)])
@pytest.mark.parametrize("sparsity", [0.1, 0.3, 0.6])
@pytest.mark.parametrize("strategy", BUDGETED)
def test_the_others_meet_the_budget_to_one_unit(
    strategy: str, sparsity: float, components: tuple[str, ...]
) -> None:
    groups = seq2seq_groups(layers=6, heads=6, channels=48, hidden=12)
    trees, variances = evidence(groups)
    locked = {"encoder.0.ffn": 48, "encoder.3.ffn": 5, "decoder.1.cross_attention": 6}
    k = allocate_around(
        groups,
        locked,
        sparsity=sparsity,
        strategy=strategy,
        components=components,
        trees=trees,
        variances=variances,
    )
    assert {name: k[name] for name in locked} == locked
    assert list(k) == [g.id for g in groups]
    chosen = [g for g in groups if g.component in components]
    assert all(k[g.id] == g.n_units for g in groups if g not in chosen and g.id not in locked)
    assert all(1 <= k[g.id] <= g.n_units for g in groups)
    budget = (1 - sparsity) * sum(g.n_parameters for g in chosen)
    assert abs(parameters(chosen, k) - budget) <= max(g.parameters_per_unit for g in chosen)
    assert budget_miss(groups, k, sparsity, components) == 0


def test_what_a_locked_group_keeps_the_others_lose() -> None:
    """Four groups of 100 equal units at 10 %: one keeps 100, so the others lose 40 of 300."""
    groups = [group("encoder", layer, "ffn", 100, 9) for layer in range(4)]
    k = allocate_around(groups, {"encoder.2.ffn": 100}, sparsity=0.1)
    assert sum(k.values()) == 360
    assert sorted(k.values()) == [86, 87, 87, 100]
    fewer = allocate_around(groups, {"encoder.2.ffn": 60}, sparsity=0.1)
    assert list(fewer.values()) == [100, 100, 60, 100]


@pytest.mark.parametrize("strategy", BUDGETED)
def test_a_budget_that_locks_make_impossible_is_missed_by_the_least(strategy: str) -> None:
    groups = [group("encoder", layer, "ffn", 10, 7) for layer in range(4)]
    trees, variances = evidence(groups)
    full = {f"encoder.{layer}.ffn": 10 for layer in range(3)}
    k = allocate_around(
        groups, full, sparsity=0.5, strategy=strategy, trees=trees, variances=variances
    )
    assert k["encoder.3.ffn"] == 1
    assert budget_miss(groups, k, 0.5) == 11 * 7
    empty = dict.fromkeys(full, 1)
    k = allocate_around(
        groups, empty, sparsity=0.1, strategy=strategy, trees=trees, variances=variances
    )
    assert k["encoder.3.ffn"] == 10
    assert budget_miss(groups, k, 0.1) == -23 * 7


def test_all_locked_leaves_all_as_they_are() -> None:
    groups = [group("encoder", layer, "ffn", 10, 7) for layer in range(2)]
    locked = {"encoder.0.ffn": 3, "encoder.1.ffn": 9}
    assert allocate_around(groups, locked, sparsity=0.9) == locked


def test_the_literal_formula_stays_literal() -> None:
    groups = [group("encoder", layer, "ffn", 100, 9) for layer in range(4)]
    variances = {g.id: float(g.layer) for g in groups}
    k = allocate_around(
        groups,
        {"encoder.3.ffn": 50},
        sparsity=0.1,
        strategy="variance-literal",
        variances=variances,
    )
    assert list(k.values()) == [72, 90, 100, 50]
    assert budget_miss(groups, k, 0.1) == (312 - 360) * 9
