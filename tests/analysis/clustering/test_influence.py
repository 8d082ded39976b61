"""The metric of a block's output foretells how far the model's words move."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from analysis.clustering.contributions import group_moments, measure_groups
from analysis.clustering.influence import gradient_moments, influence_root
from analysis.clustering.listening import Listener, PreparedClip, prepare
from analysis.compression.divergence import divergence, log_probabilities
from analysis.models.modules import linear_at, share_modules
from analysis.models.speech_model import SpeechModel
from analysis.speech.excitation import Excitation
from tests.helpers.tiny_models import hash_weights


def _clips_with_many_words(model: SpeechModel, sound: Excitation) -> list[PreparedClip]:
    """Models of random weights write little of their own."""
    clips = prepare(model, sound)
    if model.architecture.decoding != "seq2seq":
        return clips
    generator = torch.Generator().manual_seed(1)
    words = torch.randint(
        model.config.vocab_size,
        (len(clips), 1, model.config.max_target_positions),
        generator=generator,
    )
    return [
        replace(clip, arguments={**clip.arguments, "decoder_input_ids": own})
        for clip, own in zip(clips, words, strict=True)
    ]


@pytest.mark.parametrize("place", [0, -1])
def test_small_noise_moves_the_words_as_far_as_the_metric_says(
    speech_model: SpeechModel, sound: Excitation, place: int
) -> None:
    """Noise of its own at every position costs ½·ε²·tr(F) nats per word, to second order."""
    group = speech_model.groups[place]
    clips = _clips_with_many_words(speech_model, sound)
    fisher = gradient_moments(speech_model, Listener(speech_model), clips)[group.id]
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
    foretold = 0.5 * size**2 * float(fisher.trace())
    assert moved / words == pytest.approx(foretold, rel=0.35)


def test_the_model_is_given_no_gradients(speech_model: SpeechModel, sound: Excitation) -> None:
    before = hash_weights(speech_model.model)
    influence_root(speech_model, sound, speech_model.groups[0])
    assert all(parameter.grad is None for parameter in speech_model.model.parameters())
    assert hash_weights(speech_model.model) == before


def test_one_run_measures_what_two_would(
    speech_model: SpeechModel,
    sound: Excitation,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The run for the gradients leaves the moments behind that a run of their own would give."""
    monkeypatch.setenv("COALESCE_CACHE", str(tmp_path))
    group = speech_model.groups[0]
    root = influence_root(speech_model, sound, group)
    again = measure_groups(speech_model, sound, [group])[group.id]
    [kept] = tmp_path.rglob(f"{group.id}.npz")
    found = group_moments(speech_model, sound, group)
    assert kept.is_file()
    assert len(root) == speech_model.config.hidden_size
    torch.testing.assert_close(
        found.moments.covariance, again.moments.covariance, rtol=1e-3, atol=1e-5
    )
    assert found.ridge == again.ridge
