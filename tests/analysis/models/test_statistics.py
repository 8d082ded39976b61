"""Statistics of unit groups: definitions, invariances, hand-made cases."""

import dataclasses

import numpy as np
import pytest
import torch

from analysis.clustering.distances import unit_vectors
from analysis.errors import Cancelled
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
from analysis.models.unit_weights import read_units
from analysis.progress import Watch
from tests.helpers.tiny_models import tiny_whisper


def test_every_statistic_is_defined_and_named() -> None:
    names = [field.name for field in dataclasses.fields(MatrixStatistics)]
    assert list(STATISTICS) == names == list(STATISTIC_TITLES)


def test_variance_of_whole_units_is_the_allocations(speech_model: SpeechModel) -> None:
    statistics = model_statistics(speech_model)
    variances = group_variances(speech_model)
    assert set(variances) == {group.id for group in speech_model.groups_for(["ranks"])}
    for group in speech_model.groups:
        expected = pytest.approx(variances[group.id], rel=1e-9)
        assert statistics[group.id, UNITS].variance == expected


def test_statistics_of_a_matrix_are_numpys(whisper: SpeechModel) -> None:
    group = next(g for g in whisper.groups if g.id == "decoder.1.cross_attention")
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
    group = next(g for g in whisper.groups if g.id == "encoder.0.ffn")
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
    group = whisper.groups[0]
    first = group_statistics(whisper, group)
    monkeypatch.setattr("analysis.models.statistics.read_units", None)
    assert group_statistics(whisper, group) == first


def test_statistics_can_be_cancelled(whisper: SpeechModel) -> None:
    with pytest.raises(Cancelled):
        model_statistics(whisper, watch=Watch(should_cancel=lambda: True))


def test_nearest_cosines_of_a_twin_an_opposite_and_zeros() -> None:
    vectors = np.array([[1.0, 0], [2, 0], [-1, 0], [0, 0]])
    assert nearest_cosines(vectors @ vectors.T).tolist() == [1, 1, 0, 0]
    assert np.isnan(nearest_cosines(np.ones((1, 1)))).all()


def test_labels_of_matrices(whisper: SpeechModel) -> None:
    labels = {g.block: [matrix_label(g, m) for m in matrix_names(g)] for g in whisper.groups}
    assert labels["cross_attention"] == ["Q", "K", "V", "O", "Heads"]
    assert labels["ffn"] == ["FFN in", "FFN out", "Channels"]


def test_a_unit_of_zeros_breaks_nothing() -> None:
    model = tiny_whisper(seed=11)
    group = model.groups[0]
    with torch.no_grad():
        for path in group.input_paths.values():
            linear_at(model.model, path).weight.zero_()
    model = dataclasses.replace(model, weight_hash="zeros")
    found = group_statistics(model, group)
    assert np.isnan(found["query"].stable_rank)
    assert np.isnan(found["query"].kurtosis)
    assert found["query"].nearest_cosine == 0
    assert np.isfinite(found[UNITS].stable_rank)


def test_group_variance_is_that_of_all_its_numbers(hubert: SpeechModel) -> None:
    found = group_variances(hubert)
    for unit_group in hubert.groups:
        weights = read_units(hubert.model, unit_group)
        parts = [*weights.inputs.values(), *weights.biases.values(), weights.output]
        numbers = np.concatenate([part.double().numpy().ravel() for part in parts])
        assert found[unit_group.id] == pytest.approx(numbers.var())
