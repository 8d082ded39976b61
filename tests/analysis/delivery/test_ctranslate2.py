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


def test_uneven_heads_and_lost_ranks_compute_the_same(
    demo_whisper: SpeechModel, tmp_path: Path
) -> None:
    few = {
        "encoder.0.self_attention": 2,
        "encoder.1.self_attention_ranks": 5,
        "decoder.0.self_attention": 3,
        "decoder.1.cross_attention": 1,
        "decoder.1.cross_attention_ranks": 9,
    }
    plan = make_plan(demo_whisper, components=("heads", "ranks"), n_clusters=few)
    model = compress(demo_whisper, plan).model
    assert {group.n_units for group in model.groups if group.component == "heads"} >= {1, 2, 3}
    made = export_ctranslate2(model, tmp_path / "out")
    assert all(check.error <= TOLERANCE for check in made.checks)


def test_heads_of_encoder_and_decoder_may_differ_in_size(
    whisper: SpeechModel, tmp_path: Path
) -> None:
    sizes = {group.stack: group.rows for group in whisper.groups if group.component == "heads"}
    assert sizes["encoder"] != sizes["decoder"]
    few = {"encoder.0.self_attention": 2, "decoder.1.cross_attention_ranks": 9}
    plan = make_plan(whisper, components=("heads", "ranks"), n_clusters=few)
    made = export_ctranslate2(compress(whisper, plan).model, tmp_path / "out")
    assert all(check.error <= TOLERANCE for check in made.checks)


def test_ctc_is_not_for_ctranslate2(hubert: SpeechModel, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="onnx"):
        export_ctranslate2(hubert, tmp_path / "out")
