"""Units as tensors: reading and writing them changes nothing else."""

import torch

from analysis.models.modules import linear_at, share_modules
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_weights import read_units, resize_group, write_units
from tests.helpers.tiny_models import group_of, logits


def test_a_head_owns_its_rows_and_columns(whisper: SpeechModel) -> None:
    group = group_of(whisper, "encoder.1.self_attention")
    weights = read_units(whisper.model, group)

    def parameter(name: str) -> torch.Tensor:
        return whisper.model.get_parameter(f"model.encoder.layers.1.self_attn.{name}")

    head, rows = 2, slice(16, 24)  # head_dim 8
    assert torch.equal(weights.inputs["query"][head], parameter("q_proj.weight")[rows])
    assert torch.equal(weights.inputs["key"][head], parameter("k_proj.weight")[rows])
    assert torch.equal(weights.inputs["value"][head], parameter("v_proj.weight")[rows])
    assert torch.equal(weights.biases["value"][head], parameter("v_proj.bias")[rows])
    assert torch.equal(weights.output[head], parameter("out_proj.weight")[:, rows].T)
    assert set(weights.biases) == {"query", "value"}


def test_a_channel_owns_a_row_a_bias_and_a_column(hubert: SpeechModel) -> None:
    group = group_of(hubert, "encoder.0.ffn")

    def parameter(name: str) -> torch.Tensor:
        return hubert.model.get_parameter(f"hubert.encoder.layers.0.feed_forward.{name}")

    vector = read_units(hubert.model, group).vectors()[5]
    expected = torch.cat(
        [
            parameter("intermediate_dense.weight")[5],
            parameter("intermediate_dense.bias")[5:6],
            parameter("output_dense.weight")[:, 5],
        ]
    )
    assert torch.equal(vector, expected)


def test_writing_what_was_read_changes_no_bit(speech_model: SpeechModel) -> None:
    before = logits(speech_model)
    copy = share_modules(speech_model.model)
    for group in speech_model.groups:
        write_units(copy, group, read_units(copy, group))
    for name, tensor in speech_model.model.state_dict().items():
        assert torch.equal(copy.state_dict()[name], tensor), name
    with torch.inference_mode():
        rewritten = SpeechModel(
            copy, speech_model.processor, speech_model.architecture, "", "", None, ""
        )
        assert torch.equal(logits(rewritten), before)


def test_resizing_leaves_a_shared_model_alone(whisper: SpeechModel) -> None:
    group = group_of(whisper, "decoder.0.cross_attention")
    copy = share_modules(whisper.model)
    resize_group(copy, group, 1)
    assert linear_at(copy, group.output_path).weight.shape == (32, 16)
    assert linear_at(whisper.model, group.output_path).weight.shape == (32, 32)
    assert group_of(whisper, group.id).n_units == 2
