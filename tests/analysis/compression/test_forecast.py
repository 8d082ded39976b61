"""The forecast of the sliders is what compressing then measures."""

import pytest

from analysis.clustering.trees import build_trees
from analysis.compression.allocation import allocate
from analysis.compression.compress import compress
from analysis.compression.forecast import error_curve, forecast, measured_error
from analysis.models.speech_model import SpeechModel
from analysis.plan.compression_plan import CompressionPlan
from analysis.plan.recipe import Recipe


@pytest.mark.parametrize("method", ["cluster", "magnitude", "random"])
def test_forecast_is_exact_for_ward_and_the_baselines(whisper: SpeechModel, method: str) -> None:
    groups = whisper.groups
    trees = build_trees(whisper)
    n_clusters = allocate(groups, sparsity=0.4)
    plan = CompressionPlan(
        origin=whisper.origin,
        recipe=Recipe.read({"method": method}),
        n_clusters=n_clusters,
    )
    made = compress(whisper, plan, trees=trees)
    expected = forecast(trees, n_clusters, method)
    for name, group in made.groups.items():
        assert group.error == pytest.approx(expected.errors[name], rel=1e-6)
    assert measured_error(trees, made) == pytest.approx(expected.error, rel=1e-6)


def test_nothing_is_lost_where_every_unit_stays(whisper: SpeechModel) -> None:
    trees = build_trees(whisper)
    full = {name: tree.n_units for name, tree in trees.items()}
    assert forecast(trees, full, "cluster").error == 0


def test_error_curve_falls_to_zero_at_n(whisper: SpeechModel) -> None:
    trees = build_trees(whisper)
    for group in whisper.groups:
        ks, errors = error_curve(group, trees[group.id], "cluster")
        assert (ks[0], ks[-1]) == (1, group.n_units)
        assert list(errors) == sorted(errors, reverse=True)
        assert errors[-1] == 0
