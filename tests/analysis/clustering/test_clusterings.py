"""Hartigan moves and k-means: inertia never rises, labels are compact, K is exact."""

import numpy as np
import pytest

from analysis.clustering.clusterings import clustering_inertia, hartigan_refine, kmeans_labels
from analysis.clustering.distances import euclidean_distances
from analysis.clustering.merge_tree import compact_labels, ward_tree
from analysis.errors import UserError
from tests.helpers.random_units import aligned_distances, clustered_vectors, inertia_of

# --- Hartigan ----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n_clusters", [1, 2, 7, 20, 39, 40])
def test_hartigan_never_raises_inertia_and_keeps_k(seed: int, n_clusters: int) -> None:
    vectors = clustered_vectors(40, 6, seed)
    distances = euclidean_distances(vectors)
    before = ward_tree(distances).labels(n_clusters)
    after = hartigan_refine(distances, before)
    assert np.array_equal(np.unique(after), np.arange(n_clusters))
    assert inertia_of(vectors, after) <= inertia_of(vectors, before) * (1 + 1e-6)


def test_hartigan_mends_a_bad_start() -> None:
    vectors = clustered_vectors(40, 6, 0)
    distances = euclidean_distances(vectors)
    start = compact_labels(np.random.default_rng(0).permutation(40) % 4)
    kept = start.copy()
    after = hartigan_refine(distances, start)
    assert np.array_equal(start, kept), "the labels given are not written to"
    assert inertia_of(vectors, after) < 0.8 * inertia_of(vectors, start)
    # no single move is left that lowers the inertia: the definition, tried out
    least = inertia_of(vectors.astype(np.float64), after)
    for unit in range(40):
        if (after == after[unit]).sum() == 1:
            continue
        for target in range(4):
            moved = after.copy()
            moved[unit] = target
            assert inertia_of(vectors.astype(np.float64), moved) >= least * (1 - 1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_hartigan_on_distances_that_are_not_euclidean(seed: int) -> None:
    distances = aligned_distances(seed)
    start = compact_labels(np.random.default_rng(seed).permutation(9) % 3)
    after = hartigan_refine(distances, start)
    assert len(np.unique(after)) == 3
    assert clustering_inertia(distances, after) <= clustering_inertia(distances, start)


# --- k-means -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seeding", ["k-means++", "random"])
@pytest.mark.parametrize("n_clusters", [1, 5, 29, 30])
def test_kmeans_gives_exactly_k_compact_clusters_again_and_again(
    n_clusters: int, seeding: str
) -> None:
    vectors = np.random.default_rng(0).standard_normal((30, 5)).astype(np.float32)
    labels = kmeans_labels(vectors, n_clusters, seed=3, n_init=2, init=seeding)
    assert np.array_equal(np.unique(labels), np.arange(n_clusters))
    again = kmeans_labels(vectors, n_clusters, seed=3, n_init=2, init=seeding)
    assert np.array_equal(labels, again)


def test_kmeans_finds_what_is_plain() -> None:
    vectors = np.array([[0.0, 0], [0, 0.1], [9, 9], [9, 9.1], [-9, 9]], dtype=np.float32)
    assert kmeans_labels(vectors, 3, seed=0, n_init=5).tolist() == [0, 0, 1, 1, 2]


def test_kmeans_of_too_few_distinct_units_says_so() -> None:
    vectors = np.repeat(np.eye(2, 4, dtype=np.float32), 3, axis=0)
    with pytest.warns(match="distinct clusters"), pytest.raises(UserError, match="only 2 distinct"):
        kmeans_labels(vectors, 4, seed=0)


# --- labels ------------------------------------------------------------------------------------


def test_inertia_from_distances_is_inertia_from_means() -> None:
    vectors = clustered_vectors(30, 5, 1)
    labels = compact_labels(np.random.default_rng(1).integers(6, size=30))
    found = clustering_inertia(euclidean_distances(vectors), labels)
    assert found == pytest.approx(inertia_of(vectors.astype(np.float64), labels), rel=1e-4)
