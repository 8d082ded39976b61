"""Maps of units: the principal components exactly, UMAP reproducibly and in its limits."""

from pathlib import Path

import numpy as np
import pytest

from analysis.clustering.distances import unit_vectors
from analysis.clustering.projection import (
    METRICS,
    UmapSettings,
    principal_components,
    project_pca,
    project_umap,
)
from analysis.clustering.unit_space import UnitSpace
from analysis.errors import UserError
from analysis.models.speech_model import SpeechModel


def test_pca_is_the_svds(whisper: SpeechModel) -> None:
    group = next(g for g in whisper.groups if g.id == "encoder.1.ffn")
    vectors = unit_vectors(whisper.model, group, "normalised").astype(np.float64)
    centred = vectors - vectors.mean(axis=0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    found = project_pca(whisper, [group], UnitSpace("normalised"), 3)
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
    group = next(g for g in whisper.groups if g.id == "decoder.0.self_attention")
    assert group.n_units == 2
    found = project_pca(whisper, [group], UnitSpace(), 3)
    assert found.coordinates.shape == (2, 3)
    assert not found.coordinates[:, 1:].any()
    assert found.explained == pytest.approx((1, 0, 0))


def test_heads_of_all_layers_in_one_map(hubert: SpeechModel) -> None:
    groups = [g for g in hubert.groups if g.component == "heads"]
    found = project_pca(hubert, groups, UnitSpace())
    assert found.coordinates.shape == (sum(g.n_units for g in groups), 2)


def test_units_of_different_size_do_not_share_a_map(whisper: SpeechModel) -> None:
    groups = [g for g in whisper.groups if g.component == "heads"]
    with pytest.raises(UserError, match="differ in size"):
        project_pca(whisper, groups, UnitSpace())


@pytest.mark.slow
def test_umap_is_reproducible_and_kept_on_disk(
    whisper: SpeechModel, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = next(g for g in whisper.groups if g.id == "encoder.0.ffn")
    settings = UmapSettings(n_neighbors=5, seed=3)
    first = project_umap(whisper, [group], UnitSpace(), settings)
    assert first.coordinates.shape == (group.n_units, 2)
    assert np.isfinite(first.coordinates).all()
    assert first.explained is None
    files = list((own_cache / "projections" / whisper.cache_name).rglob("umap-*.npz"))
    for file in files:
        file.unlink()
    again = project_umap(whisper, [group], UnitSpace(), settings)
    assert np.array_equal(first.coordinates, again.coordinates)
    monkeypatch.setattr("analysis.clustering.projection._principal_components", None)
    assert np.array_equal(
        project_umap(whisper, [group], UnitSpace(), settings).coordinates, first.coordinates
    )


@pytest.mark.slow
@pytest.mark.parametrize("n_dimensions", [2, 3])
def test_umap_of_the_fewest_units(hubert: SpeechModel, n_dimensions: int) -> None:
    group = next(g for g in hubert.groups if g.component == "heads")
    assert group.n_units == 4
    settings = UmapSettings(n_dimensions=n_dimensions, n_neighbors=2)
    assert project_umap(hubert, [group], UnitSpace(), settings).coordinates.shape == (
        4,
        n_dimensions,
    )


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
    group = next(g for g in whisper.groups if g.id == "encoder.0.ffn")
    with pytest.raises(UserError, match=match):
        project_umap(whisper, [group], UnitSpace(), settings)


def test_umap_of_too_few_units(whisper: SpeechModel) -> None:
    group = next(g for g in whisper.groups if g.id == "decoder.0.self_attention")
    with pytest.raises(UserError, match="at least 4 units; here are 2"):
        project_umap(whisper, [group], UnitSpace(), UmapSettings())


def test_metrics_are_umaps() -> None:
    from umap.distances import named_distances

    assert set(METRICS) <= set(named_distances)
