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


def test_last_merges_are_drawn_of_a_large_tree() -> None:
    points = np.random.default_rng(3).standard_normal((60, 4))
    tree = tree_of(points)
    drawing = draw_tree(tree, 5)
    assert len(drawing.y) == 30
    assert np.sort(drawing.y[:, 1]) == pytest.approx(tree.merge_costs[-30:] / tree.total)
    labels = tree.labels(31)
    assert sum(drawing.sizes) == 60
    assert sorted(labels[list(drawing.order)].tolist()) == list(range(31))
    for unit, size in zip(drawing.order, drawing.sizes, strict=True):
        assert size == (labels == labels[unit]).sum()
        assert unit == np.flatnonzero(labels == labels[unit])[0]
    # brackets join neighbours: what the highest joins is all that two clusters hold
    top = drawing.y[:, 1].argmax()
    left = [unit for place, unit in enumerate(drawing.order) if place < drawing.x[top].mean()]
    assert len({int(tree.labels(2)[unit]) for unit in left}) == 1


def test_heap_of_unlike_weak_channels_is_told_from_a_family() -> None:
    model = tiny_hubert(seed=5)
    group = next(g for g in model.groups if g.component == "ffn")
    weights = read_units(model.model, group).clone()
    weights.biases["input"].zero_()
    family, heap = np.arange(3), np.arange(3, 19)
    for unit in family:
        weights.inputs["input"][unit] = weights.inputs["input"][0]
        weights.output[unit] = weights.output[0]
    for place, unit in enumerate(heap):  # at right angles to each other
        weights.inputs["input"][unit] = 0
        weights.output[unit] = 0
        weights.inputs["input"][unit, 0, place] = 1e-3
    write_units(model.model, group, weights)
    alike = view_cluster(model, group, UnitSpace(), family)
    assert alike.mean_cosine == pytest.approx(1)
    assert alike.kept_norm == pytest.approx(1)
    assert not alike.is_heap
    unlike = view_cluster(model, group, UnitSpace(), heap)
    assert unlike.mean_cosine == pytest.approx(0, abs=1e-4)
    assert unlike.kept_norm == pytest.approx(0.25, rel=1e-4)  # 1/√16 of equal ones at right angles
    assert unlike.is_heap
    assert unlike.is_weak
    norms = np.linalg.norm(unit_vectors(model.model, group, "weights"), axis=1)
    assert unlike.strength == pytest.approx(1e-3 / norms.mean(), rel=1e-4)
    everything = view_cluster(model, group, UnitSpace(), np.arange(group.n_units))
    assert everything.strength == pytest.approx(1)
    assert not view_cluster(model, group, UnitSpace(), heap[:1]).is_heap
    assert not view_cluster(model, group, UnitSpace(), heap[:3]).is_heap, "a mean of few keeps much"
