"""Word timestamps of a compressed Whisper come from the heads that took over, saved or not."""

from pathlib import Path

import pytest
import torch
from transformers import GenerationConfig

from analysis.compression.compress import compress
from analysis.delivery.saving import save
from analysis.models.loading import load
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_weights import read_units, write_units
from tests.helpers.tiny_models import hash_weights, make_plan, tiny_whisper

MERGED, PRUNED = "decoder.1.cross_attention", "decoder.2.cross_attention"


@pytest.fixture
def redundant() -> SpeechModel:
    """Decoder layer 1 has the same cross-attention head twice; in layer 2, head 0 says nothing."""
    model = tiny_whisper()
    groups = {group.id: group for group in model.groups}
    twice = read_units(model.model, groups[MERGED]).clone()
    for tensor in (*twice.inputs.values(), *twice.biases.values()):
        tensor[1] = tensor[0]
    write_units(model.model, groups[MERGED], twice)
    silent = read_units(model.model, groups[PRUNED]).clone()
    for tensor in (*silent.inputs.values(), *silent.biases.values(), silent.output):
        tensor[0] = 0
    write_units(model.model, groups[PRUNED], silent)
    object.__setattr__(model, "weight_hash", hash_weights(model.model))
    return model


def settings_of(model: SpeechModel) -> GenerationConfig:
    settings = model.model.generation_config
    assert settings is not None
    return settings


def timestamps(model: SpeechModel) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens and the second at which each begins, on seeded noise."""
    features = torch.randn(2, 16, 200, generator=torch.Generator().manual_seed(0))
    made = model.model.generate(features, return_token_timestamps=True, max_new_tokens=8)  # type: ignore[operator]
    return made["sequences"], made["token_timestamps"]


@pytest.mark.parametrize(
    ("group", "method", "heads", "remapped"),
    [
        (MERGED, "cluster", [[1, 0], [1, 1]], [[1, 0]]),
        (MERGED, "cluster", [[1, 1]], [[1, 0]]),
        (PRUNED, "magnitude", [[2, 1]], [[2, 0]]),
        (PRUNED, "magnitude", [[1, 0], [2, 1]], [[1, 0], [2, 0]]),
    ],
)
def test_the_same_words_begin_at_the_same_time(
    redundant: SpeechModel,
    tmp_path: Path,
    group: str,
    method: str,
    heads: list[list[int]],
    remapped: list[list[int]],
) -> None:
    settings_of(redundant).update(alignment_heads=heads)
    tokens, begin = timestamps(redundant)
    assert len(begin.unique()) > 2, "all at one time would prove nothing"
    made = compress(redundant, make_plan(redundant, n_clusters={group: 1}, method=method)).model
    again = load(str(save(made, tmp_path / "merged")))
    for model in (made, again):
        assert settings_of(model).to_dict()["alignment_heads"] == remapped
        new_tokens, new_begin = timestamps(model)
        assert torch.equal(new_tokens, tokens)
        assert torch.equal(new_begin, begin)


def test_other_heads_would_give_other_times(redundant: SpeechModel) -> None:
    settings = settings_of(redundant)
    settings.update(alignment_heads=[[1, 0]])
    one = timestamps(redundant)[1]
    settings.update(alignment_heads=[[2, 1]])
    assert not torch.equal(timestamps(redundant)[1], one)
