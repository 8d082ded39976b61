"""Budgets, limits and locks hold for models of any shape and for any sparsity."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from analysis.compression.allocation import allocate
from analysis.compression.locked_allocation import allocate_around, budget_miss
from analysis.models.unit_groups import UnitGroup, kept_parameters
from analysis.plan.choices import ALLOCATIONS, METHODS, UNBUDGETED
from tests.helpers.group_shapes import evidence, seq2seq_groups

STRATEGIES = st.sampled_from(sorted(ALLOCATIONS))
COMPONENTS = st.sampled_from([("ffn",), ("heads",), ("ffn", "heads")])
SPARSITIES = st.floats(0, 0.99)


@dataclass(frozen=True)
class Shape:
    """Of a small Whisper."""

    layers: int
    heads: int
    channels: int
    seed: int

    def groups(self) -> list[UnitGroup]:
        return seq2seq_groups(self.layers, self.heads, self.channels, hidden=12)


SHAPES = st.builds(
    Shape,
    layers=st.integers(1, 3),
    heads=st.sampled_from([1, 2, 3, 6]),
    channels=st.integers(1, 40),
    seed=st.integers(0, 99),
)


@given(SHAPES, STRATEGIES, COMPONENTS, SPARSITIES, st.sampled_from(sorted(METHODS)))
def test_k_is_in_range_and_the_budget_is_met_within_one_unit(
    shape: Shape, strategy: str, components: tuple[str, ...], sparsity: float, method: str
) -> None:
    groups = shape.groups()
    trees, variances = evidence(groups, shape.seed)
    k = allocate(
        groups,
        sparsity=sparsity,
        strategy=strategy,
        components=components,
        trees=trees,
        variances=variances,
        method=method,
    )
    assert list(k) == [group.id for group in groups]
    chosen = [group for group in groups if group.component in components]
    for group in groups:
        assert 1 <= k[group.id] <= group.n_units
        assert group in chosen or k[group.id] == group.n_units
    if strategy not in ("uniform", UNBUDGETED):
        least = sum(group.parameters_per_unit for group in chosen)
        budget = max((1 - sparsity) * kept_parameters(chosen), least)
        one_unit = max(group.parameters_per_unit for group in chosen)
        assert abs(kept_parameters(chosen, k) - budget) <= one_unit + 1e-6


@given(SHAPES, STRATEGIES, SPARSITIES, st.data())
def test_locked_groups_stay_and_the_others_share_what_is_left(
    shape: Shape, strategy: str, sparsity: float, data: st.DataObject
) -> None:
    groups = shape.groups()
    chosen = data.draw(st.lists(st.sampled_from(groups), unique_by=lambda group: group.id))
    locked = {group.id: data.draw(st.integers(1, group.n_units)) for group in chosen}
    trees, variances = evidence(groups, shape.seed)
    k = allocate_around(
        groups,
        locked,
        sparsity=sparsity,
        strategy=strategy,
        trees=trees,
        variances=variances,
    )
    assert list(k) == [group.id for group in groups]
    assert {name: k[name] for name in locked} == locked
    free = [group for group in groups if group.id not in locked]
    assert all(1 <= k[group.id] <= group.n_units for group in free)
    miss = budget_miss(groups, k, sparsity)
    if strategy == UNBUDGETED or (strategy == "uniform" and not locked):
        return
    if miss > 0:  # too much is kept only where nothing more can go
        assert all(k[group.id] == 1 for group in free)
    if miss < 0:  # and too little only where nothing more can stay
        assert all(k[group.id] == group.n_units for group in free)
