"""Models compressed by what their units do: in sequence or at once, saved and loaded again."""

import pytest
import torch

from analysis.compression.compress import compress
from analysis.delivery.saving import save
from analysis.errors import UserError
from analysis.models.loading import load
from analysis.models.modules import linear_at
from analysis.models.speech_model import SpeechModel
from analysis.speech.excitation import Excitation
from tests.helpers.repaired_models import listening_plan, output_error
from tests.helpers.tiny_models import logits


@pytest.mark.parametrize("method", ["cluster", "surgeon"])
def test_sequential_is_one_shot_for_a_single_group(
    whisper: SpeechModel, sound: Excitation, method: str
) -> None:
    group = whisper.groups[1]
    both = [
        compress(
            whisper,
            listening_plan(
                whisper, sound, method=method, sequential=order, n_clusters={group.id: 12}
            ),
            excitation=sound,
        ).model
        for order in (False, True)
    ]
    torch.testing.assert_close(logits(both[0]), logits(both[1]), rtol=1e-4, atol=1e-4)


def test_sequential_hears_the_layers_below(whisper: SpeechModel, sound: Excitation) -> None:
    """Behind compressed layers the mean output is met on what those give, not on the original's."""
    plan = listening_plan(whisper, sound, method="surgeon", sequential=True, sparsity=0.3)
    last = whisper.groups[-1].id
    sequential = compress(whisper, plan, excitation=sound).model
    assert output_error(whisper, sequential, last, sound)[0] < 1e-9


def test_all_units_kept_is_the_identity(speech_model: SpeechModel, sound: Excitation) -> None:
    plan = listening_plan(speech_model, sound, n_clusters={})
    result = compress(speech_model, plan, excitation=sound)
    assert torch.equal(logits(result.model), logits(speech_model))


@pytest.mark.parametrize("method", ["cluster", "surgeon"])
def test_saves_and_reloads_with_its_output_biases(
    speech_model: SpeechModel, sound: Excitation, method: str, tmp_path: object
) -> None:
    plan = listening_plan(speech_model, sound, method=method, sequential=True)
    result = compress(speech_model, plan, excitation=sound)
    group = next(iter(result.groups.values())).group
    old = linear_at(speech_model.model, group.output_path).bias
    assert not torch.equal(linear_at(result.model.model, group.output_path).bias, old)
    loaded = load(str(save(result.model, tmp_path / "small")))  # type: ignore[operator]
    assert torch.equal(logits(loaded), logits(result.model))
    assert loaded.plan == result.plan
    assert result.plan.excitation_hash == sound.identity
    again = compress(speech_model, result.plan, excitation=sound)
    assert again.model.weight_hash == result.model.weight_hash


def test_another_excitation_is_refused(hubert: SpeechModel, sound: Excitation) -> None:
    plan = compress(hubert, listening_plan(hubert, sound), excitation=sound).plan
    with pytest.raises(UserError, match="other sound"):
        compress(hubert, plan)
