"""The detail of a matrix: every number counted, similar units in pairs."""

import numpy as np
import pytest

from analysis.models.matrix_detail import N_BINS, matrix_detail, most_similar_pairs
from analysis.models.modules import linear_at
from analysis.models.speech_model import SpeechModel
from analysis.models.statistics import UNITS, group_statistics, matrix_names


def test_detail_counts_every_number(speech_model: SpeechModel) -> None:
    group = speech_model.groups[1]
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
