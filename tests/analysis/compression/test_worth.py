"""What a group is worth as a curve: it meets what was measured, and says where that was."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.clustering.merge_tree import MergeTree, Removal
from analysis.compression.sensitivity import Sensitivity, measured_points, with_sensitivity
from analysis.compression.worth import CURVE_POINTS, SHARES, losses, worth_of
from analysis.models.speech_model import SpeechModel
from tests.helpers.random_units import tree_of


def measured_tree(n_units: int, divergence: tuple[float, ...]) -> MergeTree:
    """A tree of random units whose costs are 1, 2, 3, … and that was measured."""
    tree = tree_of(np.random.default_rng(0).standard_normal((n_units, 3)))
    costs = np.arange(1.0, n_units)
    tree = replace(tree, removal=Removal(np.arange(n_units - 1), costs))
    measured = {"group": Sensitivity(measured_points(n_units), divergence)}
    return with_sensitivity({"group": tree}, measured)["group"]


def test_the_curve_meets_what_was_measured_and_begins_with_nothing() -> None:
    worth = worth_of(measured_tree(10, (3.0, 20.0)))
    assert worth.measured == (1, 4)
    assert worth.divergence[0] == 0
    np.testing.assert_allclose(worth.divergence[[1, 4]], [3.0, 20.0])
    # foreseen 1, 3, 6, 10: the scale goes from 3 to 2 on a logarithmic line
    np.testing.assert_allclose(worth.divergence[2], 3 * 3 * (2 / 3) ** (1 / 3))
    np.testing.assert_allclose(worth.divergence[9], 45 * 2)


def test_a_picture_gets_few_points_and_all_that_were_measured() -> None:
    worth = worth_of(measured_tree(1000, (0.1, 0.2)))
    counts = worth.curve()
    assert set(worth.measured) <= set(counts)
    assert len(counts) <= CURVE_POINTS + len(worth.measured)
    assert (counts[0], counts[-1]) == (1, 999)
    assert counts == sorted(set(counts))


def test_losses_are_whole_units_and_say_where_they_were_measured(whisper: SpeechModel) -> None:
    trees = {
        g.id: measured_tree(g.n_units, tuple(0.1 * n for n in measured_points(g.n_units)))
        for g in whisper.groups
    }
    worths = {name: worth_of(tree) for name, tree in trees.items()}
    found = losses(whisper.groups, worths)
    assert [loss.share for loss in found] == list(SHARES) * len(whisper.groups)
    for loss in found:
        n = loss.group.n_units
        assert 1 <= loss.n_removed < n
        assert abs(loss.n_removed - loss.share * n) <= 1
        assert loss.measured == (loss.n_removed in measured_points(n))
        if loss.measured:
            assert loss.divergence == pytest.approx(0.1 * loss.n_removed)


def test_what_was_not_measured_is_refused() -> None:
    with pytest.raises(ValueError, match="not measured"):
        worth_of(tree_of(np.random.default_rng(0).standard_normal((4, 3))))
