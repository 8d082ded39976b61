"""The metric of a block's output foretells how far the model's words move."""

import pytest
import torch
from torch import nn

from analysis.clustering.influence import influence_root
from analysis.clustering.listening import prepare
from analysis.compression.divergence import divergence, log_probabilities
from analysis.models.modules import linear_at, share_modules
from analysis.models.speech_model import SpeechModel
from analysis.speech.excitation import Excitation
from tests.helpers.tiny_models import hash_weights


@pytest.mark.parametrize("place", [0, -1])
def test_small_noise_moves_the_words_as_far_as_the_metric_says(
    speech_model: SpeechModel, sound: Excitation, place: int
) -> None:
    """Noise of its own at every position costs ε²·tr(R·Rᵀ) nats per word, to second order."""
    group = speech_model.groups[place]
    clips = prepare(speech_model, sound)
    module = share_modules(speech_model.model)
    generator = torch.Generator().manual_seed(0)
    clip_now = clips[0]
    size = 0.02

    def disturb(linear: nn.Module, arguments: object, output: torch.Tensor) -> torch.Tensor:
        noise = size * torch.randn(output.shape, generator=generator)
        if group.stack == "encoder" and clip_now.n_frames is not None:
            noise[:, clip_now.n_frames :] = 0
        return output + noise

    linear_at(module, group.output_path).register_forward_hook(disturb)
    original = log_probabilities(speech_model, speech_model.model, clips)
    moved, words = 0.0, 0
    for _ in range(6):
        for clip, logs in zip(clips, original, strict=True):
            clip_now = clip
            moved += divergence(speech_model, module, [clip], [logs]) * len(logs)
            words += len(logs)
    foretold = size**2 * float(influence_root(speech_model, sound, group).square().sum())
    assert moved / words == pytest.approx(foretold, rel=0.35)


def test_the_model_is_given_no_gradients(speech_model: SpeechModel, sound: Excitation) -> None:
    before = hash_weights(speech_model.model)
    influence_root(speech_model, sound, speech_model.groups[0])
    assert all(parameter.grad is None for parameter in speech_model.model.parameters())
    assert hash_weights(speech_model.model) == before
