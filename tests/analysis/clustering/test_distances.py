"""Distances between units, against direct computation and against what they promise."""

import copy

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from torch import nn

from analysis.clustering.distances import (
    distance_weights,
    euclidean_distances,
    procrustes_distances,
    squared_distances,
    unit_vectors,
)
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_weights import read_units
from tests.helpers.random_units import random_heads, rotated


@pytest.mark.parametrize("seed", range(4))
def test_gram_distances_equal_direct_ones(seed: int) -> None:
    rng = np.random.default_rng(seed)
    # an offset shared by all units is what makes ‖x‖² + ‖y‖² - 2·x·y lose digits
    vectors = (rng.standard_normal((30, 17)) + 100 * seed).astype(np.float32)
    found = euclidean_distances(vectors)
    expected = cdist(vectors.astype(np.float64), vectors.astype(np.float64), "sqeuclidean")
    np.testing.assert_allclose(found.matrix, expected, rtol=2e-4, atol=2e-4)
    np.testing.assert_allclose(found.norms, np.square(vectors.astype(np.float64)).sum(axis=1))


@pytest.mark.parametrize("align_heads", [False, True])
@pytest.mark.parametrize("distance", ["weights", "normalised"])
def test_distances_are_symmetric_non_negative_and_zero_on_the_diagonal(
    speech_model: SpeechModel, distance: str, align_heads: bool
) -> None:
    for group in speech_model.groups:
        found = squared_distances(speech_model.model, group, distance, align_heads=align_heads)
        assert found.matrix.shape == (group.n_units, group.n_units)
        assert np.array_equal(found.matrix, found.matrix.T)
        assert (found.matrix >= 0).all()
        assert (np.diagonal(found.matrix) == 0).all()


def test_normalised_folds_the_layer_norm_in(speech_model: SpeechModel) -> None:
    """The folded projection of the bare normalised signal is the projection itself."""
    bare = torch.randn(
        5, speech_model.config.hidden_size, generator=torch.Generator().manual_seed(0)
    )
    for group in speech_model.groups:
        folded = distance_weights(speech_model.model, group, "normalised")
        assert torch.equal(folded.output, read_units(speech_model.model, group).output)
        for role, path in group.input_paths.items():
            norm = speech_model.model.get_submodule(group.norm_path(role))
            linear = speech_model.model.get_submodule(path)
            assert isinstance(norm, nn.LayerNorm)
            assert isinstance(linear, nn.Linear)
            expected = linear(bare * norm.weight + norm.bias)
            weight = folded.inputs[role].reshape(-1, bare.shape[1])
            found = bare @ weight.T
            if role in folded.biases:
                found = found + folded.biases[role].reshape(-1)
            else:  # a bias that does not exist stays absent: what is missing is a constant
                expected = expected - linear(norm.bias)
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_unknown_distance_lists_the_known(whisper: SpeechModel) -> None:
    with pytest.raises(ValueError, match="weights, normalised"):
        unit_vectors(whisper.model, whisper.groups[0], "cosine")


@pytest.mark.parametrize("seed", range(3))
def test_rotated_copies_have_distance_zero(seed: int) -> None:
    weights = random_heads(4, 6, 10, seed)
    for part in (*weights.inputs.values(), *weights.biases.values(), weights.output):
        part[3] = part[1]
    turned = rotated(weights, 3, seed)
    found = procrustes_distances(turned)
    scale = found.norms.mean()
    assert found.matrix[1, 3] < 1e-5 * scale
    assert found.matrix[0, 1] > 0.1 * scale
    assert euclidean_distances(turned.vectors().numpy()).matrix[1, 3] > 0.1 * scale


@pytest.mark.parametrize("seed", range(3))
def test_procrustes_does_not_see_rotations(seed: int) -> None:
    weights = random_heads(5, 4, 9, seed)
    turned = weights
    for unit in range(5):
        turned = rotated(turned, unit, seed + unit)
    expected, found = procrustes_distances(weights), procrustes_distances(turned)
    np.testing.assert_allclose(found.matrix, expected.matrix, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(found.norms, expected.norms, rtol=1e-5)


def test_procrustes_is_the_least_over_rotations() -> None:
    """Never above the plain distance; in two rows, equal to a search over all angles."""
    weights = random_heads(2, 2, 7, seed=3)
    found = procrustes_distances(weights).matrix[0, 1]
    assert found <= euclidean_distances(weights.vectors().numpy()).matrix[0, 1]

    def frame(unit: int, roles: tuple[str, ...], output: bool) -> torch.Tensor:
        parts = [weights.inputs[role][unit] for role in roles]
        parts += [weights.biases[role][unit, :, None] for role in roles if role in weights.biases]
        return torch.cat([*parts, *([weights.output[unit]] if output else [])], dim=1).double()

    total = 0.0
    angles = torch.linspace(0, 2 * torch.pi, 4001, dtype=torch.float64)
    cosine, sine = angles.cos(), angles.sin()
    turns = torch.stack([cosine, -sine, sine, cosine], dim=-1).reshape(-1, 2, 2)
    flips = turns * torch.tensor([1.0, -1.0], dtype=torch.float64)  # reflections are allowed too
    for roles, output in ((("query", "key"), False), (("value",), True)):
        first, second = frame(0, roles, output), frame(1, roles, output)
        gaps = (first - torch.cat([turns, flips]) @ second).square().sum(dim=(1, 2))
        total += float(gaps.min())
    assert found == pytest.approx(total, rel=1e-4)


def test_fp16_and_bf16_weights_are_compared_in_float32(whisper: SpeechModel) -> None:
    group = whisper.groups[0]
    for dtype in (torch.float16, torch.bfloat16):
        module = copy.deepcopy(whisper.model)
        module.to(dtype=dtype)  # type: ignore[call-arg]
        vectors = unit_vectors(module, group, "weights")
        assert vectors.dtype == np.float32
        assert np.isfinite(
            squared_distances(module, group, "weights", align_heads=True).norms
        ).all()
