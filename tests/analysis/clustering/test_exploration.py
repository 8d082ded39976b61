"""Statistics, parameter parts, curves and maps: definitions, invariances, hand-made cases."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from analysis.clustering.cluster_views import draw_tree, head_similarities, view_cluster
from analysis.clustering.curves import first_merge_errors, knee, redundancy
from analysis.clustering.distances import unit_vectors
from analysis.clustering.projection import (
    METRICS,
    UmapSettings,
    principal_components,
    project_pca,
    project_umap,
)
from analysis.clustering.trees import build_tree
from analysis.errors import Cancelled, UserError
from analysis.figures.maps import cluster_colors, unit_map
from analysis.figures.palette import contrast_ratio
from analysis.figures.statistics import statistic_heatmap, statistic_lines
from analysis.figures.treemap import parameter_treemap
from analysis.models.anatomy import parameter_parts
from analysis.models.matrix_detail import N_BINS, matrix_detail, most_similar_pairs
from analysis.models.modules import linear_at
from analysis.models.speech_model import SpeechModel
from analysis.models.statistics import (
    STATISTIC_TITLES,
    STATISTICS,
    UNITS,
    MatrixStatistics,
    group_statistics,
    group_variances,
    matrix_label,
    matrix_names,
    model_statistics,
    nearest_cosines,
)
from analysis.models.unit_groups import unit_groups
from analysis.models.unit_weights import read_units, write_units
from tests.helpers.random_units import tree_of
from tests.helpers.tiny_models import tiny_hubert, tiny_whisper


def test_every_statistic_is_defined_and_named() -> None:
    names = [field.name for field in dataclasses.fields(MatrixStatistics)]
    assert list(STATISTICS) == names == list(STATISTIC_TITLES)


def test_variance_of_whole_units_is_the_allocations(speech_model: SpeechModel) -> None:
    statistics = model_statistics(speech_model)
    for group, variance in group_variances(speech_model).items():
        assert statistics[group, UNITS].variance == pytest.approx(variance, rel=1e-9)


def test_statistics_of_a_matrix_are_numpys(whisper: SpeechModel) -> None:
    group = next(g for g in unit_groups(whisper) if g.id == "decoder.1.cross_attention")
    weight = linear_at(whisper.model, group.input_paths["value"]).weight.double().numpy()
    found = group_statistics(whisper, group)["value"]
    heads = weight.reshape(group.n_units, -1)
    norms = np.linalg.norm(heads, axis=1)
    standard = (weight - weight.mean()) / weight.std()
    cosines = heads @ heads.T / np.outer(norms, norms)
    np.fill_diagonal(cosines, -1)
    assert found.variance == pytest.approx(weight.var())
    assert found.unit_norm == pytest.approx(norms.mean())
    assert found.norm_spread == pytest.approx(norms.std() / norms.mean(), rel=1e-4)
    assert found.kurtosis == pytest.approx((standard**4).mean() - 3, abs=1e-5)
    assert found.stable_rank == pytest.approx(
        np.square(weight).sum() / np.linalg.norm(weight, 2) ** 2, rel=1e-5
    )
    assert found.nearest_cosine == pytest.approx(cosines.max(axis=1).mean(), abs=1e-5)


def test_whole_units_are_measured_with_their_biases(whisper: SpeechModel) -> None:
    group = next(g for g in unit_groups(whisper) if g.id == "encoder.0.ffn")
    vectors = unit_vectors(whisper.model, group, "weights").astype(np.float64)
    found = group_statistics(whisper, group)[UNITS]
    norms = np.linalg.norm(vectors, axis=1)
    cosines = vectors @ vectors.T / np.outer(norms, norms)
    np.fill_diagonal(cosines, -1)
    assert found.nearest_cosine == pytest.approx(cosines.max(axis=1).mean(), abs=1e-5)
    assert found.stable_rank == pytest.approx(
        np.square(vectors).sum() / np.linalg.norm(vectors, 2) ** 2, rel=1e-5
    )


def test_second_start_reads_the_disk(whisper: SpeechModel, monkeypatch: pytest.MonkeyPatch) -> None:
    group = unit_groups(whisper)[0]
    first = group_statistics(whisper, group)
    monkeypatch.setattr("analysis.models.statistics.read_units", None)
    assert group_statistics(whisper, group) == first


def test_statistics_can_be_cancelled(whisper: SpeechModel) -> None:
    with pytest.raises(Cancelled):
        model_statistics(whisper, should_cancel=lambda: True)


def test_nearest_cosines_of_a_twin_an_opposite_and_zeros() -> None:
    vectors = np.array([[1.0, 0], [2, 0], [-1, 0], [0, 0]])
    assert nearest_cosines(vectors @ vectors.T).tolist() == [1, 1, 0, 0]
    assert np.isnan(nearest_cosines(np.ones((1, 1)))).all()


def test_labels_of_matrices(whisper: SpeechModel) -> None:
    labels = {g.block: [matrix_label(g, m) for m in matrix_names(g)] for g in unit_groups(whisper)}
    assert labels["cross_attention"] == ["Q", "K", "V", "O", "Heads"]
    assert labels["ffn"] == ["FFN in", "FFN out", "Channels"]


def test_detail_counts_every_number(speech_model: SpeechModel) -> None:
    group = unit_groups(speech_model)[1]
    for matrix in matrix_names(group):
        detail = matrix_detail(speech_model, group, matrix)
        statistics = group_statistics(speech_model, group)[matrix]
        size = group.n_parameters
        if matrix != UNITS:
            path = group.output_path if matrix == "output" else group.input_paths[matrix]
            size = linear_at(speech_model.model, path).weight.numel()
        assert len(detail.counts) == N_BINS
        assert detail.counts.sum() + detail.n_beyond == size
        assert detail.deviation**2 == pytest.approx(statistics.variance, rel=1e-6)
        assert detail.norms.mean() == pytest.approx(statistics.unit_norm)


def test_most_similar_pairs_come_once_and_in_order() -> None:
    cosines = np.array([[1, 0.2, 0.9], [0.2, 1, -0.5], [0.9, -0.5, 1]])
    pairs = most_similar_pairs(cosines, 2)
    assert [(p.first, p.second, p.cosine) for p in pairs] == [(0, 2, 0.9), (0, 1, 0.2)]
    assert len(most_similar_pairs(cosines, 10)) == 3
    assert most_similar_pairs(np.ones((1, 1)), 5) == ()


def test_parts_add_up_to_all_unique_parameters(speech_model: SpeechModel) -> None:
    parts = {part.id: part for part in parameter_parts(speech_model)}
    assert parts["model"].n_parameters == sum(p.numel() for p in speech_model.model.parameters())
    for part in parts.values():
        children = [child for child in parts.values() if child.parent == part.id]
        if children:
            assert sum(child.n_parameters for child in children) == part.n_parameters
    leaves = {part.group.id: part.n_parameters for part in parts.values() if part.group}
    assert leaves == {g.id: g.n_parameters for g in unit_groups(speech_model)}


def test_parts_that_are_never_touched_are_named(whisper: SpeechModel, hubert: SpeechModel) -> None:
    def fixed(model: SpeechModel) -> set[str]:
        parts = parameter_parts(model)
        parents = {part.parent for part in parts}
        return {part.title for part in parts if part.group is None and part.id not in parents}

    both = {"Convolutions", "Layer norms", "Output biases"}
    assert fixed(whisper) == both | {"Positions", "Token embedding"}
    assert fixed(hubert) == both | {"Other projections", "Recognition head"}


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


def test_pca_is_the_svds(whisper: SpeechModel) -> None:
    group = next(g for g in unit_groups(whisper) if g.id == "encoder.1.ffn")
    vectors = unit_vectors(whisper.model, group, "normalised").astype(np.float64)
    centred = vectors - vectors.mean(axis=0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    found = project_pca(whisper, [group], "normalised", 3)
    assert np.abs(found.coordinates) == pytest.approx(np.abs(u[:, :3] * s[:3]), abs=1e-3)
    assert found.explained == pytest.approx((s[:3] ** 2 / np.square(s).sum()).tolist(), abs=1e-5)


def test_pca_of_many_units_is_as_exact_as_the_map_needs() -> None:
    generator = np.random.default_rng(0)
    vectors = generator.standard_normal((150, 60)) * np.linspace(3, 1, 60)
    scores, explained = principal_components(vectors @ vectors.T)
    centred = vectors - vectors.mean(axis=0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    width = np.ptp(u[:, 0] * s[0])
    assert np.abs(np.abs(scores[:, :3]) - np.abs(u[:, :3] * s[:3])).max() < 1e-3 * width
    assert explained[:3] == pytest.approx(s[:3] ** 2 / np.square(s).sum(), rel=1e-4)


def test_pca_of_one_and_two_units(whisper: SpeechModel) -> None:
    group = next(g for g in unit_groups(whisper) if g.id == "decoder.0.self_attention")
    assert group.n_units == 2
    found = project_pca(whisper, [group], "weights", 3)
    assert found.coordinates.shape == (2, 3)
    assert not found.coordinates[:, 1:].any()
    assert found.explained == pytest.approx((1, 0, 0))


def test_heads_of_all_layers_in_one_map(hubert: SpeechModel) -> None:
    groups = [g for g in unit_groups(hubert) if g.component == "heads"]
    found = project_pca(hubert, groups, "weights")
    assert found.coordinates.shape == (sum(g.n_units for g in groups), 2)


def test_units_of_different_size_do_not_share_a_map(whisper: SpeechModel) -> None:
    groups = [g for g in unit_groups(whisper) if g.component == "heads"]
    with pytest.raises(UserError, match="differ in size"):
        project_pca(whisper, groups, "weights")


def test_umap_is_reproducible_and_kept_on_disk(
    whisper: SpeechModel, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = next(g for g in unit_groups(whisper) if g.id == "encoder.0.ffn")
    settings = UmapSettings(n_neighbors=5, seed=3)
    first = project_umap(whisper, [group], "weights", settings)
    assert first.coordinates.shape == (group.n_units, 2)
    assert np.isfinite(first.coordinates).all()
    assert first.explained is None
    files = list((own_cache / "projections" / whisper.weight_hash).rglob("umap-*.npz"))
    for file in files:
        file.unlink()
    again = project_umap(whisper, [group], "weights", settings)
    assert np.array_equal(first.coordinates, again.coordinates)
    monkeypatch.setattr("analysis.clustering.projection._principal_components", None)
    assert np.array_equal(
        project_umap(whisper, [group], "weights", settings).coordinates, first.coordinates
    )


@pytest.mark.parametrize("n_dimensions", [2, 3])
def test_umap_of_the_fewest_units(hubert: SpeechModel, n_dimensions: int) -> None:
    group = next(g for g in unit_groups(hubert) if g.component == "heads")
    assert group.n_units == 4
    settings = UmapSettings(n_dimensions=n_dimensions, n_neighbors=2)
    assert project_umap(hubert, [group], "weights", settings).coordinates.shape == (4, n_dimensions)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        (UmapSettings(n_neighbors=24), "24 neighbours of 24"),
        (UmapSettings(n_neighbors=1), "1 neighbours"),
        (UmapSettings(metric="taxi"), "not a metric"),
        (UmapSettings(n_dimensions=4), "cannot be drawn"),
        (UmapSettings(min_dist=1.5), "cannot be drawn"),
    ],
)
def test_umap_settings_out_of_range(
    whisper: SpeechModel, settings: UmapSettings, match: str
) -> None:
    group = next(g for g in unit_groups(whisper) if g.id == "encoder.0.ffn")
    with pytest.raises(UserError, match=match):
        project_umap(whisper, [group], "weights", settings)


def test_umap_of_too_few_units(whisper: SpeechModel) -> None:
    group = next(g for g in unit_groups(whisper) if g.id == "decoder.0.self_attention")
    with pytest.raises(UserError, match="at least 4 units; here are 2"):
        project_umap(whisper, [group], "weights", UmapSettings())


def test_metrics_are_umaps() -> None:
    from umap.distances import named_distances

    assert set(METRICS) <= set(named_distances)


def test_a_unit_of_zeros_breaks_nothing() -> None:
    model = tiny_whisper(seed=11)
    group = unit_groups(model)[0]
    with torch.no_grad():
        for path in group.input_paths.values():
            linear_at(model.model, path).weight.zero_()
    model = dataclasses.replace(model, weight_hash="zeros")
    found = group_statistics(model, group)
    assert np.isnan(found["query"].stable_rank)
    assert np.isnan(found["query"].kurtosis)
    assert found["query"].nearest_cosine == 0
    assert np.isfinite(found[UNITS].stable_rank)


def test_view_of_a_cluster_agrees_with_the_tree(whisper: SpeechModel) -> None:
    group = next(g for g in unit_groups(whisper) if g.id == "encoder.0.ffn")
    tree = build_tree(whisper, group, "weights", align_heads=True)
    labels = tree.labels(10)
    views = [
        view_cluster(whisper, group, "weights", np.flatnonzero(labels == label), align_heads=True)
        for label in range(10)
    ]
    assert sum(view.inertia for view in views) == pytest.approx(tree.inertia(10) / tree.total)
    largest = max(views, key=lambda view: len(view.members))
    vectors = unit_vectors(whisper.model, group, "weights")[largest.members].astype(np.float64)
    assert largest.mean_norm == pytest.approx(np.linalg.norm(vectors.mean(axis=0)), rel=1e-4)
    assert largest.norms == pytest.approx(np.linalg.norm(vectors, axis=1))


def test_view_of_aligned_heads_agrees_with_the_tree(hubert: SpeechModel) -> None:
    group = next(g for g in unit_groups(hubert) if g.component == "heads")
    tree = build_tree(hubert, group, "weights", align_heads=True)
    view = view_cluster(hubert, group, "weights", np.arange(group.n_units), align_heads=True)
    assert view.inertia == pytest.approx(tree.inertia(1) / tree.total, rel=1e-5)


def test_rotated_head_is_unlike_until_it_is_aligned() -> None:
    model = tiny_hubert(seed=21)
    group = next(g for g in unit_groups(model) if g.component == "heads")
    weights = read_units(model.model, group).clone()
    generator = torch.Generator().manual_seed(0)
    rotation = torch.linalg.qr(torch.randn(group.rows, group.rows, generator=generator)).Q
    for role in ("query", "key", "value"):
        weights.inputs[role][1] = rotation @ weights.inputs[role][0]
        weights.biases[role][1] = rotation @ weights.biases[role][0]
    weights.output[1] = rotation @ weights.output[0]
    write_units(model.model, group, weights)
    raw, aligned = head_similarities(model, group, "weights").values()
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


def test_figures_hold_every_unit_and_every_cell(whisper: SpeechModel) -> None:
    groups = unit_groups(whisper)
    statistics = model_statistics(whisper)
    for name in STATISTICS:
        cells = statistic_heatmap(groups, statistics, name, selected=(groups[0].id, UNITS))
        assert sum(len(bar.x) for bar in cells.data) == len(statistics)
        lines = statistic_lines(groups, statistics, name)
        assert sum(len(line.x) for line in lines.data) == len(statistics)
    group = next(g for g in groups if g.id == "encoder.0.ffn")
    tree = build_tree(whisper, group, "weights", align_heads=True)
    labels = tree.labels(7)
    chart = unit_map(group, project_pca(whisper, [group], "weights"), labels, np.sqrt(tree.norms))
    assert [point[0] for point in chart.data[0].customdata] == list(range(group.n_units))
    colors = cluster_colors(labels)
    for label in range(7):
        assert len({colors[unit] for unit in np.flatnonzero(labels == label)}) == 1


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_treemap_can_be_read_in_both_themes(whisper: SpeechModel, theme: str) -> None:
    parts = parameter_parts(whisper)
    values = {part.group.id: float(i) for i, part in enumerate(parts) if part.group}
    for chart in (
        parameter_treemap(parts, theme=theme),
        parameter_treemap(parts, values, "x", theme=theme),
    ):
        tiles = chart.data[0]
        for ink, color in zip(tiles.textfont.color, tiles.marker.colors, strict=True):
            assert contrast_ratio(ink, color) >= 4.5
