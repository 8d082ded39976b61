"""What lies below a change is played from a recording: the words are those of the whole model."""

import pytest

from analysis.compression.compress import compress
from analysis.compression.divergence import check_clips, divergence, log_probabilities
from analysis.compression.replay import record
from analysis.models.speech_model import SpeechModel
from tests.helpers.tiny_models import make_plan


def test_a_recording_of_a_changed_model_serves_those_near_to_it(
    speech_model: SpeechModel,
) -> None:
    """The base has lost units in every group; the models near to it lose more, here and there."""
    clips = check_clips(speech_model)
    original = log_probabilities(speech_model, speech_model.model, clips)
    groups = speech_model.groups
    kept = {group.id: group.n_units - 1 for group in groups}

    def made(n_clusters: dict[str, int]) -> SpeechModel:
        return compress(speech_model, make_plan(speech_model, n_clusters=n_clusters)).model

    recording = record(speech_model, made(kept).model, clips)
    changes = [[], [groups[0]], [groups[-1]], [groups[len(groups) // 2], groups[-1]], groups[::2]]
    for changed in changes:
        near = made(kept | {g.id: max(1, g.n_units // 2) for g in changed})
        whole = divergence(speech_model, near.model, clips, original)
        replayed = recording.divergence(near.model, [g.id for g in changed], original)
        assert replayed == pytest.approx(whole, rel=1e-5, abs=1e-9)
