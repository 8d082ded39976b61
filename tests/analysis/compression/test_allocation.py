"""From one sparsity to K per group: every strategy meets its budget, whatever the model."""

from collections.abc import Mapping, Sequence
from itertools import pairwise, product

import numpy as np
import pytest

from analysis.clustering.merge_tree import MergeTree
from analysis.compression.allocation import achieved_sparsity, allocate, uniform_k, variance_thirds
from analysis.models.speech_model import SpeechModel
from analysis.models.statistics import group_variances
from analysis.plan.choices import ALLOCATIONS
from analysis.speech.excitation import Excitation
from tests.helpers.chosen_trees import distance_for, trees_for
from tests.helpers.group_shapes import evidence, group, parameters, seq2seq_groups

EXACT = ("variance", "distortion", "output-error", "end-to-end")
SPARSITIES = (0.0, 0.05, 0.1, 0.25, 0.5, 0.8, 0.95)


@pytest.mark.parametrize(
    ("n", "sparsity", "expected"),
    [(16, 0.1, 14), (20, 0.1, 18), (6, 0.1, 5), (6, 0.99, 1), (1, 0.5, 1), (10, 0.25, 8),
     (1536, 0.0, 1536), (5, 0.5, 3), (5120, 0.1, 4608), (10, 0.45, 6)],
)  # fmt: skip
def test_uniform_k(n: int, sparsity: float, expected: int) -> None:
    """Halves go up: 5 · 0.5 = 2.5 → 3, 10 · 0.75 = 7.5 → 8, 10 · 0.55 = 5.5 → 6."""
    assert uniform_k(n, sparsity) == expected


@pytest.fixture(scope="module")
def trees(speech_model: SpeechModel, sound: Excitation) -> dict[str, Mapping[str, MergeTree]]:
    """Merge trees of every family, by the distance that they are of."""
    distances = {distance_for("cluster", strategy) for strategy in ALLOCATIONS}
    return {distance: trees_for(speech_model, distance, sound) for distance in distances}


@pytest.mark.parametrize("strategy", list(ALLOCATIONS))
def test_k_is_in_range_for_every_group_of_every_model(
    speech_model: SpeechModel, trees: dict[str, Mapping[str, MergeTree]], strategy: str
) -> None:
    groups = speech_model.groups
    for sparsity in SPARSITIES:
        k = allocate(
            groups,
            sparsity=sparsity,
            strategy=strategy,
            trees=trees[distance_for("cluster", strategy)],
            variances=group_variances(speech_model),
        )
        assert list(k) == [g.id for g in groups]
        assert all(1 <= k[g.id] <= g.n_units for g in groups), sparsity
        if sparsity == 0 and strategy != "variance-literal":  # the formula, literally, cuts 20 %
            assert all(k[g.id] == g.n_units for g in groups)


@pytest.mark.parametrize("components", [("ffn",), ("heads",), ("ffn", "heads")])
@pytest.mark.parametrize("strategy", EXACT)
def test_budget_is_met_to_one_unit(strategy: str, components: tuple[str, ...]) -> None:
    groups = seq2seq_groups(layers=4, heads=6, channels=48, hidden=12)
    chosen = [g for g in groups if g.component in components]
    others = [g for g in groups if g.component not in components]
    least = sum(g.parameters_per_unit for g in chosen)
    one_unit = max(g.parameters_per_unit for g in chosen)
    for seed, sparsity in product(range(2), SPARSITIES):
        trees, variances = evidence(groups, seed)
        k = allocate(
            groups,
            sparsity=sparsity,
            strategy=strategy,
            components=components,
            trees=trees,
            variances=variances,
        )
        assert all(k[g.id] == g.n_units for g in others)
        budget = (1 - sparsity) * sum(g.n_parameters for g in chosen)
        assert abs(parameters(chosen, k) - max(budget, least)) <= one_unit, (seed, sparsity)


@pytest.mark.parametrize("strategy", EXACT)
def test_budget_is_met_on_a_model_of_large_v3s_shape(strategy: str) -> None:
    groups = seq2seq_groups(layers=32, heads=20, channels=5120, hidden=1280)
    trees, variances = evidence(groups)
    for sparsity in (0.1, 0.3, 0.5):
        k = allocate(groups, sparsity=sparsity, strategy=strategy, trees=trees, variances=variances)
        # to one unit, be it a head: 327,680 of 1.4 thousand million parameters
        missed = abs(achieved_sparsity(groups, k) - sparsity)
        assert missed * sum(g.n_parameters for g in groups) <= 4 * 1280 * 64


@pytest.mark.parametrize("strategy", ["uniform", *EXACT])
def test_more_sparsity_never_keeps_more_parameters(strategy: str) -> None:
    groups = seq2seq_groups(layers=3, heads=4, channels=20, hidden=8)
    trees, variances = evidence(groups)
    one_unit = max(g.parameters_per_unit for g in groups)
    kept = [
        parameters(
            groups,
            allocate(groups, sparsity=s, strategy=strategy, trees=trees, variances=variances),
        )
        for s in np.linspace(0, 0.99, 34)
    ]
    assert all(later <= earlier + one_unit for earlier, later in pairwise(kept))
    assert kept[-1] < 0.2 * kept[0]


@pytest.mark.parametrize("strategy", ["distortion", "output-error", "end-to-end"])
def test_channels_fill_what_a_head_leaves_of_the_budget(strategy: str) -> None:
    groups = seq2seq_groups(layers=3, heads=4, channels=48, hidden=12)
    smallest = min(g.parameters_per_unit for g in groups)
    assert max(g.parameters_per_unit for g in groups) > 5 * smallest
    for seed, sparsity in product(range(3), (0.05, 0.1, 0.25, 0.5)):
        trees, _ = evidence(groups, seed)
        k = allocate(groups, sparsity=sparsity, strategy=strategy, trees=trees)
        budget = (1 - sparsity) * sum(g.n_parameters for g in groups)
        assert budget <= parameters(groups, k) < budget + smallest, (seed, sparsity)


def test_distortion_takes_the_cheapest_merges_first() -> None:
    """Two groups by hand: relative costs per parameter .01 .02 .9 and .03 .04 .05, total 1 each."""
    groups = [group("encoder", 0, "ffn", 4, 10), group("encoder", 1, "ffn", 4, 10)]

    def tree(costs: list[float]) -> MergeTree:
        links = np.zeros((3, 4))
        links[:, 2] = np.sqrt(2 * np.array(costs))
        return MergeTree(links, np.full(4, 0.25))

    trees = {"encoder.0.ffn": tree([0.01, 0.02, 0.9]), "encoder.1.ffn": tree([0.03, 0.04, 0.05])}
    expected = {1: (3, 4), 2: (2, 4), 3: (2, 3), 4: (2, 2), 5: (2, 1), 6: (1, 1)}
    for removed, kept in expected.items():
        k = allocate(groups, sparsity=removed / 8, strategy="distortion", trees=trees)
        assert tuple(k.values()) == kept, f"{removed} of 8 removed"


@pytest.mark.parametrize("seed", range(3))
def test_distortion_has_the_least_error_of_all_at_its_size(seed: int) -> None:
    """Against every other choice of K with as many units: groups of equal unit size."""
    groups = [group("encoder", layer, "ffn", 5, 7) for layer in range(3)]
    trees, _ = evidence(groups, seed)

    def error(k: Sequence[int]) -> float:
        return sum(
            trees[g.id].inertia(n) / trees[g.id].total for g, n in zip(groups, k, strict=True)
        )

    for units in range(3, 16):
        k = allocate(groups, sparsity=1 - units / 15, strategy="distortion", trees=trees)
        assert sum(k.values()) == units
        others = [c for c in product(range(1, 6), repeat=3) if sum(c) == units]
        assert error(list(k.values())) == pytest.approx(min(map(error, others)))


def test_distortion_does_not_see_the_scale_of_a_layer() -> None:
    groups = [group("encoder", layer, "ffn", 6, 7) for layer in range(3)]
    trees, _ = evidence(groups)
    loud = dict(trees)
    first = trees["encoder.0.ffn"]
    loud["encoder.0.ffn"] = MergeTree(first.linkage * [1, 1, 100, 1], first.norms * 100**2)
    for sparsity in (0.2, 0.5):
        assert allocate(groups, sparsity=sparsity, strategy="distortion", trees=loud) == allocate(
            groups, sparsity=sparsity, strategy="distortion", trees=trees
        )


def test_variance_keeps_more_where_variance_is_high() -> None:
    groups = [group("encoder", layer, "ffn", 100, 9) for layer in range(6)]
    variances = {g.id: float(g.layer) for g in groups}
    k = allocate(groups, sparsity=0.3, strategy="variance", variances=variances)
    # 0.7 · 1.2 = 0.84 above, 0.7 in the middle, 0.7 - 0.14 below: the budget holds
    assert list(k.values()) == [56, 56, 70, 70, 84, 84]


def test_variance_never_asks_for_more_units_than_there_are() -> None:
    groups = [group("encoder", layer, "ffn", 100, 9) for layer in range(6)]
    variances = {g.id: float(g.layer) for g in groups}
    k = allocate(groups, sparsity=0.1, strategy="variance", variances=variances)
    assert list(k.values()) == [80, 80, 90, 90, 100, 100]


def test_variance_is_compared_within_a_kind() -> None:
    """Heads of tiny variance beside channels of great variance: each kind has its own thirds."""
    groups = [group("encoder", layer, "ffn", 100, 9) for layer in range(3)]
    groups += [group("encoder", layer, "self_attention", 100, 9) for layer in range(3)]
    variances = {g.id: (1000.0 if g.block == "ffn" else 0.001) * (g.layer + 1) for g in groups}
    thirds = variance_thirds(groups, variances)
    assert list(thirds.values()) == ["low", "middle", "high"] * 2


def test_literal_formula_and_what_it_misses_by() -> None:
    """floor(1.2·K), K, floor(0.8·K) of K = 90, cut at n = 100: 100 + 90 + 72 of 270 asked for."""
    groups = [group("encoder", layer, "ffn", 100, 9) for layer in range(3)]
    variances = {g.id: float(g.layer) for g in groups}
    k = allocate(groups, sparsity=0.1, strategy="variance-literal", variances=variances)
    assert list(k.values()) == [72, 90, 100]
    assert achieved_sparsity(groups, k) == pytest.approx(1 - 262 / 300)


def test_achieved_sparsity_counts_parameters() -> None:
    groups = [group("encoder", 0, "ffn", 10, 3), group("encoder", 0, "self_attention", 4, 20)]
    k = {"encoder.0.ffn": 5, "encoder.0.self_attention": 3}
    assert achieved_sparsity(groups, k) == pytest.approx((5 * 3 + 20) / 110)
    assert achieved_sparsity(groups, k, ["ffn"]) == pytest.approx(0.5)
    assert achieved_sparsity([], {}) == 0


@pytest.mark.parametrize(
    "strategy", ["variance", "variance-literal", "distortion", "output-error", "guess"]
)
def test_missing_evidence_and_unknown_strategies_are_errors(strategy: str) -> None:
    with pytest.raises(ValueError, match=r"needs|unknown allocation"):
        allocate([group("encoder", 0, "ffn", 4, 3)], sparsity=0.1, strategy=strategy)


@pytest.mark.parametrize("strategy", list(ALLOCATIONS))
def test_groups_of_one_unit_stay_as_they_are(strategy: str) -> None:
    groups = [group("encoder", layer, "self_attention", 1, 5) for layer in range(2)]
    trees = {
        g.id: MergeTree(np.empty((0, 4)), np.ones(1), residual_variance=1.0, inflation=np.ones(0))
        for g in groups
    }
    variances = {g.id: 1.0 for g in groups}
    k = allocate(groups, sparsity=0.5, strategy=strategy, trees=trees, variances=variances)
    assert set(k.values()) == {1}
