"""Training on: what is learned, a resumed run equals an uninterrupted one, two processes one."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from transformers import PreTrainedModel

from analysis import cli
from analysis.audio import SAMPLING_RATE
from analysis.checkpoints import SpeechModel, load
from analysis.corpora import Corpus, read_corpus
from analysis.errors import Cancelled, UserError
from analysis.finetuning import Task, train
from analysis.lineage import as_variant
from analysis.saving import save
from analysis.trained import sparse_bytes, zero_shares
from analysis.training_data import IGNORED, Batch, Collator, EpochSampler, training_data
from analysis.training_log import TrainingLog, read_log
from analysis.training_losses import distillation_loss, hidden_fields, task_loss
from analysis.training_settings import GateSettings, TrainingSettings
from analysis.units import read_units, unit_groups
from tests import tiny_models
from tests.talking_models import sound
from tests.unit.test_evaluation import ROOT, accelerate_launch

WORDS = ("one", "two", "cab", "add a", "bad", "dab", "fee", "egg")
QUICK = TrainingSettings(epochs=2, batch_size=4, learning_rate=1e-3, normaliser="none")


def write_clips(folder: Path, texts: tuple[str, ...], seed: int = 0) -> Corpus:
    """Noise of growing length with a transcript each."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["file_name,transcription"]
    for index, text in enumerate(texts):
        soundfile.write(folder / f"{index}.wav", sound(1 + index / 8, seed + index), SAMPLING_RATE)
        rows.append(f"{index}.wav,{text}")
    (folder / "metadata.csv").write_text("\n".join(rows))
    return read_corpus(folder)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return write_clips(tmp_path_factory.mktemp("clips"), WORDS)


@pytest.fixture(scope="module")
def validation(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return write_clips(tmp_path_factory.mktemp("validation"), WORDS[:2], seed=50)


def task_of(
    model: SpeechModel,
    corpus: Corpus,
    validation: Corpus,
    gates: GateSettings | None = None,
    settings: TrainingSettings = QUICK,
) -> Task:
    return Task(training_data(model, corpus), corpus.name, validation, settings, gates)


def weights(model: SpeechModel) -> dict[str, torch.Tensor]:
    return dict(model.model.named_parameters())


def batch_of(model: SpeechModel, corpus: Corpus) -> Batch:
    data = training_data(model, corpus)
    return Collator(model)([data[index] for index in range(4)])


# -- data


def test_ctc_labels_spell_words_between_delimiters(hubert: SpeechModel, corpus: Corpus) -> None:
    tokenizer = hubert.processor.tokenizer
    data = training_data(hubert, corpus)
    spelled = {tuple(tokenizer.convert_ids_to_tokens(list(ids))) for ids in data.labels}
    assert ("a", "d", "d", "|", "a") in spelled
    assert len(data) == len(WORDS)


def test_transcripts_take_the_case_and_letters_of_the_vocabulary(
    hubert: SpeechModel, tmp_path: Path
) -> None:
    data = training_data(hubert, write_clips(tmp_path, ("CAB. BAD!", "Ünter", "", "4 DAD")))
    tokenizer = hubert.processor.tokenizer
    assert "".join(tokenizer.convert_ids_to_tokens(list(data.labels[0]))) == "cab|bad"
    reasons = {fault.where: fault.reason for fault in data.faults}
    assert "has no “ü”" in reasons["1.wav"]
    assert reasons["2.wav"] == "Nothing is said in it."
    assert "has no “4”" in reasons["3.wav"]


def test_bundled_hubert_learns_whole_words() -> None:
    model = load("demo-hubert")
    corpus = read_corpus(ROOT / "demo" / "clips")
    data = training_data(model, corpus)
    tokenizer = model.processor.tokenizer
    words = corpus.utterances[0].text.lower().split()
    tokens = tokenizer.convert_ids_to_tokens(list(data.labels[0]))
    assert [token for token in tokens if token != "|"] == words


def test_whisper_learns_the_transcript_behind_its_prompt(
    whisper: SpeechModel, corpus: Corpus
) -> None:
    batch = batch_of(whisper, corpus)
    tokenizer = whisper.processor.tokenizer
    labels = batch["labels"][0]
    text = tokenizer.decode(labels[labels != IGNORED])
    assert text.endswith("<|endoftext|>")
    assert "<|startoftranscript|>" not in text
    assert tokenizer.decode(labels[labels != IGNORED], skip_special_tokens=True) == WORDS[0]
    assert int(batch["decoder_input_ids"][0, 0]) == whisper.config.decoder_start_token_id
    assert torch.equal(batch["decoder_input_ids"][0, 1:4], labels[:3])


def test_what_cannot_be_learned_is_named(
    hubert: SpeechModel, whisper: SpeechModel, corpus: Corpus, tmp_path: Path
) -> None:
    long = training_data(hubert, corpus, max_seconds=1.3)
    assert len(long) == 3
    assert long.faults[0].reason == "It lasts 1.4 s, more than 1.3 s."
    wordy = training_data(hubert, write_clips(tmp_path, ("a " * 200, "cab")))
    assert "too few for the 399 tokens" in wordy.faults[0].reason
    assert (
        "more than"
        in training_data(whisper, write_clips(tmp_path, ("a " * 40, "cab"))).faults[0].reason
    )
    with pytest.raises(UserError, match="can learn from no clip"):
        training_data(hubert, corpus, max_seconds=0.5)


def test_epochs_differ_and_repeat(hubert: SpeechModel, corpus: Corpus) -> None:
    data = training_data(hubert, corpus)
    epochs = iter((0, 1, 0))
    orders = [list(EpochSampler(data, 4, 0, epochs.__next__)) for _ in range(3)]
    assert orders[0] == orders[2] != orders[1]
    assert sorted(orders[1]) == list(range(len(WORDS)))


# -- losses


def test_ctc_loss_is_the_librarys(hubert: SpeechModel, corpus: Corpus) -> None:
    batch = batch_of(hubert, corpus)
    with torch.no_grad():
        inputs = {name: batch[name] for name in ("input_values", "attention_mask")}
        expected = hubert.model(**inputs, labels=batch["labels"])
        found = task_loss(expected.logits, batch, hubert.config.pad_token_id)
    assert hubert.config.ctc_loss_reduction == "sum"
    torch.testing.assert_close(found, expected.loss)


def test_cross_entropy_is_the_librarys(whisper: SpeechModel, corpus: Corpus) -> None:
    batch = batch_of(whisper, corpus)
    with torch.no_grad():
        expected = whisper.model(batch["input_features"], labels=batch["labels"])
        own = whisper.model(batch["input_features"], decoder_input_ids=batch["decoder_input_ids"])
        found = task_loss(own.logits, batch, 0) / (batch["labels"] != IGNORED).sum()
    torch.testing.assert_close(found, expected.loss)


@pytest.mark.parametrize("family", ["whisper", "hubert"])
def test_distance_to_a_teacher(family: str, corpus: Corpus, request: pytest.FixtureRequest) -> None:
    """0 to itself, more to another; padding has no part in it."""
    model: SpeechModel = request.getfixturevalue(family)
    other = tiny_models.BUILDERS[family]()
    tiny_models.randomise(other.model, 99)
    batch = batch_of(model, corpus)
    fed = {name: value for name, value in batch.items() if name not in ("labels", "frames")}
    fields = hidden_fields(model.model)
    with torch.no_grad():
        own = model.model(**fed, output_hidden_states=True)
        far = other.model(**fed, output_hidden_states=True)
        assert float(distillation_loss(own, own, batch, fields)) == pytest.approx(0, abs=1e-6)
        distance = distillation_loss(own, far, batch, fields)
        assert float(distance) > 0.5
        if family == "hubert":
            own.logits[0, int(batch["frames"][0]) :] += 100
            torch.testing.assert_close(distillation_loss(own, far, batch, fields), distance)


# -- runs


@pytest.mark.parametrize("family", ["whisper", "hubert", "wav2vec2"])
def test_a_run_learns_and_is_saved(
    family: str, corpus: Corpus, validation: Corpus, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    model: SpeechModel = request.getfixturevalue(family)
    settings = replace(QUICK, epochs=20, learning_rate=3e-3, warm_up=0.0)
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
    for group in unit_groups(model):
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
    "elements": GateSettings("elements", 0.5),
    "units": GateSettings("units", 0.4),
}


@pytest.mark.parametrize("gates", GATES)
@pytest.mark.parametrize("stop_at", [1, 3])
def test_stopped_and_resumed_equals_uninterrupted(
    gates: str, stop_at: int, hubert: SpeechModel, corpus: Corpus, validation: Corpus,
    tmp_path: Path,
) -> None:  # fmt: skip
    """By SIGTERM in the midst of an epoch; dropout and SpecAugment draw on as if nothing was."""
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
    task = task_of(hubert, corpus, validation, GateSettings("elements", 0.5))
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


def test_a_run_that_was_killed_before_it_was_saved_is_only_saved(
    hubert: SpeechModel, corpus: Corpus, validation: Corpus, tmp_path: Path
) -> None:
    task = task_of(hubert, corpus, validation, GateSettings("elements", 0.5))
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


def assert_same(model: SpeechModel, other: SpeechModel) -> None:
    ours, theirs = weights(model), weights(other)
    assert ours.keys() == theirs.keys()
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-6, atol=1e-7)


def test_another_run_in_the_same_folder_is_refused(
    hubert: SpeechModel, corpus: Corpus, validation: Corpus, tmp_path: Path
) -> None:
    task = task_of(hubert, corpus, validation, settings=replace(QUICK, epochs=1))
    train(hubert, task, tmp_path / "run")
    with pytest.raises(UserError, match="other data or settings"):
        train(hubert, replace(task, settings=QUICK), tmp_path / "run")


def test_a_teacher_pulls_a_student(
    hubert: SpeechModel, corpus: Corpus, validation: Corpus, tmp_path: Path
) -> None:
    """With nothing but the teacher in the loss, a compressed model comes closer to it."""
    compressed = shrunk(hubert)
    settings = replace(QUICK, epochs=30, teacher_weight=1.0, learning_rate=3e-3, weight_decay=0.0)
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
    from analysis.compression import compress

    return compress(model, tiny_models.make_plan(model)).model


def distance(model: SpeechModel, teacher: SpeechModel, batch: Batch) -> float:
    fed = {name: batch[name] for name in ("input_values", "attention_mask")}
    with torch.no_grad():
        own = model.model(**fed, output_hidden_states=True)
        goal = teacher.model(**fed, output_hidden_states=True)
        return float(distillation_loss(own, goal, batch, ("hidden_states",)))


# -- gates


def test_pinched_weights_are_exact_zeros_and_counted(
    hubert: SpeechModel, corpus: Corpus, validation: Corpus, tmp_path: Path
) -> None:
    settings = replace(QUICK, epochs=30)
    task = task_of(hubert, corpus, validation, GateSettings("elements", 0.5), settings)
    trained = train(hubert, task, tmp_path / "run")
    [record] = trained.training
    shares = {
        path: float((trained.model.get_parameter(f"{path}.weight") == 0).float().mean())
        for path in record.sparsities
    }
    assert shares == record.sparsities == zero_shares(trained)
    assert len(shares) == 2 * 6
    assert np.mean(list(shares.values())) == pytest.approx(0.5, abs=0.05)
    reached = read_log(tmp_path / "run").steps[-1]
    assert reached["sparsity"] == pytest.approx(0.5, abs=0.05)
    assert reached["sparsities"].keys() == shares.keys()
    expected = 0
    for name, weight in weights(trained).items():
        path = name.removesuffix(".weight")
        if path in shares and name.endswith(".weight"):
            expected += (weight.numel() + 7) // 8 + 4 * int((weight != 0).sum())
        else:
            expected += 4 * weight.numel()
    assert record.sparse_bytes == sparse_bytes(trained) == expected
    # no unit is gone, and the record says what the zeros are
    assert [g.n_units for g in unit_groups(trained)] == [g.n_units for g in unit_groups(hubert)]
    save(trained, tmp_path / "saved")
    assert load(str(tmp_path / "saved")).training == trained.training
    card = (tmp_path / "saved" / "README.md").read_text()
    assert "unstructured" in card


def test_pinched_units_are_cut_out(
    whisper: SpeechModel, corpus: Corpus, validation: Corpus, tmp_path: Path
) -> None:
    settings = replace(QUICK, epochs=20)
    task = task_of(whisper, corpus, validation, GateSettings("units", 0.4), settings)
    trained = train(whisper, task, tmp_path / "run")
    assert trained.plan is not None
    assert trained.plan.weight_hash == whisper.weight_hash
    sizes = {group.id: group.n_units for group in unit_groups(trained)}
    assert sizes == dict(trained.plan.n_clusters)
    removed = 1 - sum(g.n_parameters for g in unit_groups(trained)) / sum(
        g.n_parameters for g in unit_groups(whisper)
    )
    assert removed == pytest.approx(read_log(tmp_path / "run").steps[-1]["sparsity"], abs=1e-6)
    assert removed > 0.15
    for group in unit_groups(trained):
        assert read_units(trained.model, group).output.flatten(1).any(dim=1).all()
    save(trained, tmp_path / "saved")
    again = load(str(tmp_path / "saved"))
    assert torch.equal(tiny_models.logits(again), tiny_models.logits(trained))
    assert as_variant(whisper, again).plan == trained.plan


def test_cutting_changes_nothing_that_the_gated_model_computes(
    whisper: SpeechModel, corpus: Corpus, validation: Corpus, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from analysis import finetuning

    seen: list[torch.Tensor] = []
    finish: Callable[..., SpeechModel] = finetuning.finish

    def look(model: SpeechModel, module: PreTrainedModel, *rest: object) -> SpeechModel:
        seen.append(tiny_models.logits(replace(model, model=module.eval())))
        return finish(model, module, *rest)

    monkeypatch.setattr(finetuning, "finish", look)
    settings = replace(QUICK, epochs=20)
    task = task_of(whisper, corpus, validation, GateSettings("units", 0.4), settings)
    trained = train(whisper, task, tmp_path / "run")
    torch.testing.assert_close(tiny_models.logits(trained), seen[0], rtol=1e-4, atol=1e-5)


# -- shell


def quiet_copy(model: SpeechModel, folder: Path) -> Path:
    """Saved without dropout and SpecAugment, which draw other numbers in each process."""
    for name in vars(model.config):
        if "dropout" in name or name == "layerdrop":
            setattr(model.config, name, 0.0)
    model.config.apply_spec_augment = False
    return save(model, folder)


# a base HuBERT normalises over a clip with its padding, which depends on what is beside it
@pytest.mark.parametrize("family", ["hubert_large", "whisper"])
def test_two_processes_make_the_loss_curve_of_one(family: str, tmp_path: Path) -> None:
    source = quiet_copy(tiny_models.BUILDERS[family](), tmp_path / "model")
    write_clips(tmp_path / "clips", WORDS)
    write_clips(tmp_path / "validation", WORDS[:3], seed=50)
    arguments = ["-m", "analysis.cli", "finetune", str(source), "--data", str(tmp_path / "clips")]
    arguments += ["--validation", str(tmp_path / "validation"), "--batch-size", "4"]
    arguments += ["--epochs", "2", "--learning-rate", "1e-3", "--normaliser", "none"]
    logs, results = [], []
    for name, start in (("one", [sys.executable]), ("two", accelerate_launch(2))):
        command = [*start, *arguments, "--out", str(tmp_path / name)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
        assert done.returncode == 0, done.stderr
        logs.append(read_log(tmp_path / f"{name}.training"))
        results.append(load(str(tmp_path / name)))
    one, two = logs
    assert len(one.steps) == 4
    for key in ("loss", "objective", "learning_rate", "gradient_norm"):
        ours, theirs = ([row[key] for row in log.steps] for log in logs)
        assert ours == pytest.approx(theirs, rel=1e-4)
    assert [row["wer"] for row in one.validations] == [row["wer"] for row in two.validations]
    for name, weight in weights(results[0]).items():
        torch.testing.assert_close(weights(results[1])[name], weight, rtol=1e-2, atol=1e-4)


def test_accumulated_gradients_make_the_loss_curve_of_whole_batches(
    corpus: Corpus, validation: Corpus, tmp_path: Path
) -> None:
    model = load(str(quiet_copy(tiny_models.tiny_hubert(large=True), tmp_path / "model")))
    curves = []
    for parts in (1, 2):
        settings = replace(QUICK, accumulation=parts)
        task = task_of(model, corpus, validation, GateSettings("elements", 0.5), settings)
        train(model, task, tmp_path / str(parts))
        steps = read_log(tmp_path / str(parts)).steps
        curves.append([row[key] for row in steps for key in ("loss", "objective")])
    assert curves[0] == pytest.approx(curves[1], rel=1e-4)


def test_shell_pinches_and_reports(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], corpus: Corpus
) -> None:
    source = save(tiny_models.tiny_hubert(), tmp_path / "model")
    clips = str(corpus.utterances[0].path.parent)
    arguments = ["pinch", str(source), "--data", clips, "--out", str(tmp_path / "out")]
    arguments += ["--sparsity", "0.5", "--batch-size", "2", "--epochs", "1"]
    assert cli.main(arguments) == 0
    printed = capsys.readouterr().out
    assert "unstructured sparsity" in printed
    assert "hubert.encoder.layers.0.attention.q_proj" in printed
    carried = json.loads((tmp_path / "out" / "coalesce.json").read_text())
    assert carried["training"][0]["method"] == "self-pinching"
    assert len(carried["training"][0]["sparsities"]) == 12
    assert not list((tmp_path / "out.training").glob("checkpoint-*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--batch-size", "100"], "are fewer than a batch of 100"),
        (["--batch-size", "4", "--accumulation", "3"], "cannot be divided into 3 equal parts"),
        (["--epochs", "0"], "epochs is 0"),
        (["--learning-rate", "-1"], "learning_rate is -1"),
        (["--sparsity", "1.5"], "sparsity is 1.5"),
        (["--temperature", "0"], "temperature of the gates is 0"),
        (["--warm-up", "2"], "warm_up is 2"),
    ],
)
def test_bad_settings_get_one_clear_line(
    arguments: list[str], message: str, corpus: Corpus, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    clips = str(corpus.utterances[0].path.parent)
    start = ["pinch", "demo-hubert", "--data", clips, "--out", str(tmp_path / "out")]
    assert cli.main([*start, *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_log_is_read_while_it_grows(tmp_path: Path) -> None:
    assert read_log(tmp_path).steps == []
    log = TrainingLog(tmp_path)
    log.write("start", {"n_steps": 3})
    for step in (1, 2, 3):
        log.write("step", {"step": step, "loss": 1 / step})
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"event": "step", "st')
    curves = read_log(tmp_path)
    assert curves.start["n_steps"] == 3
    assert [row["step"] for row in curves.steps] == [1, 2, 3]
    assert curves.ended is None


def test_what_a_killed_process_logged_too_much_is_forgotten(tmp_path: Path) -> None:
    rows = [{"event": "start", "n_steps": 3, "seconds": 0.0}]
    rows += [{"event": "step", "step": s, "loss": 1.0, "seconds": 10.0 * s} for s in (1, 2, 3)]
    rows += [{"event": "resume", "step": 2, "seconds": 0.0}]
    rows += [{"event": "step", "step": 3, "loss": 0.5, "seconds": 7.0}]
    rows += [{"event": "finished", "step": 3, "seconds": 9.0}]
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    curves = read_log(tmp_path)
    assert [(row["loss"], row["seconds"]) for row in curves.steps] == [(1, 10), (1, 20), (0.5, 27)]
    assert curves.seconds == 29
    assert curves.ended == "finished"
