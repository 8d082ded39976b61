"""Stock classes only: what they can hold, from the allocation to a plain `from_pretrained`."""

import json
from pathlib import Path

import pytest
import torch
import transformers

from analysis.cli import parser as cli
from analysis.clustering.trees import build_trees
from analysis.compression.allocation import allocate
from analysis.compression.compress import compress
from analysis.compression.stock import extend_to_stacks, level, require_whole_heads, stock_widths
from analysis.delivery.saving import save
from analysis.errors import UserError
from analysis.models.loading import load
from analysis.models.speech_model import SpeechModel
from analysis.plan.choices import STOCK_COMPONENTS
from tests.helpers.tiny_models import logits, make_plan


def test_a_levelled_allocation_keeps_the_budget_of_each_stack(speech_model: SpeechModel) -> None:
    groups = speech_model.groups
    found = allocate(
        groups,
        sparsity=0.3,
        strategy="distortion",
        components=STOCK_COMPONENTS,
        trees=build_trees(speech_model),
    )
    levelled = level(groups, found)
    for stack in {group.stack for group in groups}:
        ffns = [g.id for g in groups if g.stack == stack and g.component == "ffn"]
        assert len({levelled[name] for name in ffns}) == 1
        kept = sum(levelled[name] for name in ffns) - sum(found[name] for name in ffns)
        assert abs(kept) <= len(ffns) / 2
    for group in groups:
        if group.component == "heads":
            assert levelled[group.id] == group.n_units
    assert level(groups, levelled) == levelled
    model = compress(speech_model, make_plan(speech_model, n_clusters=levelled)).model
    assert stock_widths(model) is not None


def test_no_layer_gets_more_channels_than_it_has(whisper: SpeechModel) -> None:
    uneven = compress(whisper, make_plan(whisper, n_clusters={"encoder.0.ffn": 5})).model
    groups = uneven.groups
    levelled = level(groups, {group.id: group.n_units for group in groups})
    assert {levelled["encoder.0.ffn"], levelled["encoder.1.ffn"]} == {5}
    assert levelled["decoder.0.ffn"] == 20


def test_a_hand_on_one_layer_moves_its_stack(whisper: SpeechModel) -> None:
    groups = whisper.groups
    moved = extend_to_stacks(groups, {"decoder.1.ffn": 11, "encoder.0.self_attention": 2})
    assert moved == {f"decoder.{layer}.ffn": 11 for layer in range(3)}


def test_lost_heads_are_named(whisper: SpeechModel) -> None:
    hidden = whisper.config.hidden_size
    require_whole_heads(whisper.groups, hidden)
    fewer = compress(whisper, make_plan(whisper, n_clusters={"decoder.1.self_attention": 1})).model
    with pytest.raises(UserError, match="Decoder 1 · self-attention"):
        require_whole_heads(fewer.groups, hidden)


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
    assert "lost heads before" in capsys.readouterr().err
