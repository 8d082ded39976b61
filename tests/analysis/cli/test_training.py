"""The shell trains: two processes make one's curve, bad settings get one clear line."""

import json
import subprocess
from pathlib import Path

import pytest
import torch

from analysis.cli import parser as cli
from analysis.delivery.saving import save
from analysis.evaluation.corpora import Corpus
from analysis.models.loading import load
from analysis.training.log import read_log
from tests.helpers import tiny_models
from tests.helpers.commands import accelerate_launch
from tests.helpers.places import ROOT
from tests.helpers.training_runs import WORDS, quiet_copy, weights, write_clips

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return write_clips(tmp_path_factory.mktemp("clips"), WORDS)


# a base HuBERT normalises over a clip with its padding, which depends on what is beside it
@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "command"),
    [
        ("hubert_large", "finetune"),
        ("whisper", "finetune --gradient-checkpointing"),
        ("hubert_large", "pinch --sparsity 0.5 --gradient-checkpointing"),
    ],
)
def test_two_processes_make_the_loss_curve_of_one(
    family: str, command: str, tmp_path: Path
) -> None:
    model = tiny_models.BUILDERS[family]()
    source = quiet_copy(model, tmp_path / "model")
    if command.startswith("pinch"):  # which drops no layer, whatever the model says
        model.config.layerdrop = 0.5
        source = save(model, tmp_path / "dropping")
    write_clips(tmp_path / "clips", WORDS)
    write_clips(tmp_path / "validation", WORDS[:3], seed=50)
    kind, *flags = command.split()
    arguments = [kind, str(source), "--data", str(tmp_path / "clips"), *flags]
    arguments += ["--validation", str(tmp_path / "validation"), "--batch-size", "4"]
    arguments += ["--epochs", "2", "--learning-rate", "1e-3", "--normaliser", "none"]
    assert cli.main([*arguments, "--out", str(tmp_path / "one")]) == 0
    shell = [*accelerate_launch(2), "-m", "coalesce", *arguments, "--out", str(tmp_path / "two")]
    done = subprocess.run(shell, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    one, two = (read_log(tmp_path / f"{name}.training") for name in ("one", "two"))
    results = [load(str(tmp_path / name)) for name in ("one", "two")]
    assert len(one.steps) == 4
    for key in ("loss", "objective", "learning_rate", "gradient_norm"):
        ours, theirs = ([row[key] for row in log.steps] for log in (one, two))
        assert ours == pytest.approx(theirs, rel=1e-4)
    assert [row["wer"] for row in one.validations] == [row["wer"] for row in two.validations]
    for name, weight in weights(results[0]).items():
        torch.testing.assert_close(weights(results[1])[name], weight, rtol=1e-2, atol=1e-4)


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


def test_shell_trains_without_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The original that the plan names teaches; what is set holds, the rest is as it suits this."""
    merged = str(tmp_path / "merged")
    start = ["compress", "demo-hubert", merged, "--sparsity", "0.5", "--method", "magnitude"]
    assert cli.main(start) == 0
    arguments = ["finetune", merged, "--data", "synthesised", "--out", str(tmp_path / "out")]
    short = ["--limit", "4", "--epochs", "1", "--batch-size", "2", "--weight-decay", "0.5"]
    assert cli.main([*arguments, *short]) == 0
    assert "against the original's own words (trained, data-free)" in capsys.readouterr().out
    record = json.loads((tmp_path / "out" / "coalesce.json").read_text())["training"][0]
    assert record["label"] == "trained, data-free"
    assert record["settings"]["teacher"] == "demo-hubert"
    chosen = ("epochs", "batch_size", "weight_decay", "learning_rate", "teacher_weight")
    assert [record["settings"][name] for name in chosen] == [1, 2, 0.5, 3e-5, 1.0]
    assert "trained, data-free" in (tmp_path / "out" / "README.md").read_text().lower()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["finetune", "demo-hubert"], "does not say from which original"),
        (["pinch", "demo-hubert"], "Pinching learns from data"),
        (["finetune", "demo-hubert", "--validation", "x"], "--validation does not go with"),
        (["finetune", "demo-whisper", "--language", "en"], "--language does not go with"),
    ],
)
def test_what_does_not_go_without_data_is_said(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--data", "synthesised", "--out", str(tmp_path / "out")]
    assert cli.main([*arguments, *out]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--batch-size", "100"], "A batch of 100 needs more clips"),
        (["--batch-size", "4", "--accumulation", "3"], "cannot be divided into 3 equal parts"),
        (["--epochs", "0"], "epochs is 0"),
        (["--learning-rate", "-1"], "learning_rate is -1"),
        (["--sparsity", "1.5"], "sparsity is 1.5"),
        (["--temperature", "0"], "temperature is 0. Choose more than 0"),
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
