"""Merge trees: exact inertia, compact labels, nested clusters."""

import numpy as np
import pytest
from sklearn.cluster import KMeans

from analysis.clustering.clusterings import clustering_inertia
from analysis.clustering.distances import euclidean_distances, squared_distances, unit_vectors
from analysis.clustering.merge_tree import compact_labels, ward_tree
from analysis.errors import UserError
from analysis.models.speech_model import SpeechModel
from tests.helpers.random_units import aligned_distances, clustered_vectors, inertia_of

# --- trees -------------------------------------------------------------------------------------


def test_tree_of_four_points_by_hand() -> None:
    """0, 1 | 10, 13 on a line: merges add ½·1², ½·3² and 2·2/4·11²."""
    tree = ward_tree(euclidean_distances(np.array([[0.0], [1], [10], [13]], dtype=np.float32)))
    np.testing.assert_allclose(tree.merge_costs, [0.5, 4.5, 121.0], rtol=1e-6)
    np.testing.assert_allclose(tree.inertia_curve, [np.nan, 126.0, 5.0, 0.5, 0.0], rtol=1e-6)
    assert [tree.labels(k).tolist() for k in (1, 2, 3, 4)] == [
        [0, 0, 0, 0],
        [0, 0, 1, 1],
        [0, 0, 1, 2],
        [0, 1, 2, 3],
    ]
    assert tree.total == pytest.approx(270.0)


@pytest.mark.parametrize("seed", range(4))
def test_tree_inertia_is_that_of_its_labels_for_every_k(seed: int) -> None:
    vectors = clustered_vectors(40, 6, seed)
    tree = ward_tree(euclidean_distances(vectors))
    exact = vectors.astype(np.float64)
    for k in range(1, 41):
        expected = inertia_of(exact, tree.labels(k))
        assert tree.inertia(k) == pytest.approx(expected, rel=1e-4, abs=1e-5 * tree.total)
        assert tree.inertia_curve[k] == pytest.approx(tree.inertia(k), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("align_heads", [False, True])
def test_tree_inertia_is_that_of_its_labels_on_models(
    speech_model: SpeechModel, align_heads: bool
) -> None:
    for group in speech_model.groups:
        distances = squared_distances(speech_model.model, group, "weights", align_heads=align_heads)
        tree = ward_tree(distances)
        for k in range(1, group.n_units + 1):
            expected = clustering_inertia(distances, tree.labels(k))
            assert tree.inertia(k) == pytest.approx(expected, rel=1e-4, abs=1e-6 * tree.total)


@pytest.mark.parametrize("seed", range(3))
def test_tree_of_distances_that_are_not_euclidean(seed: int) -> None:
    distances = aligned_distances(seed)
    tree = ward_tree(distances)
    assert (np.diff(tree.merge_costs) >= 0).all()
    for k in range(1, 10):
        expected = clustering_inertia(distances, tree.labels(k))
        assert tree.inertia(k) == pytest.approx(expected, rel=1e-4, abs=1e-6 * tree.total)


@pytest.mark.parametrize("seed", range(4))
def test_labels_are_compact_and_nested(seed: int) -> None:
    tree = ward_tree(euclidean_distances(clustered_vectors(30, 5, seed)))
    finer = tree.labels(30)
    assert finer.tolist() == list(range(30))
    for k in range(29, 0, -1):
        labels = tree.labels(k)
        assert labels.dtype == np.int64
        assert np.array_equal(np.unique(labels), np.arange(k))
        _, first = np.unique(labels, return_index=True)
        assert (np.diff(first) > 0).all(), "clusters are numbered by their first unit"
        # nested: a cluster at K + 1 lies in one cluster at K
        assert all(len(np.unique(labels[finer == c])) == 1 for c in range(k + 1))
        finer = labels


@pytest.mark.parametrize("seed", range(3))
def test_order_of_the_units_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((25, 8)).astype(np.float32)
    order = rng.permutation(25)
    tree = ward_tree(euclidean_distances(vectors))
    shuffled = ward_tree(euclidean_distances(vectors[order]))
    for k in range(1, 26):
        assert shuffled.inertia(k) == pytest.approx(tree.inertia(k), rel=1e-4, abs=1e-5)
        there = np.empty(25, dtype=np.int64)
        there[order] = shuffled.labels(k)
        assert np.array_equal(compact_labels(there), tree.labels(k))


@pytest.mark.parametrize("n_clusters", [0, -1, 31])
def test_impossible_k_is_refused_with_the_range(n_clusters: int) -> None:
    tree = ward_tree(euclidean_distances(clustered_vectors(30, 5, 0)))
    with pytest.raises(UserError, match="from 1 to 30"):
        tree.labels(n_clusters)
    with pytest.raises(UserError, match="from 1 to 30"):
        tree.inertia(n_clusters)


def test_one_unit_is_one_cluster() -> None:
    tree = ward_tree(euclidean_distances(np.ones((1, 3), dtype=np.float32)))
    assert tree.labels(1).tolist() == [0]
    assert tree.inertia(1) == 0
    assert tree.total == 3
    np.testing.assert_array_equal(tree.inertia_curve, [np.nan, 0.0])


def test_equal_and_zero_units_merge_for_nothing() -> None:
    tree = ward_tree(euclidean_distances(np.zeros((6, 3), dtype=np.float32)))
    assert tree.inertia(1) == 0
    assert all(len(np.unique(tree.labels(k))) == k for k in range(1, 7))


@pytest.mark.parametrize("seed", range(3))
def test_tree_is_no_worse_than_dropping_one_unit_more(seed: int) -> None:
    """inertia(K) <= squared norm that magnitude pruning drops at K - 1."""
    vectors = np.random.default_rng(seed).standard_normal((40, 12)).astype(np.float32)
    distances = euclidean_distances(vectors)
    tree = ward_tree(distances)
    dropped = np.cumsum(np.sort(distances.norms))
    for k in range(2, 41):
        assert tree.inertia(k) <= dropped[40 - k] * (1 + 1e-5)


# --- k-means -----------------------------------------------------------------------------------


def test_tree_inertia_is_no_higher_than_kmeans_on_real_weights(demo_model: SpeechModel) -> None:
    """At the ratios that keep a model usable; 256 channels a layer, for k-means is slow."""
    channels = [g for g in demo_model.groups if g.component == "ffn"]
    for group, share in ((channels[0], 0.9), (channels[-1], 0.5)):
        vectors = unit_vectors(demo_model.model, group, "weights")[:256]
        tree = ward_tree(euclidean_distances(vectors))
        k = round(share * len(vectors))
        solver = KMeans(k, n_init=1, random_state=0).fit(vectors)
        assert tree.inertia(k) <= solver.inertia_, f"{group.id} at K = {k}"


def test_real_weights_cluster_better_than_they_prune(demo_model: SpeechModel) -> None:
    for group in demo_model.groups:
        distances = squared_distances(demo_model.model, group, "weights", align_heads=True)
        tree = ward_tree(distances)
        dropped = np.cumsum(np.sort(distances.norms))
        inertia = tree.inertia_curve[2:]
        assert (inertia <= dropped[: group.n_units - 1][::-1] * (1 + 1e-5)).all(), group.id


# --- labels ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([7, 3, -1, 7], [0, 1, -1, 0]),
        ([2, 2, 2], [0, 0, 0]),
        ([-1, -1, 5], [-1, -1, 0]),
        ([-1, -1], [-1, -1]),
    ],
)
def test_compact_labels(labels: list[int], expected: list[int]) -> None:
    assert compact_labels(np.array(labels)).tolist() == expected
