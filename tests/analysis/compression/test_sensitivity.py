"""What each group is worth: measured as a compression of that group alone would be."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.clustering.merge_tree import Removal
from analysis.clustering.trees import build_trees
from analysis.clustering.unit_space import UnitSpace
from analysis.compression.compress import compress
from analysis.compression.divergence import check_clips, divergence, log_probabilities
from analysis.compression.sensitivity import (
    Sensitivity,
    measure_sensitivity,
    with_sensitivity,
)
from analysis.models.speech_model import SpeechModel
from analysis.speech.excitation import Excitation
from tests.helpers.random_units import tree_of
from tests.helpers.repaired_models import listening_plan


def test_it_is_the_divergence_of_the_group_alone(
    speech_model: SpeechModel, sound: Excitation
) -> None:
    space = UnitSpace("influence", excitation=sound)
    trees = build_trees(speech_model, space, removal=True)
    measured = measure_sensitivity(speech_model, trees, sound)
    clips = check_clips(speech_model)
    original = log_probabilities(speech_model, speech_model.model, clips)
    assert divergence(speech_model, speech_model.model, clips, original) == 0
    middle = len(speech_model.groups) // 2
    for group in (speech_model.groups[0], speech_model.groups[middle], speech_model.groups[-1]):
        [*_, count] = measured[group.id].n_removed
        plan = listening_plan(
            speech_model,
            sound,
            method="surgeon",
            distance="influence",
            n_clusters={group.id: group.n_units - count},
        )
        made = compress(speech_model, plan, trees=trees, excitation=sound).model
        moved = divergence(speech_model, made.model, clips, original)
        assert moved == pytest.approx(measured[group.id].divergence[-1], rel=1e-3, abs=1e-7)


def test_costs_meet_what_was_measured() -> None:
    tree = tree_of(np.random.default_rng(0).standard_normal((8, 3)))
    costs = np.arange(1.0, 8.0)
    tree = replace(tree, removal=Removal(np.arange(7), costs))
    measured = {"group": Sensitivity((2, 5), (6.0, 150.0))}
    inflation = with_sensitivity({"group": tree}, measured)["group"].inflation
    assert inflation is not None
    np.testing.assert_allclose((np.cumsum(costs) * inflation)[[1, 4]], [6.0, 150.0])
    np.testing.assert_allclose(inflation[[0, 6]], [2.0, 10.0])
