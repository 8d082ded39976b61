"""Drift of hidden states: nothing for the identity, more for what was merged more, exact CKA."""

import math

import numpy as np
import pytest
import torch

from analysis.compression.compress import compress
from analysis.errors import Cancelled, UserError
from analysis.evaluation.drift import (
    Drift,
    LayerDrift,
    hidden_states,
    measure_drift,
    relative_error,
)
from analysis.models.loading import DEMO_MODELS, load
from analysis.models.speech_model import SpeechModel
from analysis.progress import Watch
from analysis.speech.audio import SAMPLING_RATE, Audio, read_audio
from tests.helpers.tiny_models import hash_weights, make_plan


def sound(seconds: float) -> Audio:
    samples = np.random.default_rng(0).normal(0, 0.1, int(seconds * SAMPLING_RATE))
    return Audio("noise", samples.astype(np.float32), SAMPLING_RATE, 1)


def hooks_of(model: SpeechModel) -> list[int]:
    """How many hooks each module has; the library itself leaves some that it needs once."""
    return [len(module._forward_hooks) for module in model.model.modules()]


def test_the_identity_does_not_drift_and_nothing_is_changed(speech_model: SpeechModel) -> None:
    same = compress(speech_model, make_plan(speech_model, n_clusters={})).model
    before, hooks = hash_weights(speech_model.model), hooks_of(speech_model)
    (drift,) = measure_drift(speech_model, [same], sound(1.0))
    assert [(d.stack, d.layer) for d in drift.layers] == list(
        dict.fromkeys((g.stack, g.layer) for g in speech_model.groups)
    )
    assert all(layer.relative_error == 0 for layer in drift.layers)
    assert all(
        layer.cka == pytest.approx(1, abs=1e-5)
        or (
            layer.stack == "decoder" and math.isnan(layer.cka)
        )  # of a word or two it is not defined
        for layer in drift.layers
    )
    assert hash_weights(speech_model.model) == before
    assert hooks_of(speech_model) == hooks
    assert not speech_model.lock.locked()


def test_layers_are_compared_with_all_layers_of_the_variant(whisper: SpeechModel) -> None:
    """What comes before the merge is the same, and the matrix of a model with itself symmetric."""
    variant = compress(whisper, make_plan(whisper, n_clusters={"encoder.1.ffn": 3})).model
    same, moved = measure_drift(whisper, [whisper, variant], sound(1.0))
    assert same.n_tokens < 4, "a decoder of three positions has no debiased CKA"
    assert list(same.similarities) == ["encoder"]
    matrix = np.array(same.similarities["encoder"])
    assert matrix.shape == (2, 2)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-5)
    np.testing.assert_allclose(np.diag(matrix), 1, atol=1e-5)
    (first, second) = moved.similarities["encoder"]
    assert first[0] == pytest.approx(1, abs=1e-5)
    assert second[1] < 0.999


def test_only_layers_after_the_merged_one_drift(whisper: SpeechModel) -> None:
    variant = compress(whisper, make_plan(whisper, n_clusters={"encoder.1.ffn": 3})).model
    (drift,) = measure_drift(whisper, [variant], sound(1.0))
    moved = {(d.stack, d.layer): d.relative_error for d in drift.layers}
    assert moved.pop(("encoder", 0)) == 0
    assert all(error > 0 for error in moved.values())
    assert drift.output().layer == 1
    assert drift.output("decoder").layer == 2
    assert drift.n_tokens > 1
    assert drift.seconds == 1.0


def test_hidden_states_are_those_of_the_library(whisper: SpeechModel) -> None:
    """Against the library's own record: entry i + 1 is what layer i put out, the last normed."""
    clip = sound(1.2).samples
    tokens = [whisper.model.generation_config.decoder_start_token_id, 65, 66]
    states = hidden_states(whisper, clip, tokens)
    features = whisper.processor.feature_extractor(
        clip, sampling_rate=SAMPLING_RATE, return_tensors="pt"
    ).input_features
    with torch.inference_mode():
        output = whisper.model(
            features, decoder_input_ids=torch.tensor([tokens]), output_hidden_states=True
        )
    assert len(states["encoder", 0]) == 60  # 1.2 s at 50 frames a second, of a 2 s window
    torch.testing.assert_close(states["encoder", 0], output.encoder_hidden_states[1][0, :60])
    torch.testing.assert_close(states["decoder", 0], output.decoder_hidden_states[1][0])
    torch.testing.assert_close(states["decoder", 1], output.decoder_hidden_states[2][0])


def test_beyond_the_window_its_first_part_is_heard(whisper: SpeechModel) -> None:
    variant = compress(whisper, make_plan(whisper)).model
    (long,) = measure_drift(whisper, [variant], sound(5.0))
    assert long.seconds == 2.0


def test_a_worse_variant_drifts_more() -> None:
    folder = DEMO_MODELS["demo-whisper"]
    if not (folder / "model.safetensors").is_file():
        pytest.skip("the bundled model demo-whisper has not been built")
    model = load("demo-whisper")
    groups = model.groups
    variants = [
        compress(model, make_plan(model, n_clusters={g.id: round(s * g.n_units) for g in groups}))
        for s in (0.9, 0.5)
    ]
    clip = read_audio(folder.parent / "clips" / "digits.flac")
    mild, half = measure_drift(model, [v.model for v in variants], clip)
    for stack in ("encoder", "decoder"):
        assert 0 < mild.output(stack).relative_error < half.output(stack).relative_error
        assert half.output(stack).cka < mild.output(stack).cka < 1


def test_gains_by_hand() -> None:
    """0.1 becomes 0.3, then 0.15; nothing reaches a first layer, nor one behind no error."""
    errors = {("encoder", 0): 0.1, ("encoder", 1): 0.3, ("encoder", 2): 0.15}
    errors |= {("decoder", 0): 0.0, ("decoder", 1): 0.2}
    drift = Drift(tuple(LayerDrift(*key, error, 1.0) for key, error in errors.items()), 1.0, 3)
    found = {(layer.stack, layer.layer): gain for layer, gain in drift.gains()}
    assert found == {("encoder", 1): pytest.approx(3), ("encoder", 2): pytest.approx(0.5)}


def test_numbers_that_do_not_exist_are_nan() -> None:
    assert math.isnan(relative_error(torch.zeros(2, 2), torch.ones(2, 2)))


def test_relative_error_by_hand() -> None:
    assert relative_error(torch.tensor([[3.0, 4.0]]), torch.tensor([[3.0, 1.0]])) == 0.6


def test_it_can_be_cancelled(whisper: SpeechModel) -> None:
    variant = compress(whisper, make_plan(whisper)).model
    with pytest.raises(Cancelled):
        measure_drift(whisper, [variant], sound(1.0), watch=Watch(should_cancel=lambda: True))


def test_models_whose_states_have_other_shapes_are_refused(
    whisper: SpeechModel, hubert: SpeechModel
) -> None:
    with pytest.raises(UserError, match="do not go with each other"):
        measure_drift(whisper, [hubert], sound(1.0))


def test_models_of_two_kinds_have_no_drift(whisper: SpeechModel, hubert: SpeechModel) -> None:
    for one, other in ((whisper, hubert), (hubert, whisper)):
        with pytest.raises(UserError, match="do not go with each other"):
            measure_drift(one, [other], sound(1.0))
