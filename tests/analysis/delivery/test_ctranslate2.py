"""Exports to CTranslate2 compute what the torch model computes, or are refused by name."""

from pathlib import Path

import pytest

from analysis.compression.compress import compress
from analysis.delivery.ctranslate2 import export_ctranslate2
from analysis.delivery.export_checks import TOLERANCE
from analysis.errors import UserError
from analysis.models.speech_model import SpeechModel
from tests.helpers.changed_models import narrower
from tests.helpers.tiny_models import hash_weights, make_plan

pytest.importorskip("ctranslate2")


@pytest.mark.parametrize("merged", [False, True])
def test_ctranslate2_computes_the_same(
    demo_whisper: SpeechModel, tmp_path: Path, merged: bool
) -> None:
    model = narrower(demo_whisper) if merged else demo_whisper
    made = export_ctranslate2(model, tmp_path / "out")
    assert [check.output for check in made.checks] == ["encoder outputs", "decoder logits"]
    assert all(check.error <= TOLERANCE for check in made.checks)
    assert made.bytes == sum(path.stat().st_size for path in (tmp_path / "out").iterdir())


def test_int8_is_near_and_leaves_the_model_alone(demo_whisper: SpeechModel, tmp_path: Path) -> None:
    before = hash_weights(demo_whisper.model)
    whole = export_ctranslate2(demo_whisper, tmp_path / "float32")
    made = export_ctranslate2(demo_whisper, tmp_path / "int8", precision="int8")
    assert hash_weights(demo_whisper.model) == before
    rounded = [check.error for check in made.checks if check.precision == "int8"]
    assert len(rounded) == 2
    assert all(TOLERANCE < error < 0.1 for error in rounded)
    assert made.bytes < 0.5 * whole.bytes


def test_uneven_heads_are_refused_by_name(demo_whisper: SpeechModel, tmp_path: Path) -> None:
    model = narrower(demo_whisper, uneven_heads=True)
    with pytest.raises(UserError, match="one number of heads for the whole encoder") as refusal:
        export_ctranslate2(model, tmp_path / "out")
    assert "Encoder 0" in str(refusal.value)
    assert not (tmp_path / "out").exists()


def test_heads_that_lost_ranks_are_refused_by_name(whisper: SpeechModel, tmp_path: Path) -> None:
    plan = make_plan(
        whisper, components=("ranks",), n_clusters={"decoder.1.cross_attention_ranks": 9}
    )
    with pytest.raises(UserError, match=r"Decoder 1 .* 9 of 16 ranks"):
        export_ctranslate2(compress(whisper, plan).model, tmp_path / "out")


def test_ctc_is_not_for_ctranslate2(hubert: SpeechModel, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="onnx"):
        export_ctranslate2(hubert, tmp_path / "out")
