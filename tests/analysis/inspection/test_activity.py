"""Activity is what units write: all of them together are the block, a merged pair is its sum."""

import numpy as np
import pytest
import torch

from analysis.clustering.listening import Listener
from analysis.inspection import activity
from analysis.inspection.activity import group_activity, merged_strength
from analysis.inspection.soundtrack import Soundtrack, find_soundtrack
from analysis.models.modules import linear_at
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_weights import read_units
from analysis.progress import UNWATCHED
from analysis.speech.excitation import Excitation
from tests.helpers.changed_models import overwrite
from tests.helpers.tiny_models import group_of, hash_weights, tiny_hubert, tiny_whisper


def block_outputs(model: SpeechModel, soundtrack: Soundtrack, name: str) -> np.ndarray:
    """What a block adds to the stream without its bias, from the library's own pass."""
    group, listener = group_of(model, name), Listener(model)
    linear = linear_at(listener.module, group.output_path)
    tracks, found = {t.clip: t for t in soundtrack.tracks}, []

    def hook(module: object, arguments: object, output: torch.Tensor) -> None:
        own = output - linear.bias
        found.append(tracks[listener.clip].counted(own, group.stack).numpy())

    linear.register_forward_hook(hook)
    listener.play([t.clip for t in soundtrack.tracks], "", UNWATCHED)
    return np.concatenate(found)


def test_all_units_together_are_the_block(
    speech_model: SpeechModel, soundtrack: Soundtrack
) -> None:
    before = hash_weights(speech_model.model)
    for group in speech_model.groups[-3:]:
        own = group_activity(speech_model, soundtrack, group)
        block = block_outputs(speech_model, soundtrack, group.id)
        everything = own.together(range(group.n_units))
        np.testing.assert_allclose(everything, np.linalg.norm(block, axis=1), rtol=0.01, atol=0.01)
        alone = np.stack([own.together([unit]) for unit in range(group.n_units)], axis=1)
        np.testing.assert_allclose(own.strengths(range(group.n_units)), alone, rtol=1e-4, atol=1e-5)
        assert (alone.sum(axis=1) >= everything * 0.999).all(), "the triangle inequality"
    assert hash_weights(speech_model.model) == before


def test_one_run_serves_the_groups_behind_and_is_kept(
    whisper: SpeechModel, sound: Excitation, monkeypatch: pytest.MonkeyPatch
) -> None:
    soundtrack = find_soundtrack(whisper, sound)
    first = group_activity(whisper, soundtrack, whisper.groups[0])
    monkeypatch.setattr(activity, "record", None)  # a second run would call it
    again = group_activity(whisper, soundtrack, whisper.groups[0])
    np.testing.assert_array_equal(first.inputs, again.inputs)
    for group in whisper.groups[1:]:
        assert len(group_activity(whisper, soundtrack, group).inputs)


@pytest.mark.parametrize(
    ("build", "name"),
    [
        (tiny_hubert, "encoder.1.ffn"),
        (tiny_hubert, "encoder.0.self_attention"),
        (tiny_whisper, "decoder.1.cross_attention"),
    ],
)
def test_twins_merge_into_their_sum(build: object, name: str, sound: Excitation) -> None:
    """Two units that read alike do together what the one does that they become."""
    model = build()  # type: ignore[operator]
    group = group_of(model, name)
    weights = read_units(model.model, group)
    for part in (*weights.inputs.values(), *weights.biases.values()):
        part[1] = part[0]
    overwrite(model.model, group, weights)
    model = tiny_twin(model)
    soundtrack = find_soundtrack(model, sound)
    own = group_activity(model, soundtrack, group)
    track = soundtrack.tracks[1]
    merged = merged_strength(model, track, group, [0, 1], rule="mean", align_heads=False)
    together = own.together([0, 1], own.on_clip(1))
    np.testing.assert_allclose(merged, together, rtol=0.01, atol=0.01)
    assert not np.allclose(merged, own.together([0], own.on_clip(1)), rtol=0.05)


def tiny_twin(model: SpeechModel) -> SpeechModel:
    """The same model under the hash of what was written to it."""
    from dataclasses import replace

    return replace(model, weight_hash=hash_weights(model.model))
