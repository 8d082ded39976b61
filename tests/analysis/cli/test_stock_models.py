"""The shell makes stock checkpoints, or says why it cannot."""

import json
from pathlib import Path

import pytest
import torch
import transformers

from analysis.cli import parser as cli
from analysis.compression.compress import compress
from analysis.delivery.saving import save
from analysis.models.loading import load
from analysis.models.speech_model import SpeechModel
from tests.helpers.tiny_models import logits, make_plan


@pytest.mark.parametrize("family", ["whisper", "hubert"])
def test_the_shell_makes_a_checkpoint_that_plain_classes_load(
    family: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model: SpeechModel = request.getfixturevalue(family)
    source, out = str(save(model, tmp_path / "source")), tmp_path / "out"
    options = ["--stock", "--sparsity", "0.4", "--allocation", "distortion", "--json"]
    assert cli.main(["compress", source, str(out), *options]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["stock"] is True
    assert facts["after"]["parameters"] < facts["before"]["parameters"]
    assert not list(out.glob("*.py"))
    ours = load(str(out))
    library = getattr(transformers, model.architecture.model_class)
    plain, info = library.from_pretrained(
        out, trust_remote_code=False, use_safetensors=True, output_loading_info=True
    )
    assert not any(info.values())
    assert type(plain) is library
    expected = logits(ours)
    object.__setattr__(ours, "model", plain.eval())
    assert torch.equal(logits(ours), expected)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--components", "heads"], "Stock classes hold all heads"),
        (["--plan", "uneven.json"], "differ within a stack"),
    ],
)
def test_what_stock_classes_cannot_hold_is_refused(
    hubert: SpeechModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    source = load(str(save(hubert, tmp_path / "source")))
    plan = make_plan(source, n_clusters={"encoder.0.ffn": 3})
    (tmp_path / "uneven.json").write_text(plan.to_json())
    assert cli.main(["compress", "source", "out", "--stock", *options]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_shell_refuses_a_model_that_lost_heads(
    hubert: SpeechModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fewer = compress(hubert, make_plan(hubert, n_clusters={"encoder.0.self_attention": 2})).model
    source = str(save(fewer, tmp_path / "source"))
    assert cli.main(["compress", source, str(tmp_path / "out"), "--stock"]) == 2
    assert "lost heads or ranks before" in capsys.readouterr().err
