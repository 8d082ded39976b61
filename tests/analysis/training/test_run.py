"""Training on: a resumed run equals an uninterrupted one, and folders are never shared."""

import os
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from analysis.compression.compress import compress
from analysis.compression.lineage import as_variant
from analysis.delivery.saving import save
from analysis.errors import Cancelled, UserError
from analysis.evaluation.corpora import Corpus
from analysis.models.loading import load
from analysis.models.speech_model import SpeechModel
from analysis.plan.training_settings import GateSettings
from analysis.training import trainer as speech_trainer
from analysis.training.data import Batch, TrainingData
from analysis.training.log import read_log
from analysis.training.losses import distillation_loss
from analysis.training.run import clear_state, train
from tests.helpers import tiny_models
from tests.helpers.training_runs import (
    QUICK,
    WORDS,
    assert_same,
    batch_of,
    quiet_copy,
    task_of,
    weights,
    write_clips,
)


@pytest.mark.parametrize("family", ["whisper", "hubert", "wav2vec2"])
def test_a_run_learns_and_is_saved(
    family: str, corpus: Corpus, validation: Corpus, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    model: SpeechModel = request.getfixturevalue(family)
    settings = QUICK.changed(epochs=20, learning_rate=3e-3, warm_up=0.0)
    task = task_of(model, corpus, validation, settings=settings)
    trained = train(model, task, tmp_path / "run")
    curves = read_log(tmp_path / "run")
    losses = [row["loss"] for row in curves.steps]
    assert len(losses) == 40
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    assert [row["epoch"] for row in curves.validations] == list(range(21))
    assert curves.ended == "finished"
    best = min(row["wer"] for row in curves.validations[1:])
    [record] = trained.training
    assert record.validation_wer == pytest.approx(best)
    assert (record.method, record.utterances, record.steps) == ("fine-tuning", 8, 40)
    before, after = weights(model), weights(trained)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert not [name for name in changed if "feature_extractor" in name]
    assert not [name for name in changed if "encoder.embed_positions" in name]
    for group in model.groups:
        assert f"{group.output_path}.weight" in changed
    save(trained, tmp_path / "saved")
    again = load(str(tmp_path / "saved"))
    torch.testing.assert_close(
        tiny_models.logits(again), tiny_models.logits(trained), rtol=0, atol=0
    )
    assert again.training == trained.training
    assert as_variant(model, again).model.training == trained.training


GATES = {
    "plain": None,
    "elements": GateSettings(sparsity=0.5),
    "units": GateSettings(kind="units", sparsity=0.4),
}


@pytest.mark.parametrize("gates", GATES)
@pytest.mark.parametrize("stop_at", [1, 2, 3])
def test_stopped_and_resumed_equals_uninterrupted(
    gates: str, stop_at: int, hubert: SpeechModel, corpus: Corpus, validation: Corpus,
    tmp_path: Path,
) -> None:  # fmt: skip
    """By SIGTERM within an epoch or at its end; dropout and SpecAugment draw on as before."""
    assert hubert.config.hidden_dropout > 0
    assert hubert.config.apply_spec_augment
    task = task_of(hubert, corpus, validation, GATES[gates])
    whole = train(hubert, task, tmp_path / "whole")

    def stop(done: int, total: int, note: str) -> None:
        assert total == 4
        if done == stop_at:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Cancelled):
        train(hubert, task, tmp_path / "parts", progress=stop)
    assert read_log(tmp_path / "parts").ended == "stopped"
    torch.manual_seed(12345)  # another process would start from other states
    np.random.seed(12345)  # noqa: NPY002
    resumed = train(hubert, task, tmp_path / "parts")
    assert_same(resumed, whole)
    ours, theirs = read_log(tmp_path / "parts"), read_log(tmp_path / "whole")
    assert [row["loss"] for row in ours.steps] == pytest.approx(
        [row["loss"] for row in theirs.steps], rel=1e-6
    )
    assert [row["wer"] for row in ours.validations] == [row["wer"] for row in theirs.validations]


def test_killed_and_resumed_equals_uninterrupted(
    hubert: SpeechModel, corpus: Corpus, validation: Corpus, tmp_path: Path
) -> None:
    """What dies without a word goes back to its last epoch; half a checkpoint is not believed."""
    task = task_of(hubert, corpus, validation, GateSettings(sparsity=0.5))
    whole = train(hubert, task, tmp_path / "whole")

    def die(done: int, total: int, note: str) -> None:
        if done == 3:
            raise MemoryError

    with pytest.raises(MemoryError):
        train(hubert, task, tmp_path / "parts", progress=die)
    torn = tmp_path / "parts" / "checkpoint-3"
    torn.mkdir()
    (torn / "model.safetensors").write_bytes(b"half of")
    assert_same(train(hubert, task, tmp_path / "parts"), whole)
    steps = [row["step"] for row in read_log(tmp_path / "parts").steps]
    assert steps == [1, 2, 3, 4]


@pytest.mark.parametrize("rates", [(0.9, 0.1, 0.5), (0.9, 0.5, 0.1)])
def test_the_epoch_of_the_best_validation_is_kept(
    rates: tuple[float, ...], hubert: SpeechModel, corpus: Corpus, validation: Corpus,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    heard = iter(rates)

    def evaluate(*arguments: object, **settings: object) -> SimpleNamespace:
        return SimpleNamespace(total=SimpleNamespace(wer=next(heard)))

    monkeypatch.setattr(speech_trainer, "evaluate", evaluate)
    trained = train(hubert, task_of(hubert, corpus, validation), tmp_path / "run")
    stored = [
        load_file(tmp_path / "run" / f"checkpoint-{step}" / "model.safetensors") for step in (2, 4)
    ]
    best = rates.index(0.1) - 1
    ours = weights(trained)
    same = [all(torch.equal(ours[name], one[name]) for name in ours) for one in stored]
    assert same == [best == 0, best == 1]
    assert trained.training[0].validation_wer == 0.1


def test_pinching_goes_on_from_zeros(
    hubert: SpeechModel, corpus: Corpus, validation: Corpus, tmp_path: Path
) -> None:
    settings = QUICK.changed(epochs=8)
    shares, model = [], hubert
    for index, share in enumerate((0.3, 0.5)):
        gates = GateSettings(sparsity=share)
        task = task_of(model, corpus, validation, gates, settings)
        model = train(model, task, tmp_path / str(index))
        shares.append(model.training[-1].sparsity or 0.0)
    assert 0.1 < shares[0] < shares[1]


def test_a_run_that_was_killed_before_it_was_saved_is_only_saved(
    hubert: SpeechModel, corpus: Corpus, validation: Corpus, tmp_path: Path
) -> None:
    task = task_of(hubert, corpus, validation, GateSettings(sparsity=0.5))
    first = train(hubert, task, tmp_path / "run")

    def refuse(done: int, total: int, note: str) -> None:
        raise AssertionError("trained again")

    again = train(hubert, task, tmp_path / "run", progress=refuse)
    assert_same(again, first)
    assert again.training == first.training


def test_two_runs_do_not_share_a_folder(
    hubert: SpeechModel, corpus: Corpus, validation: Corpus, tmp_path: Path
) -> None:
    task = task_of(hubert, corpus, validation)

    def intrude(done: int, total: int, note: str) -> None:
        if done == 1:
            with pytest.raises(UserError, match="Another process is training"):
                train(hubert, task, tmp_path / "run")

    assert train(hubert, task, tmp_path / "run", progress=intrude).training
    assert len(read_log(tmp_path / "run").steps) == 4


def test_another_run_in_the_same_folder_is_refused(
    hubert: SpeechModel, corpus: Corpus, validation: Corpus, tmp_path: Path
) -> None:
    task = task_of(hubert, corpus, validation, settings=QUICK.changed(epochs=1))
    train(hubert, task, tmp_path / "run")
    with pytest.raises(UserError, match="other data or settings"):
        train(hubert, replace(task, settings=QUICK), tmp_path / "run")
    data = task.data
    assert isinstance(data, TrainingData)
    corrected = replace(data, labels=(data.labels[1], data.labels[0], *data.labels[2:]))
    with pytest.raises(UserError, match="other data or settings"):
        train(hubert, replace(task, data=corrected), tmp_path / "run")


def test_a_folder_without_a_checkpoint_is_taken_over(
    hubert: SpeechModel, corpus: Corpus, validation: Corpus, tmp_path: Path
) -> None:
    """There is nothing to lose in it."""
    task = task_of(hubert, corpus, validation, settings=QUICK.changed(epochs=1))
    train(hubert, task, tmp_path / "run")
    clear_state(tmp_path / "run")
    train(hubert, replace(task, settings=QUICK), tmp_path / "run")
    assert [row["step"] for row in read_log(tmp_path / "run").steps] == [1, 2, 3, 4]


def test_validation_needs_words(hubert: SpeechModel, corpus: Corpus, tmp_path: Path) -> None:
    silent = write_clips(tmp_path / "silent", ("", ""))
    with pytest.raises(UserError, match="hold no word"):
        train(hubert, task_of(hubert, corpus, silent), tmp_path / "run")


def test_a_teacher_pulls_a_student(
    hubert: SpeechModel, corpus: Corpus, validation: Corpus, tmp_path: Path
) -> None:
    """With nothing but the teacher in the loss, a compressed model comes closer to it."""
    compressed = shrunk(hubert)
    settings = QUICK.changed(epochs=30, teacher_weight=1.0, learning_rate=3e-3, weight_decay=0.0)
    task = task_of(compressed, corpus, validation, settings=settings)
    trained = train(compressed, task, tmp_path / "run", teacher=hubert)
    batch = batch_of(hubert, corpus)
    distances = [distance(model, hubert, batch) for model in (trained, compressed)]
    assert distances[0] < 0.8 * distances[1]
    assert trained.plan == compressed.plan
    assert trained.training[0].after_plans == 1
    with pytest.raises(UserError, match="cannot teach"):
        train(hubert, task, tmp_path / "other", teacher=tiny_models.tiny_wav2vec2())


def shrunk(model: SpeechModel) -> SpeechModel:
    return compress(model, tiny_models.make_plan(model)).model


def distance(model: SpeechModel, teacher: SpeechModel, batch: Batch) -> float:
    fed = {name: batch[name] for name in ("input_values", "attention_mask")}
    with torch.no_grad():
        own = model.model(**fed, output_hidden_states=True)
        goal = teacher.model(**fed, output_hidden_states=True)
        return float(distillation_loss(own, goal, batch, ("hidden_states",)))


def test_accumulated_gradients_make_the_loss_curve_of_whole_batches(
    validation: Corpus, tmp_path: Path
) -> None:
    """Also where the last clips fill no whole batch."""
    model = load(str(quiet_copy(tiny_models.tiny_hubert(large=True), tmp_path / "model")))
    corpus = write_clips(tmp_path / "clips", (*WORDS, "gab", "bee"))
    curves = []
    for parts in (1, 2):
        settings = QUICK.changed(accumulation=parts)
        task = task_of(model, corpus, validation, GateSettings(sparsity=0.5), settings)
        train(model, task, tmp_path / str(parts))
        steps = read_log(tmp_path / str(parts)).steps
        assert len(steps) == 4
        curves.append([row[key] for row in steps for key in ("loss", "objective")])
    assert curves[0] == pytest.approx(curves[1], rel=1e-4)
