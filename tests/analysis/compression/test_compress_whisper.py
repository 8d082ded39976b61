"""Compressed Whispers generate, and their alignment heads follow what takes over."""

from typing import Any

import pytest
import torch

from analysis.compression.compress import compress
from analysis.models.speech_model import SpeechModel
from tests.helpers.tiny_models import make_plan, tiny_whisper
from tests.helpers.tiny_models import speech_model as wrap


@pytest.mark.parametrize("n_beams", [1, 3])
@pytest.mark.parametrize("cache", ["dynamic", "static"])
def test_generation_with_another_head_count_in_every_layer(
    whisper: SpeechModel, n_beams: int, cache: str
) -> None:
    """Cached decoding gives the tokens that decoding without a cache gives."""
    wanted = {
        "encoder.0.self_attention": 3,
        "encoder.1.self_attention": 1,
        "decoder.0.self_attention": 1,
        "decoder.1.cross_attention": 1,
        "decoder.2.ffn": 5,
    }
    model: Any = compress(whisper, make_plan(whisper, n_clusters=wanted)).model.model
    features = torch.randn(2, 16, 200, generator=torch.Generator().manual_seed(3))
    settings = {"num_beams": n_beams, "max_new_tokens": 8, "do_sample": False}
    with torch.inference_mode():
        cached = model.generate(features, cache_implementation=cache, **settings)
        plain = model.generate(features, use_cache=False, **settings)
    assert cached.shape[1] >= 2
    assert torch.equal(cached, plain)


def alignment_heads(model: SpeechModel) -> object:
    return getattr(model.model.generation_config, "alignment_heads", None)


def test_alignment_heads_follow_their_clusters(whisper: SpeechModel) -> None:
    """[1, 0] and [1, 1] meet in one cluster; [2, 1] is untouched."""
    result = compress(whisper, make_plan(whisper, n_clusters={"decoder.1.cross_attention": 1}))
    assert alignment_heads(result.model) == [[1, 0], [2, 1]]
    assert alignment_heads(whisper) == [[1, 0], [1, 1], [2, 1]]


@pytest.mark.parametrize("kept", [0, 1])
def test_alignment_heads_follow_what_pruning_keeps(kept: int) -> None:
    model = tiny_whisper()
    values = model.model.get_parameter("model.decoder.layers.2.encoder_attn.v_proj.weight")
    values.data[16 * kept : 16 * (kept + 1)] *= 10
    model = wrap(model.model, model.processor, "uneven-heads")
    plan = make_plan(model, n_clusters={"decoder.2.cross_attention": 1}, method="magnitude")
    result = compress(model, plan)
    # head 1 of layer 2 stays and becomes head 0, or is dropped and with it its entry
    assert alignment_heads(result.model) == [[1, 0], [1, 1], *([[2, 0]] if kept else [])]


def test_no_alignment_head_left_is_said_by_transformers_itself() -> None:
    model = tiny_whisper()
    model.model.generation_config.update(alignment_heads=[[2, 1]])
    values = model.model.get_parameter("model.decoder.layers.2.encoder_attn.v_proj.weight")
    values.data[:16] *= 10
    model = wrap(model.model, model.processor, "uneven-heads")
    plan = make_plan(model, n_clusters={"decoder.2.cross_attention": 1}, method="magnitude")
    result = compress(model, plan)
    assert not hasattr(result.model.model.generation_config, "alignment_heads")
    assert alignment_heads(model) == [[2, 1]]
    module: Any = result.model.model
    with pytest.raises(ValueError, match="no `alignment_heads`"):
        module.generate(torch.zeros(1, 16, 200), return_token_timestamps=True)


def test_alignment_heads_of_another_model_are_left_out() -> None:
    """Fine-tuned checkpoints carry lists of bigger models; what no head has is dropped."""
    model = tiny_whisper()
    model.model.generation_config.update(alignment_heads=[[1, 1], [2, 5], [9, 0]])
    plan = make_plan(model, n_clusters={"decoder.2.cross_attention": 1})
    assert alignment_heads(compress(model, plan).model) == [[1, 1], [9, 0]]


def test_models_without_a_generation_config_compress() -> None:
    model = tiny_whisper()
    setattr(model.model, "generation_config", None)  # noqa: B010  (typed as always there)
    assert compress(model, make_plan(model)).model.model.generation_config is None
