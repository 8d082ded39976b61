"""Dynamic int8: near the model it is made from, a byte for every weight, and no more than that."""

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import nn

from analysis.compression.compress import compress
from analysis.delivery.export_checks import CHECK_CLIP
from analysis.delivery.saving import save
from analysis.errors import UserError
from analysis.models.footprint import footprint
from analysis.models.loading import DEMO_MODELS, load
from analysis.models.quantising import is_quantised, quantise
from analysis.models.speech_model import SpeechModel
from analysis.speech.audio import read_audio
from analysis.speech.transcription import transcribe
from tests.helpers.tiny_models import hash_weights, logits, make_plan


def test_outputs_are_near_and_the_model_is_left_alone(speech_model: SpeechModel) -> None:
    variant = compress(speech_model, make_plan(speech_model)).model
    before = hash_weights(variant.model)
    small = quantise(variant)
    assert hash_weights(variant.model) == before
    assert is_quantised(small.model)
    assert not is_quantised(variant.model)
    expected = logits(variant)
    error = (logits(small) - expected).norm() / expected.norm()
    assert 0 < error < 0.1
    assert small.weight_hash != variant.weight_hash
    assert small.plan == variant.plan


def test_footprint_counts_a_byte_for_every_weight_of_a_map(speech_model: SpeechModel) -> None:
    small = quantise(speech_model)
    before, after = footprint(speech_model), footprint(small)
    assert dataclasses.replace(after, bytes=before.bytes) == before
    embedded = {id(m.weight) for m in speech_model.model.modules() if isinstance(m, nn.Embedding)}
    maps = [
        m
        for m in speech_model.model.modules()
        if isinstance(m, nn.Linear) and id(m.weight) not in embedded
    ]
    saved = sum(3 * m.weight.numel() for m in maps)
    scales = sum(16 * m.out_features for m in maps)  # a double and an offset for every row
    assert before.bytes - after.bytes == saved - scales


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_quantised_from_its_own_numbers(
    hubert: SpeechModel, tmp_path: Path, dtype: str
) -> None:
    folder = str(save(hubert, tmp_path / "model"))
    half = load(folder, dtype=dtype)
    small = quantise(half)
    assert small.dtype == torch.float32
    wide = half.model.float()
    expected = logits(dataclasses.replace(half, model=wide))
    assert (logits(small) - expected).norm() / expected.norm() < 0.1


def test_int8_recognises_speech_but_is_neither_merged_nor_saved(tmp_path: Path) -> None:
    if not (DEMO_MODELS["demo-whisper"] / "model.safetensors").is_file():
        pytest.skip("the bundled model demo-whisper has not been built")
    model, small = load("demo-whisper"), load("demo-whisper", dtype="int8")
    clip = read_audio(CHECK_CLIP)
    assert transcribe(small, clip).text == transcribe(model, clip).text
    assert footprint(small).bytes < 0.5 * footprint(model).bytes
    with pytest.raises(UserError, match="quantis"):
        save(small, tmp_path / "small")
    assert not list(tmp_path.iterdir())
