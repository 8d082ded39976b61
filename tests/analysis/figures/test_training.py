"""Pictures of a training run say what it found."""

from dataclasses import replace

import pytest

from analysis.figures.training import (
    loss_curve,
    running_mean,
    short_name,
    sparsity_map,
    threshold_map,
    wer_curve,
)
from analysis.plan.training_record import DISTILLATION, OWN_WORDS
from analysis.training.log import TrainingCurves


@pytest.fixture
def curves() -> TrainingCurves:
    """Two steps of four with two gates, and the WER before training."""
    names = ("hubert.encoder.layers.0.attention.q_proj", "hubert.encoder.layers.1.attention.q_proj")
    steps = [
        {
            "step": step,
            "loss": 1.0 / step,
            "learning_rate": 1e-4,
            "sparsity": 0.1 * step,
            "wanted": 0.3,
            "thresholds": dict(zip(names, (0.01, 0.02 * step), strict=True)),
            "sparsities": dict(zip(names, (0.05, 0.15 * step), strict=True)),
        }
        for step in (1, 2)
    ]
    validations = [{"step": 0, "epoch": 0, "wer": 0.4}, {"step": 2, "epoch": 1, "wer": 0.3}]
    return TrainingCurves({"n_steps": 4}, steps, validations)


def test_pictures_show_the_run_and_say_what_it_found(curves: TrainingCurves) -> None:
    loss, wer = loss_curve(curves), wer_curve(curves)
    assert list(loss.data[0].y) == [1.0, 0.5]
    assert loss.layout.xaxis.range == (0, 4)  # the axis is the whole run's from the start
    assert list(wer.data[0].y) == [0.4, 0.3]
    assert wer.layout.title.text == "Validation WER: 40.0% before training, 30.0% after epoch 1"
    sparsities, thresholds = sparsity_map(curves), threshold_map(curves)
    assert sparsities.data[0].z.tolist() == [[0.05, 0.05], [0.15, 0.3]]
    assert sparsities.layout.title.text == "20.0% pinched, 30.0% wanted at this step"
    assert list(sparsities.layout.yaxis.ticktext) == ["encoder 0", "encoder 1"]
    assert thresholds.layout.title.text == "Thresholds: the highest is 0.04, in encoder 1"


def test_pictures_of_a_run_without_data_say_what_they_are_against(curves: TrainingCurves) -> None:
    start = {"method": DISTILLATION, "validation_against": OWN_WORDS, "n_steps": 4}
    steps = [row | {"objective": 3.0 * row["loss"]} for row in curves.steps]
    taught = replace(curves, start=start, steps=steps)
    assert list(loss_curve(taught).data[0].y) == [3.0, 1.5]
    assert loss_curve(taught).layout.title.text.startswith("Distance to the original: ")
    wer = wer_curve(taught).layout
    assert wer.title.text == "Divergence from the original: 40.0% before, 30.0% after epoch 1"
    assert wer.yaxis.title.text == "divergence from the original's own words"


def test_running_mean_has_no_bias_to_the_first_value() -> None:
    assert running_mean([2.0, 2.0, 2.0]) == pytest.approx([2.0, 2.0, 2.0])
    means = running_mean([0.0] * 5 + [1.0] * 200)
    assert means[4] == 0
    assert means[-1] == pytest.approx(1, abs=1e-6)
    assert means == sorted(means)


def test_names_are_short() -> None:
    assert short_name("model.decoder.layers.2.fc1") == "decoder 2 fc1"
    assert short_name("decoder.0.cross_attention") == "decoder 0 cross_attention"
