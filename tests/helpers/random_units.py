"""Units, merge trees and moments drawn at random, and what is known of them."""

import numpy as np
import torch

from analysis.clustering.distances import (
    SquaredDistances,
    euclidean_distances,
    procrustes_distances,
)
from analysis.clustering.merge_tree import MergeTree, ward_tree
from analysis.models.unit_weights import UnitWeights


def random_heads(n: int, rows: int, hidden: int, seed: int) -> UnitWeights:
    """Heads with query and value biases, as Whisper's are."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    return UnitWeights(
        {role: draw(n, rows, hidden) for role in ("query", "key", "value")},
        {role: draw(n, rows) for role in ("query", "value")},
        draw(n, rows, hidden),
    )


def rotation(rows: int, seed: int) -> torch.Tensor:
    """A random orthogonal matrix."""
    generator = torch.Generator().manual_seed(seed)
    orthogonal, _ = torch.linalg.qr(
        torch.randn(rows, rows, generator=generator, dtype=torch.float64)
    )
    return orthogonal


def rotated(weights: UnitWeights, unit: int, seed: int) -> UnitWeights:
    """Rotate one head inside Q/K and, differently, inside V/O: its function stays."""
    inner, outer = (rotation(weights.output.shape[1], seed + i).float() for i in (0, 100))
    turned = weights.clone()
    for role, turn in (("query", inner), ("key", inner), ("value", outer)):
        turned.inputs[role][unit] = turn @ weights.inputs[role][unit]
        if role in weights.biases:
            turned.biases[role][unit] = turn @ weights.biases[role][unit]
    turned.output[unit] = outer @ weights.output[unit]
    return turned


def clustered_vectors(n: int, dim: int, seed: int) -> np.ndarray:
    """Units of unequal size around a few centres, some of them equal."""
    rng = np.random.default_rng(seed)
    centres = 3 * rng.standard_normal((4, dim))
    vectors = centres[rng.integers(4, size=n)] + rng.gamma(1.0, 1.0, (n, 1)) * rng.standard_normal(
        (n, dim)
    )
    vectors[n // 2] = vectors[0]
    return vectors.astype(np.float32)


def inertia_of(vectors: np.ndarray, labels: np.ndarray) -> float:
    """Σ ‖x - mean of its cluster‖², straight from the definition."""
    return sum(
        float(np.square(vectors[labels == c] - vectors[labels == c].mean(axis=0)).sum())
        for c in np.unique(labels)
    )


def aligned_distances(seed: int) -> SquaredDistances:
    """Of heads; squared Procrustes distances are those of no set of points."""
    return procrustes_distances(random_heads(9, 3, 8, seed))


def tree_of(vectors: np.ndarray) -> MergeTree:
    return ward_tree(euclidean_distances(vectors.astype(np.float32)))


def random_moments(width: int, seed: int) -> torch.Tensor:
    drawn = torch.randn(
        4 * width, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    return drawn.T @ drawn / len(drawn)
