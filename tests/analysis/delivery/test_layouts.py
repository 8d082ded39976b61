"""Checkpoints in the layouts of five years: equal to plain transformers at every step."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from analysis.compression.compress import compress
from analysis.delivery.saving import save
from analysis.models.loading import load
from analysis.models.speech_model import SpeechModel
from analysis.speech.audio import SAMPLING_RATE
from analysis.speech.transcription import transcribe
from tests.helpers.layouts import LAYOUTS
from tests.helpers.talking_models import audio
from tests.helpers.tiny_models import make_plan
from tests.helpers.transcribing import COLD

CLIP = audio(1.9)


def _plain(folder: Path, like: SpeechModel) -> tuple[str, dict[str, torch.Tensor]]:
    """Text and weights by transformers alone."""
    network: Any = getattr(transformers, like.architecture.model_class).from_pretrained(
        folder, dtype=torch.float32
    )
    processor = getattr(transformers, like.architecture.processor_class).from_pretrained(folder)
    seq2seq = like.architecture.decoding == "seq2seq"
    options = {"return_attention_mask": True} if seq2seq else {}
    inputs = processor.feature_extractor(
        CLIP.samples, sampling_rate=SAMPLING_RATE, return_tensors="pt", **options
    )
    with torch.inference_mode():
        if seq2seq:
            ids = network.eval().generate(**inputs)[0]
            text = processor.tokenizer.decode(ids, skip_special_tokens=True)
        else:
            logits = network.eval()(inputs["input_values"]).logits[0]
            text = processor.tokenizer.decode(logits.argmax(dim=-1))
    return text.strip(), network.state_dict()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_step_is_what_transformers_makes_of_it(layout: str, tmp_path: Path) -> None:
    folder = LAYOUTS[layout](tmp_path / "original")
    model = load(folder)
    text, weights = _plain(folder, model)
    assert len(set(text)) >= 3
    assert transcribe(model, CLIP, COLD).text == text
    state = model.model.state_dict()
    assert all(torch.equal(state[name], weights[name]) for name in state | weights)

    narrower = {group.id: group.n_units - 8 for group in model.groups if group.component == "ffn"}
    smaller = compress(model, make_plan(model, n_clusters=narrower)).model
    saved = save(smaller, tmp_path / "saved")
    again = load(saved)
    assert again.saved_dtype == model.saved_dtype
    text, weights = _plain(saved, model)
    state = again.model.state_dict()
    assert all(torch.equal(state[name], weights[name]) for name in state | weights)
    assert transcribe(again, CLIP, COLD).text == text
    if model.saved_dtype == smaller.dtype:  # else the merged numbers are rounded
        assert transcribe(smaller, CLIP, COLD).text == text
