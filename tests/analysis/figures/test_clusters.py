"""Sizes are counted from one; a tree shows its cut, or says that it lies below."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.clustering.cluster_views import draw_tree
from analysis.clustering.merge_tree import MergeTree
from analysis.figures.clusters import cluster_sizes, merge_dendrogram
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from tests.helpers.random_units import tree_of

N = 60


@pytest.fixture
def group(whisper: SpeechModel) -> UnitGroup:
    """Of as many channels as the tree has units."""
    return replace(next(g for g in whisper.groups if g.id == "encoder.0.ffn"), n_units=N)


@pytest.fixture
def tree() -> MergeTree:
    return tree_of(np.random.default_rng(0).standard_normal((N, 3)))


@pytest.mark.parametrize("k", [1, 7, N - 3, N])
def test_sizes_of_clusters_are_counted_from_one(group: UnitGroup, tree: MergeTree, k: int) -> None:
    labels = tree.labels(k)
    chart = cluster_sizes(group, labels)
    axis = chart.layout.xaxis
    assert 0 < axis.range[0] < 1 <= np.bincount(labels).max() < axis.range[1]
    assert axis.tickvals[0] == 1
    bars = chart.data[0]
    assert sum(size * number for size, number in zip(bars.x, bars.y, strict=True)) == N


def test_tree_of_channels_shows_its_last_merges_and_the_cut_among_them(
    group: UnitGroup, tree: MergeTree
) -> None:
    low = merge_dendrogram(group, draw_tree(tree, 4), 4)
    assert [line.line.dash for line in low.data].count("dash") == 1
    assert len([line for line in low.data if line.mode == "lines"]) == 30 + 1
    high = merge_dendrogram(group, draw_tree(tree, 40), 40)
    assert "dash" not in [line.line.dash for line in high.data]
    assert "none of them is made" in " ".join(high.layout.title.text.split("<br>"))
