"""Exports compute what the torch model computes, or are refused with the reason."""

from pathlib import Path

import numpy as np
import pytest

from analysis.compression.compress import compress
from analysis.delivery.ctranslate2 import export_ctranslate2
from analysis.delivery.export_checks import TOLERANCE, compare_outputs
from analysis.delivery.onnx import export_onnx, graph_name
from analysis.errors import UserError
from analysis.models.loading import load
from analysis.models.speech_model import SpeechModel
from tests.helpers.tiny_models import hash_weights, make_plan

pytest.importorskip("ctranslate2")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def demo_whisper() -> SpeechModel:
    """Trained weights: of noise, relative errors mean nothing."""
    return load("demo-whisper")


def narrower(model: SpeechModel, *, uneven_heads: bool = False) -> SpeechModel:
    """Every FFN of another width; one head fewer everywhere, or in the first group only."""
    groups = model.groups
    n_clusters = {
        group.id: group.n_units - (1 + group.layer if group.component == "ffn" else 1)
        for group in groups
    }
    if uneven_heads:
        heads = [group for group in groups if group.component == "heads"]
        n_clusters |= {group.id: group.n_units for group in heads[1:]}
    return compress(model, make_plan(model, n_clusters=n_clusters)).model


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


def test_ctc_is_not_for_ctranslate2(hubert: SpeechModel, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="onnx"):
        export_ctranslate2(hubert, tmp_path / "out")


@pytest.mark.parametrize("family", ["hubert", "wav2vec2_large", "demo_whisper"])
def test_onnx_computes_the_same(
    family: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    model = narrower(request.getfixturevalue(family), uneven_heads=True)
    made = export_onnx(model, tmp_path / "out")
    assert len(made.checks) == 2
    assert all(check.error <= TOLERANCE for check in made.checks)
    assert (tmp_path / "out" / graph_name(model)).is_file()
    with pytest.raises(UserError, match="already"):
        export_onnx(model, tmp_path / "out")


def test_a_wrong_export_is_not_kept() -> None:
    good = np.ones(4)
    assert compare_outputs("logits", good, good, "float32").error == 0
    with pytest.raises(UserError, match="not kept"):
        compare_outputs("logits", good * 1.01, good, "float32")
    with pytest.raises(UserError, match="not kept"):
        compare_outputs("logits", good * np.nan, good, "float32")
    assert compare_outputs("logits", good * 1.01, good, "int8").error == pytest.approx(0.01)
