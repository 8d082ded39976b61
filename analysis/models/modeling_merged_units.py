"""Speech recognisers in which every layer has a number of heads and FFN channels of its own.

A compressed checkpoint carries this file beside its weights, so that transformers loads it with
`trust_remote_code=True` where Coalesce is not installed. It needs torch and transformers only.

`config.merged_units` maps a unit group, ``"{encoder|decoder}.{layer}.{ffn|self_attention|
cross_attention}"``, to the channels or heads that are left of it; groups that it does not name have
the size that the rest of the configuration says. The size of a head (`head_dim`) never changes.

`config.merged_ranks` maps an attention group to the ranks that are left of the products of queries
and keys in each of its heads, where these are fewer than `head_dim`.
"""

from typing import Any

import torch
from torch import nn
from transformers import (
    Data2VecAudioConfig,
    Data2VecAudioForCTC,
    HubertConfig,
    HubertForCTC,
    PreTrainedModel,
    Wav2Vec2Config,
    Wav2Vec2ForCTC,
    WhisperConfig,
    WhisperForConditionalGeneration,
)

_PROJECTIONS = ("q_proj", "k_proj", "v_proj")
_RANKED = ("q_proj", "k_proj")
_CTC_BLOCKS = {
    "self_attention": ("attention", _PROJECTIONS, "out_proj"),
    "ffn": ("feed_forward", ("intermediate_dense",), "output_dense"),
}
_WHISPER_BLOCKS = {
    "self_attention": ("self_attn", _PROJECTIONS, "out_proj"),
    "cross_attention": ("encoder_attn", _PROJECTIONS, "out_proj"),
    "ffn": ("", ("fc1",), "fc2"),
}


class RankedLinear(nn.Linear):
    """Projects to queries or keys of fewer ranks than `head_dim`; behind them stand zeros.

    Zeros add nothing to a score, so that the attention around it is the library's own.

    Parameters
    ----------
    in_features, n_heads, ranks, head_dim : int
    **options
        Of `torch.nn.Linear`.
    """

    def __init__(
        self, in_features: int, n_heads: int, ranks: int, head_dim: int, **options: Any
    ) -> None:
        super().__init__(in_features, n_heads * ranks, **options)
        self.ranks, self.head_dim = ranks, head_dim

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Project states: (…, in_features) to (…, n_heads·head_dim)."""
        heads = super().forward(states).unflatten(-1, (-1, self.ranks))
        return nn.functional.pad(heads, (0, self.head_dim - self.ranks)).flatten(-2)


def resize_units(model: PreTrainedModel, layers: dict[str, str], blocks: dict[str, tuple]) -> None:
    """Replace the projections of every group in the two tables by smaller, empty ones.

    Parameters
    ----------
    model : PreTrainedModel
        With all groups at their full size.
    layers : dict of str to str
        Stack → path of its list of layers.
    blocks : dict of str to tuple
        Block → path of its module in the layer, names of its input projections, of its output one.

    Raises
    ------
    ValueError
        When a field is no table of group to number of units, or a number does not fit.
    """
    for group, n_units in _table(model, "merged_units").items():
        block, owner = _find(model, "merged_units", group, layers, blocks)
        _, inputs, output = blocks[block]
        width = getattr(owner, output).in_features
        full = getattr(owner, "num_heads", width) if block != "ffn" else width
        _check("merged_units", group, n_units, full)
        _resize(owner, inputs, output, n_units * (width // full))
        if block != "ffn":
            vars(owner)["num_heads"] = n_units
    attention = {name: block for name, block in blocks.items() if name != "ffn"}
    for group, ranks in _table(model, "merged_ranks").items():
        _, owner = _find(model, "merged_ranks", group, layers, attention)
        head_dim: int = vars(owner)["head_dim"]
        _check("merged_ranks", group, ranks, head_dim)
        for name in _RANKED:
            setattr(owner, name, _ranked(getattr(owner, name), ranks, head_dim))


def _table(model: PreTrainedModel, field: str) -> dict[str, int]:
    table = getattr(model.config, field, None) or {}
    if not isinstance(table, dict):
        raise ValueError(f"{field} is a {type(table).__name__}, not a table of group to size")
    return table


def _find(
    model: PreTrainedModel, field: str, group: str, layers: dict[str, str], blocks: dict[str, tuple]
) -> tuple[str, nn.Module]:
    """The block that a group's id ends with, and the module that owns its projections."""
    stack, _, rest = str(group).partition(".")
    layer, _, block = rest.partition(".")
    depth = len(list(model.get_submodule(layers[stack]).children())) if stack in layers else 0
    if not (layer.isdecimal() and int(layer) < depth and block in blocks):
        raise ValueError(f"{field} names {group!r}, which this model does not have")
    path = ".".join(filter(None, (layers[stack], layer, blocks[block][0])))
    return block, model.get_submodule(path)


def _check(field: str, group: str, size: object, full: int) -> None:
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= full:
        raise ValueError(f"{field} gives {group} the size {size!r}, not 1 to {full}")


def _ranked(old: nn.Linear, ranks: int, head_dim: int) -> RankedLinear:
    return RankedLinear(
        old.in_features,
        old.out_features // head_dim,
        ranks,
        head_dim,
        bias=old.bias is not None,
        device=old.weight.device,
        dtype=old.weight.dtype,
    )


def _resize(owner: nn.Module, inputs: tuple[str, ...], output: str, width: int) -> None:
    for name in (*inputs, output):
        old = getattr(owner, name)
        new = nn.Linear(
            width if name == output else old.in_features,
            old.out_features if name == output else width,
            bias=old.bias is not None,
            device=old.weight.device,
            dtype=old.weight.dtype,
        )
        setattr(owner, name, new)


class MergedWhisperForConditionalGeneration(WhisperForConditionalGeneration):
    """Whisper; its encoder, decoder and cross-attention layers each have sizes of their own."""

    def __init__(self, config: WhisperConfig) -> None:
        super().__init__(config)
        layers = {"encoder": "model.encoder.layers", "decoder": "model.decoder.layers"}
        resize_units(self, layers, _WHISPER_BLOCKS)


class MergedHubertForCTC(HubertForCTC):
    """HuBERT with a CTC head; each layer has sizes of its own."""

    def __init__(self, config: HubertConfig) -> None:
        super().__init__(config)
        resize_units(self, {"encoder": "hubert.encoder.layers"}, _CTC_BLOCKS)


class MergedWav2Vec2ForCTC(Wav2Vec2ForCTC):
    """wav2vec 2.0 with a CTC head; each layer has sizes of its own."""

    def __init__(self, config: Wav2Vec2Config) -> None:
        super().__init__(config)
        resize_units(self, {"encoder": "wav2vec2.encoder.layers"}, _CTC_BLOCKS)


class MergedData2VecAudioForCTC(Data2VecAudioForCTC):
    """data2vec-audio with a CTC head; each layer has sizes of its own."""

    def __init__(self, config: Data2VecAudioConfig) -> None:
        super().__init__(config)
        resize_units(self, {"encoder": "data2vec_audio.encoder.layers"}, _CTC_BLOCKS)


MergedWhisperForConditionalGeneration.register_for_auto_class("AutoModelForSpeechSeq2Seq")
MergedHubertForCTC.register_for_auto_class("AutoModelForCTC")
MergedWav2Vec2ForCTC.register_for_auto_class("AutoModelForCTC")
MergedData2VecAudioForCTC.register_for_auto_class("AutoModelForCTC")
