"""The pruning baselines: which units stay, and what dropping the others costs."""

import numpy as np
import pytest

from analysis.clustering.distances import euclidean_distances
from analysis.clustering.merge_tree import MergeTree, ward_tree
from analysis.compression.selection import predicted_error, pruning_error, pruning_labels
from analysis.errors import UserError

LENGTHS = (3.0, 1.0, 2.0, 5.0, 1.0)


@pytest.fixture(scope="module")
def tree() -> MergeTree:
    """Five orthogonal units of lengths 3, 1, 2, 5, 1: squared norms 9, 1, 4, 25, 1 of 40."""
    return ward_tree(euclidean_distances(np.diag(LENGTHS).astype(np.float32)))


def test_magnitude_keeps_the_longest_in_their_order(tree: MergeTree) -> None:
    labels = pruning_labels(tree, 2, "magnitude", seed=0, group="encoder.0.ffn")
    assert labels.tolist() == [0, -1, -1, 1, -1]
    assert pruning_error(tree, labels) == pytest.approx(6 / 40)


def test_magnitude_drops_the_first_of_equals(tree: MergeTree) -> None:
    labels = pruning_labels(tree, 4, "magnitude", seed=0, group="encoder.0.ffn")
    assert labels.tolist() == [0, -1, 1, 2, 3]


@pytest.mark.parametrize("n_clusters", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("method", ["magnitude", "random"])
def test_exactly_k_units_stay(tree: MergeTree, method: str, n_clusters: int) -> None:
    labels = pruning_labels(tree, n_clusters, method, seed=1, group="encoder.0.ffn")
    assert labels[labels >= 0].tolist() == list(range(n_clusters))
    error = predicted_error(tree, n_clusters, method, seed=1, group="encoder.0.ffn")
    assert error == pruning_error(tree, labels)
    assert (error == 0) == (n_clusters == 5)


def test_random_is_drawn_anew_by_seed_and_by_group_only(tree: MergeTree) -> None:
    big = ward_tree(euclidean_distances(np.eye(50, dtype=np.float32)))

    def draw(seed: int, group: str) -> list[int]:
        return pruning_labels(big, 25, "random", seed=seed, group=group).tolist()

    assert draw(0, "encoder.0.ffn") == draw(0, "encoder.0.ffn")
    assert draw(0, "encoder.0.ffn") != draw(1, "encoder.0.ffn")
    assert draw(0, "encoder.0.ffn") != draw(0, "encoder.1.ffn")


def test_random_keeps_what_it_kept_as_k_grows() -> None:
    """Nested, as clusters are, so that a slider does not reshuffle everything."""
    tree = ward_tree(euclidean_distances(np.eye(20, dtype=np.float32)))
    kept: set[int] = set()
    for k in range(1, 21):
        labels = pruning_labels(tree, k, "random", seed=4, group="encoder.0.ffn")
        now = set(np.flatnonzero(labels >= 0).tolist())
        assert kept < now
        kept = now


def test_predicted_error_of_clusters_by_hand(tree: MergeTree) -> None:
    """The two units of length 1 merge first: inertia 2·(½·√2)² = 1 of 40."""
    assert predicted_error(tree, 4, "cluster", seed=0, group="") == pytest.approx(1 / 40)
    assert predicted_error(tree, 5, "cluster", seed=0, group="") == 0


def test_units_without_weight_cost_nothing() -> None:
    nothing = ward_tree(euclidean_distances(np.zeros((4, 3), dtype=np.float32)))
    for method in ("cluster", "magnitude", "random"):
        assert predicted_error(nothing, 1, method, seed=0, group="") == 0


@pytest.mark.parametrize("n_clusters", [0, 6])
def test_impossible_k_is_refused(tree: MergeTree, n_clusters: int) -> None:
    with pytest.raises(UserError, match="from 1 to 5"):
        pruning_labels(tree, n_clusters, "magnitude", seed=0, group="encoder.0.ffn")


def test_cluster_is_no_pruning_method(tree: MergeTree) -> None:
    with pytest.raises(ValueError, match="cluster"):
        pruning_labels(tree, 2, "cluster", seed=0, group="encoder.0.ffn")
