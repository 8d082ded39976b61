"""Merging whatever units there are: all kept is the identity, order is nothing, sums stay."""

from dataclasses import dataclass

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from analysis.compression.merging import merge_units
from analysis.models.unit_weights import UnitWeights
from analysis.plan.choices import MERGE_RULES
from tests.helpers.random_units import random_heads

RULES = st.sampled_from(sorted(MERGE_RULES))


@dataclass(frozen=True)
class Drawn:
    """Heads, or channels where a head has one row; which of them belong together; their norms."""

    units: UnitWeights
    labels: np.ndarray
    norms: np.ndarray
    generator: np.random.Generator


@st.composite
def drawn(draw: st.DrawFn) -> Drawn:
    n, rows = draw(st.integers(1, 9)), draw(st.integers(1, 3))
    seed = draw(st.integers(0, 999))
    generator = np.random.default_rng(seed)
    n_clusters = draw(st.integers(1, n))
    rest = generator.integers(0, n_clusters, n - n_clusters)
    labels = generator.permutation(np.concatenate([np.arange(n_clusters), rest]))
    return Drawn(random_heads(n, rows, 5, seed), labels, generator.gamma(2.0, 1.0, n), generator)


def tensors(units: UnitWeights) -> dict[str, torch.Tensor]:
    biases = {f"bias of {role}": bias for role, bias in units.biases.items()}
    return {**units.inputs, **biases, "output": units.output}


@given(drawn(), RULES, st.booleans())
def test_where_all_units_stay_nothing_changes(case: Drawn, rule: str, align: bool) -> None:
    labels = np.arange(case.units.n_units)
    merged = merge_units(case.units, labels, rule, align_heads=align, norms=case.norms)
    for name, tensor in tensors(case.units).items():
        torch.testing.assert_close(tensors(merged)[name], tensor, rtol=0, atol=0)


@given(drawn(), RULES, st.booleans())
def test_the_order_of_the_units_does_not_matter(case: Drawn, rule: str, align: bool) -> None:
    order = case.generator.permutation(case.units.n_units)
    moved = case.units.take(torch.from_numpy(order))
    merged = merge_units(case.units, case.labels, rule, align_heads=align, norms=case.norms)
    again = merge_units(moved, case.labels[order], rule, align_heads=align, norms=case.norms[order])
    # of two units, each is as central as the other: which one the others turn to is their order's
    pairs = [label for label in set(case.labels) if np.sum(case.labels == label) == 2]
    decided = [label for label in set(case.labels) if label not in pairs]
    clear = decided if align or rule == "medoid" else sorted(set(case.labels))
    for name, tensor in tensors(merged).items():
        torch.testing.assert_close(tensors(again)[name][clear], tensor[clear], rtol=1e-5, atol=1e-5)


@given(drawn(), RULES)
def test_output_columns_keep_their_sum(case: Drawn, rule: str) -> None:
    merged = merge_units(case.units, case.labels, rule, align_heads=False, norms=case.norms)
    sizes = torch.from_numpy(np.bincount(case.labels)).reshape(-1, 1, 1)
    # the rule that reproduces the papers' wording averages columns, too
    columns = merged.output * (sizes if rule == "centroid" else 1)
    torch.testing.assert_close(
        columns.sum(dim=0), case.units.output.sum(dim=0), rtol=1e-5, atol=1e-5
    )
    for role, weight in merged.inputs.items():  # and no input leaves the span of its members
        for label in range(merged.n_units):
            members = case.units.inputs[role][torch.from_numpy(case.labels == label)]
            assert (weight[label] <= members.amax(dim=0) + 1e-5).all()
            assert (weight[label] >= members.amin(dim=0) - 1e-5).all()
