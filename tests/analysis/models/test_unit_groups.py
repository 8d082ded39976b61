"""Where units are, what they own, and which layers cannot be grouped."""

import pytest
import torch
from torch import nn

from analysis.errors import UserError
from analysis.models.architectures import ARCHITECTURES
from analysis.models.modules import linear_at
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import locate_groups
from tests.helpers.tiny_models import BUILDERS, logits, tiny_hubert, tiny_whisper


def test_groups_of_whisper_in_signal_order(whisper: SpeechModel) -> None:
    found = [(g.id, g.n_units, g.rows, g.unit_dim) for g in whisper.groups]
    # heads: rows · (3 inputs + 1 output) · 32, plus a bias per row of query and value (no key bias)
    encoder_head, decoder_head = 8 * (4 * 32 + 2), 16 * (4 * 32 + 2)
    channel = 2 * 32 + 1
    expected = []
    for layer in range(2):
        expected += [
            (f"encoder.{layer}.self_attention", 4, 8, encoder_head),
            (f"encoder.{layer}.ffn", 24, 1, channel),
        ]
    for layer in range(3):
        expected += [
            (f"decoder.{layer}.self_attention", 2, 16, decoder_head),
            (f"decoder.{layer}.cross_attention", 2, 16, decoder_head),
            (f"decoder.{layer}.ffn", 20, 1, channel),
        ]
    assert found == expected


@pytest.mark.parametrize(
    ("fixture", "layers", "heads", "channels", "hidden"),
    [
        ("hubert", 2, 4, 24, 32),
        ("hubert_large", 3, 3, 20, 36),
        ("wav2vec2", 2, 4, 28, 32),
        ("wav2vec2_large", 3, 3, 16, 36),
        ("data2vec_audio", 2, 4, 24, 32),
    ],
)
def test_groups_of_ctc_encoders(
    request: pytest.FixtureRequest,
    fixture: str,
    layers: int,
    heads: int,
    channels: int,
    hidden: int,
) -> None:
    model: SpeechModel = request.getfixturevalue(fixture)
    rows = hidden // heads
    expected = []
    for layer in range(layers):
        expected += [
            (f"encoder.{layer}.self_attention", heads, rows, rows * (4 * hidden + 3)),
            (f"encoder.{layer}.ffn", channels, 1, 2 * hidden + 1),
        ]
    assert [(g.id, g.n_units, g.rows, g.unit_dim) for g in model.groups] == expected


def test_titles_are_for_people(whisper: SpeechModel) -> None:
    titles = {group.id: group.title for group in whisper.groups}
    assert titles["encoder.0.ffn"] == "Encoder 0 · FFN channels"
    assert titles["decoder.2.cross_attention"] == "Decoder 2 · cross-attention heads"


def test_unit_parameters_are_all_of_the_projections_but_the_output_bias(
    speech_model: SpeechModel,
) -> None:
    for group in speech_model.groups:
        linears = [linear_at(speech_model.model, path) for path in group.input_paths.values()]
        output = linear_at(speech_model.model, group.output_path)
        owned = sum(p.numel() for linear in linears for p in linear.parameters())
        assert group.n_parameters == owned + output.weight.numel(), group.id


@pytest.mark.parametrize("family", list(BUILDERS))
def test_projections_read_the_norm_that_the_architecture_names(family: str) -> None:
    """`norm_path` is data; a forward pass says whether it is true."""
    model = BUILDERS[family]()
    normed: dict[str, torch.Tensor] = {}
    read: dict[str, torch.Tensor] = {}
    pairs = [
        (group.norm_path(role), path)
        for group in model.groups
        for role, path in group.input_paths.items()
    ]
    for norm, path in pairs:
        model.model.get_submodule(norm).register_forward_hook(
            lambda _module, _inputs, output, norm=norm: normed.update({norm: output})
        )
        model.model.get_submodule(path).register_forward_hook(
            lambda _module, inputs, _output, path=path: read.update({path: inputs[0]})
        )
    logits(model)
    for norm, path in pairs:
        assert torch.equal(normed[norm], read[path]), f"{path} does not read {norm}"


def test_shapes_that_contradict_each_other_are_refused_by_group() -> None:
    model = tiny_hubert()
    model.model.set_submodule("hubert.encoder.layers.1.attention.v_proj", nn.Linear(32, 24))
    with pytest.raises(UserError, match=r"encoder\.1\.self_attention"):
        locate_groups(model.model, model.architecture)


def test_a_layer_without_heads_is_refused() -> None:
    model = tiny_whisper()
    setattr(model.model.get_submodule("model.decoder.layers.0.encoder_attn"), "num_heads", 0)  # noqa: B010
    with pytest.raises(UserError, match=r"decoder\.0\.cross_attention"):
        locate_groups(model.model, model.architecture)


def test_a_quantised_projection_is_named() -> None:
    model = tiny_whisper()
    model.model.set_submodule("model.encoder.layers.0.fc1", nn.Identity())
    with pytest.raises(UserError, match=r"encoder\.layers\.0\.fc1 is a Identity"):
        locate_groups(model.model, model.architecture)


def test_every_family_has_a_tiny_model() -> None:
    assert {builder().architecture.model_type for builder in BUILDERS.values()} == set(
        ARCHITECTURES
    )
