"""The view of one cluster agrees with the tree that it was cut from."""

import numpy as np
import pytest
import torch

from analysis.clustering.cluster_views import draw_tree, head_similarities, view_cluster
from analysis.clustering.distances import unit_vectors
from analysis.clustering.unit_space import UnitSpace
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_weights import read_units, write_units
from tests.helpers.random_units import tree_of
from tests.helpers.tiny_models import tiny_hubert


def test_view_of_a_cluster_agrees_with_the_tree(whisper: SpeechModel) -> None:
    group = next(g for g in whisper.groups if g.id == "encoder.0.ffn")
    tree = UnitSpace().tree(whisper, group)
    labels = tree.labels(10)
    views = [
        view_cluster(whisper, group, UnitSpace(), np.flatnonzero(labels == label))
        for label in range(10)
    ]
    assert sum(view.inertia for view in views) == pytest.approx(tree.inertia(10) / tree.total)
    largest = max(views, key=lambda view: len(view.members))
    vectors = unit_vectors(whisper.model, group, "weights")[largest.members].astype(np.float64)
    assert largest.mean_norm == pytest.approx(np.linalg.norm(vectors.mean(axis=0)), rel=1e-4)
    assert largest.norms == pytest.approx(np.linalg.norm(vectors, axis=1))


def test_view_of_aligned_heads_agrees_with_the_tree(hubert: SpeechModel) -> None:
    group = next(g for g in hubert.groups if g.component == "heads")
    tree = UnitSpace().tree(hubert, group)
    view = view_cluster(hubert, group, UnitSpace(), np.arange(group.n_units))
    assert view.inertia == pytest.approx(tree.inertia(1) / tree.total, rel=1e-5)


def test_rotated_head_is_unlike_until_it_is_aligned() -> None:
    model = tiny_hubert(seed=21)
    group = next(g for g in model.groups if g.component == "heads")
    weights = read_units(model.model, group).clone()
    generator = torch.Generator().manual_seed(0)
    rotation = torch.linalg.qr(torch.randn(group.rows, group.rows, generator=generator)).Q
    for role in ("query", "key", "value"):
        weights.inputs[role][1] = rotation @ weights.inputs[role][0]
        weights.biases[role][1] = rotation @ weights.biases[role][0]
    weights.output[1] = rotation @ weights.output[0]
    write_units(model.model, group, weights)
    raw, aligned = head_similarities(model, group, UnitSpace()).values()
    assert raw[0, 1] < 0.9
    assert aligned[0, 1] == pytest.approx(1, abs=1e-5)
    assert aligned[0, 2] < 0.9


def test_cut_of_the_drawn_tree_lies_between_two_merges() -> None:
    tree = tree_of(np.array([[0.0], [2.0], [10.0], [11.0]]))
    drawing = draw_tree(tree, 2)
    heights = np.sort(tree.merge_costs / tree.total)
    assert heights[1] < drawing.cut < heights[2]
    assert sorted(drawing.order) == [0, 1, 2, 3]
    assert np.sort(drawing.y[:, 1]) == pytest.approx(heights)
    assert draw_tree(tree, 4).cut < heights[0]
    assert draw_tree(tree, 1).cut > heights[-1]
