"""Merging by hand: means in, sums out, and heads that are the same but for a rotation."""

import math

import numpy as np
import pytest
import torch

from analysis.compression.merging import align_to, find_medoid, merge_units
from analysis.models.unit_weights import UnitWeights
from analysis.plan.choices import MERGE_RULES
from tests.helpers.random_units import random_heads, rotated

# Three channels on a hidden size of 2: rows of W1, their biases, columns of W2.
ROWS = [[1.0, 2.0], [3.0, 6.0], [-1.0, 5.0]]
BIASES = [0.5, 1.5, 2.0]
COLUMNS = [[1.0, 0.0], [2.0, -4.0], [7.0, 7.0]]


def channels(
    rows: list[list[float]] = ROWS,
    biases: list[float] = BIASES,
    columns: list[list[float]] = COLUMNS,
) -> UnitWeights:
    return UnitWeights(
        {"input": torch.tensor(rows).unsqueeze(1)},
        {"input": torch.tensor(biases).unsqueeze(1)},
        torch.tensor(columns).unsqueeze(1),
    )


def parts(merged: UnitWeights) -> tuple[list[list[float]], list[float], list[list[float]]]:
    return (
        merged.inputs["input"][:, 0].tolist(),
        merged.biases["input"][:, 0].tolist(),
        merged.output[:, 0].tolist(),
    )


def merge(weights: UnitWeights, labels: list[int], rule: str, align: bool = False) -> UnitWeights:
    norms = np.arange(1.0, len(labels) + 1)  # only "weighted" looks at them
    return merge_units(weights, np.array(labels), rule, align_heads=align, norms=norms)


def head_outputs(heads: UnitWeights, signal: torch.Tensor) -> torch.Tensor:
    """What heads add to the residual stream, summed; (time, hidden). Attention from scratch."""
    signal = signal.double()
    total = torch.zeros_like(signal)
    for h in range(heads.n_units):
        projected = {}
        for role, weight in heads.inputs.items():
            projected[role] = signal @ weight[h].double().T
            if role in heads.biases:
                projected[role] = projected[role] + heads.biases[role][h].double()
        scores = projected["query"] @ projected["key"].T / math.sqrt(weight.shape[1])
        total += scores.softmax(dim=-1) @ projected["value"] @ heads.output[h].double()
    return total


def test_three_channels_by_hand_mean() -> None:
    rows, biases, columns = parts(merge(channels(), [0, 0, 1], "mean"))
    assert rows == [[2.0, 4.0], [-1.0, 5.0]]
    assert biases == [1.0, 2.0]
    assert columns == [[3.0, -4.0], [7.0, 7.0]]


def test_three_channels_by_hand_centroid() -> None:
    rows, biases, columns = parts(merge(channels(), [0, 0, 1], "centroid"))
    assert rows == [[2.0, 4.0], [-1.0, 5.0]]
    assert biases == [1.0, 2.0]
    assert columns == [[1.5, -2.0], [7.0, 7.0]]


def test_three_channels_by_hand_medoid() -> None:
    # squared distances: 0-1: 4+16+1+1+16 = 38, 0-2: 4+9+2.25+36+49 = 100.25,
    # 1-2: 16+1+.25+25+121 = 163.25; sums 138.25, 201.25, 263.5: channel 0 is the medoid
    rows, biases, columns = parts(merge(channels(), [0, 0, 0], "medoid"))
    assert rows == [[1.0, 2.0]]
    assert biases == [0.5]
    assert columns == [[10.0, 3.0]]


def test_three_channels_by_hand_weighted() -> None:
    """Norms 1, 2, 3: the last one has half of the say."""
    rows, biases, columns = parts(merge(channels(), [0, 0, 0], "weighted"))
    by_hand = (np.array(ROWS).T @ [1, 2, 3] / 6).tolist()
    assert rows == [pytest.approx(by_hand)]
    assert biases == [pytest.approx(float(np.array(BIASES) @ [1, 2, 3] / 6))]
    assert columns == [np.array(COLUMNS).sum(axis=0).tolist()]


@pytest.mark.parametrize("rule", list(MERGE_RULES))
def test_dropped_channels_are_gone_and_the_others_stay_bit_by_bit(rule: str) -> None:
    rows, biases, columns = parts(merge(channels(), [-1, 0, 1], rule))
    assert rows == ROWS[1:]
    assert biases == BIASES[1:]
    assert columns == COLUMNS[1:]


@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("rule", list(MERGE_RULES))
def test_one_unit_per_cluster_is_the_identity(rule: str, align: bool) -> None:
    heads = random_heads(4, 3, 5, seed=0)
    merged = merge(heads, [0, 1, 2, 3], rule, align)
    assert torch.equal(merged.vectors(), heads.vectors())


@pytest.mark.parametrize("rule", list(MERGE_RULES))
def test_numbers_of_the_clusters_are_the_order_of_the_merged(rule: str) -> None:
    rows, _, _ = parts(merge(channels(), [2, 0, 1], rule))
    assert rows == [ROWS[1], ROWS[2], ROWS[0]]


@pytest.mark.parametrize("rule", ["mean", "medoid"])
def test_equal_channels_add_their_columns_and_nothing_else(rule: str) -> None:
    """0.1 is no binary fraction: a mean of three in float32 would not be it again."""
    row, bias = [0.1, -0.7], 0.3
    same = channels([row] * 3, [bias] * 3, [[0.25, 1.0], [0.5, 1.0], [4.0, 1.0]])
    merged = merge(same, [0, 0, 0], rule)
    assert torch.equal(merged.inputs["input"], same.inputs["input"][:1])
    assert torch.equal(merged.biases["input"], same.biases["input"][:1])
    assert merged.output[:, 0].tolist() == [[4.75, 3.0]]


def test_weights_given_are_not_written_to() -> None:
    heads = random_heads(4, 3, 5, seed=1)
    before = heads.vectors().clone()
    merge(heads, [0, 0, 0, 1], "mean", align=True)
    assert torch.equal(heads.vectors(), before)


def test_the_reference_attention_does_not_see_rotations() -> None:
    """Otherwise the tests below would prove nothing."""
    heads = random_heads(3, 4, 6, seed=2)
    signal = torch.randn(7, 6, generator=torch.Generator().manual_seed(0))
    before = head_outputs(heads, signal)
    torch.testing.assert_close(
        head_outputs(rotated(heads, 1, seed=5), signal), before, rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("seed", range(3))
def test_aligning_changes_no_heads_function(seed: int) -> None:
    heads = random_heads(4, 4, 6, seed)
    signal = torch.randn(7, 6, generator=torch.Generator().manual_seed(seed))
    aligned = align_to(heads, medoid=2)
    for unit in range(4):
        index = torch.tensor([unit])
        torch.testing.assert_close(
            head_outputs(aligned.take(index), signal),
            head_outputs(heads.take(index), signal),
            rtol=1e-4,
            atol=1e-4,
        )
    assert torch.equal(
        aligned.take(torch.tensor([2])).vectors(), heads.take(torch.tensor([2])).vectors()
    )


@pytest.mark.parametrize("rule", ["mean", "medoid"])
@pytest.mark.parametrize("seed", range(3))
def test_rotated_copies_merge_without_loss_once_aligned(seed: int, rule: str) -> None:
    heads = random_heads(3, 4, 6, seed)
    for part in (*heads.inputs.values(), *heads.biases.values(), heads.output):
        part[2] = part[0]
    heads = rotated(heads, 2, seed)
    signal = torch.randn(9, 6, generator=torch.Generator().manual_seed(seed))
    before = head_outputs(heads, signal)

    aligned = head_outputs(merge(heads, [0, 1, 0], rule, align=True), signal)
    torch.testing.assert_close(aligned, before, rtol=1e-3, atol=1e-3)
    naive = head_outputs(merge(heads, [0, 1, 0], rule), signal)
    assert (naive - before).norm() > 0.2 * before.norm()


def test_medoid_is_the_most_central() -> None:
    line = channels([[0.0, 0.0], [1.0, 0.0], [9.0, 0.0]], [0.0] * 3, [[0.0, 0.0]] * 3)
    assert find_medoid(line, align_heads=False) == 1


def test_aligned_medoid_sees_through_rotations() -> None:
    heads = random_heads(3, 4, 6, seed=9)
    weights = heads.clone()
    for part in (*weights.inputs.values(), *weights.biases.values(), weights.output):
        part[1] = 0.5 * (part[0] + part[2])  # between the other two
    turned = rotated(rotated(weights, 0, seed=1), 2, seed=2)
    assert find_medoid(turned, align_heads=True) == 1


def test_unknown_rule_lists_the_known() -> None:
    with pytest.raises(ValueError, match="mean, weighted, medoid, centroid"):
        merge(channels(), [0, 0, 0], "median")
