"""Redundancy curves and their knees, on trees made by hand."""

import numpy as np
import pytest

from analysis.clustering.curves import first_merge_errors, knee, redundancy
from tests.helpers.random_units import tree_of


def test_redundancy_of_twins_and_of_strangers() -> None:
    assert redundancy(tree_of(np.repeat(np.eye(4), 2, axis=0))) == pytest.approx(1)
    assert redundancy(tree_of(np.eye(8))) == pytest.approx(0.5)
    assert np.isnan(redundancy(tree_of(np.ones((1, 3)))))


def test_knee_is_the_number_of_tight_clusters() -> None:
    generator = np.random.default_rng(0)
    centres = 10 * generator.standard_normal((6, 20))
    vectors = np.repeat(centres, 15, axis=0) + 0.1 * generator.standard_normal((90, 20))
    assert knee(tree_of(vectors)) in (5, 6, 7)


def test_knee_where_nothing_bends() -> None:
    assert knee(tree_of(np.ones((5, 3)))) == 5
    assert knee(tree_of(np.eye(2))) == 2


def test_first_merge_of_a_hand_made_tree() -> None:
    # 0 and 1 are 2 apart: the merge adds ½·2² = 2 to an inertia whose scale is 0 + 4 + 100
    tree = tree_of(np.array([[0.0], [2.0], [10.0]]))
    errors = first_merge_errors(tree)
    assert errors[:2] == pytest.approx([2 / 104, 2 / 104])
    assert errors[2] == pytest.approx((10 - 1) ** 2 * 2 / 3 / 104)
    assert errors[:2].sum() / 2 + errors[2] == pytest.approx(tree.inertia(1) / tree.total)
