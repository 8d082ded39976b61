"""Ranks of heads: a basis that changes no score, whose end can be missed best."""

import numpy as np
import pytest
import torch

from analysis.clustering.contributions import measure_groups
from analysis.clustering.merge_tree import nested_tree
from analysis.clustering.ranks import balanced, basis_of, rank_basis, ranked_units
from analysis.clustering.scores import ScoreMoments, score_moments
from analysis.clustering.unit_space import UnitSpace, heads_of
from analysis.models.modules import linear_at
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup, with_ranks
from analysis.models.unit_weights import UnitWeights, read_units
from analysis.speech.excitation import Excitation


def _moment(seed: int, width: int = 6) -> torch.Tensor:
    """A second moment whose directions differ in strength a hundredfold."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(width, 40, generator=generator, dtype=torch.float64)
    mixed = torch.randn(width, width, generator=generator, dtype=torch.float64) @ (
        torch.logspace(0, -2, width, dtype=torch.float64)[:, None] * drawn
    )
    return mixed @ mixed.T / 40


def _error(one: torch.Tensor, other: torch.Tensor, missed: torch.Tensor) -> float:
    """E[(qᵀ·M·k)²] of independent q and k with these second moments."""
    return float((one @ missed @ other @ missed.T).trace())


def test_both_sides_get_the_same_diagonal_moments_and_no_product_changes() -> None:
    one, other = _moment(0), _moment(1)
    to_one, to_other, values = balanced(one, other)
    identity = torch.eye(6, dtype=torch.float64)
    torch.testing.assert_close(to_one.T @ to_other, identity, rtol=0, atol=1e-8)
    torch.testing.assert_close(to_one @ one @ to_one.T, values.diag(), rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(to_other @ other @ to_other.T, values.diag(), rtol=1e-6, atol=1e-9)
    assert (values.diff() <= 0).all()


@pytest.mark.parametrize("rank", [1, 3, 5])
def test_no_other_cut_misses_less(rank: int) -> None:
    """What is missed is the sum of the squares of what is cut, and random cuts miss more."""
    one, other = _moment(2), _moment(3)
    to_one, to_other, values = balanced(one, other)
    missed = to_one[rank:].T @ to_other[rank:]
    error = _error(one, other, missed)
    assert error == pytest.approx(float(values[rank:].square().sum()), rel=1e-6)
    generator = torch.Generator().manual_seed(4)
    identity = torch.eye(6, dtype=torch.float64)
    for _ in range(20):
        left, right = (
            torch.randn(6, rank, generator=generator, dtype=torch.float64) for _ in range(2)
        )
        # the best core between random sides, for independent q and k
        core = torch.linalg.solve(left.T @ one @ left, left.T @ one @ other @ right)
        core = core @ torch.linalg.inv(right.T @ other @ right)
        assert _error(one, other, identity - left @ core @ right.T) >= error


def test_directions_that_are_never_used_are_no_obstacle() -> None:
    """A head of zeros, and one that asks in one direction only."""
    query = torch.stack([torch.zeros(3, 3), torch.diag(torch.tensor([4.0, 0.0, 0.0]))]).double()
    basis = basis_of(ScoreMoments(query, torch.eye(3).double().expand(2, 3, 3)))
    assert basis.query.isfinite().all()
    product = basis.query.mT @ basis.key
    torch.testing.assert_close(product, torch.eye(3).double().expand(2, 3, 3))
    np.testing.assert_allclose(basis.values[1], [2.0, 0.0, 0.0], atol=1e-3)


def _ranks(model: SpeechModel) -> list[UnitGroup]:
    return [group for group in with_ranks(model.groups) if group.inside]


def _attention(units: UnitWeights, asking: torch.Tensor, asked: torch.Tensor) -> torch.Tensor:
    """What the softmax makes of the scores of every head: (n_heads, queries, keys)."""
    found = []
    for role, states in (("query", asking), ("key", asked)):
        rows = units.inputs[role].transpose(0, 1) @ states.T
        if role in units.biases:
            rows = rows + units.biases[role].T.unsqueeze(-1)
        found.append(rows)
    return (found[0].mT @ found[1]).softmax(dim=-1)


@pytest.mark.parametrize("listens", [True, False])
def test_all_ranks_in_their_basis_attend_as_the_head_does(
    speech_model: SpeechModel, sound: Excitation, listens: bool
) -> None:
    generator = torch.Generator().manual_seed(0)
    asking, asked = torch.randn(2, 5, speech_model.config.hidden_size, generator=generator)
    for ranks in _ranks(speech_model):
        heads = heads_of(speech_model, ranks)
        basis = rank_basis(speech_model, heads, sound if listens else None)
        new = ranked_units(speech_model, ranks, basis)
        old = read_units(speech_model.model, ranks)
        torch.testing.assert_close(
            _attention(new, asking, asked), _attention(old, asking, asked), rtol=1e-4, atol=1e-5
        )


def test_moments_are_those_of_the_queries_and_keys_that_were_heard(
    hubert: SpeechModel, sound: Excitation
) -> None:
    """Of one head, against the states that a hook takes from the model itself."""
    heads = next(group for group in hubert.groups if group.component == "heads")
    measured = measure_groups(hubert, sound, [heads])[heads.id].scores
    assert measured is not None
    taken: dict[str, list[torch.Tensor]] = {"query": [], "key": []}
    hooks = [
        linear_at(hubert.model, heads.input_paths[role]).register_forward_hook(
            lambda _, __, output, role=role: taken[role].append(output[0, :, 8:16].double())
        )
        for role in taken
    ]
    try:
        for clip in sound.clips:
            inputs = hubert.processor.feature_extractor(
                clip, sampling_rate=16_000, return_tensors="pt"
            )
            with torch.inference_mode():
                hubert.model(inputs.input_values)
    finally:
        for hook in hooks:
            hook.remove()
    query, key = (torch.cat(taken[role]) for role in ("query", "key"))
    expected = query.T @ query / len(query)
    torch.testing.assert_close(measured.query[1], expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(measured.key[1], key.T.cov(correction=0), rtol=1e-4, atol=1e-6)
    kept = score_moments(hubert, sound, heads)
    torch.testing.assert_close(kept.query, measured.query, rtol=1e-5, atol=1e-6)


def test_a_nested_tree_is_of_one_order_whatever_the_method() -> None:
    tree = nested_tree(np.array([9.0, 4.0, 2.0, 1.0]))
    assert tree.inertia_curve[1:].tolist() == pytest.approx([7.0, 3.0, 1.0, 0.0])
    assert tree.removal is not None
    assert tree.removal.labels(2).tolist() == [0, 1, -1, -1]
    assert tree.removal.error(2) == 3.0
    assert tree.labels(2).tolist() == [0, 1, 1, 1]


@pytest.mark.parametrize("distance", ["weights", "contribution", "influence"])
def test_a_rank_costs_less_the_later_it_stands(
    whisper: SpeechModel, sound: Excitation, distance: str
) -> None:
    space = UnitSpace(distance, excitation=None if distance == "weights" else sound)
    for ranks in _ranks(whisper):
        tree = space.tree(whisper, ranks)
        assert tree.n_units == ranks.n_units
        assert (np.diff(tree.norms) <= 1e-12).all()
        assert (np.diff(tree.merge_costs) >= -1e-12).all()
