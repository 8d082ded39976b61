"""What a model costs: parameters, bytes, and multiply-accumulates per second of audio."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from analysis.models.modules import share_modules
from analysis.models.quantising import is_quantised, stored_bytes, without_numbers
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup, kept_parameters, ranks_of

TOKENS_PER_SECOND = 3.0
"""Text tokens per second of audio that a decoder is charged for; read English has 2.5 to 3.5."""

CTC_SECONDS = 10.0
"""Length of the clip that a CTC encoder is charged for; attention grows with the clip's length."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """The cost of a model.

    Parameters
    ----------
    parameters : int
        Unique parameters: tied ones count once.
    mergeable_parameters : int
        Those that belong to attention heads and FFN channels.
    bytes : int
        Of the unique parameters in memory, in their dtype.
    saved_bytes : int
        Of the same once they are saved, in the dtype that they were stored in.
    encoder_macs, decoder_macs : float
        Multiply-accumulates per second of audio in linear maps, convolutions and attention. An
        encoder-decoder is charged for full windows and `TOKENS_PER_SECOND`, a CTC model for clips
        of `CTC_SECONDS`.
    """

    parameters: int
    mergeable_parameters: int
    bytes: int
    saved_bytes: int
    encoder_macs: float
    decoder_macs: float

    @property
    def macs(self) -> float:
        """Multiply-accumulates per second of audio, all stacks."""
        return self.encoder_macs + self.decoder_macs


@dataclass(frozen=True, slots=True)
class _Workload:
    """What the multiply-accumulates are counted on: `seconds` of audio."""

    seconds: float
    frames: int
    tokens: int


_COUNTED: "WeakKeyDictionary[SpeechModel, Footprint]" = WeakKeyDictionary()


def footprint(model: SpeechModel) -> Footprint:
    """Count a loaded model, once, by running its shapes without its numbers.

    Parameters
    ----------
    model : SpeechModel
        Original or compressed.

    Returns
    -------
    Footprint
    """
    if model not in _COUNTED:
        _COUNTED[model] = _count(model)
    return _COUNTED[model]


def _count(model: SpeechModel) -> Footprint:
    n_bytes = sum(p.numel() * p.element_size() for p in model.model.parameters())
    if is_quantised(model.model):
        n_bytes = stored_bytes(model.model)
        model = replace(model, model=without_numbers(model.model))
    parameters = list(model.model.parameters())
    encoder, decoder = _count_macs(model)
    return Footprint(
        parameters=sum(p.numel() for p in parameters),
        mergeable_parameters=sum(group.n_parameters for group in model.groups),
        bytes=n_bytes,
        saved_bytes=sum(p.numel() for p in parameters) * model.saved_dtype.itemsize,
        encoder_macs=encoder,
        decoder_macs=decoder,
    )


def predict_footprint(
    model: SpeechModel, base: Footprint, n_clusters: Mapping[str, int]
) -> Footprint:
    """The footprint that a model would have after compression, without compressing it.

    Parameters
    ----------
    model : SpeechModel
        The original.
    base : Footprint
        Its footprint.
    n_clusters : mapping of str to int
        K by group id.

    Returns
    -------
    Footprint
        Equal to `footprint` of the compressed model.
    """
    work = _workload(model)
    removed = kept_parameters(model.groups) - kept_parameters(model.groups, n_clusters)
    macs = {"encoder": 0, "decoder": 0}
    for group in model.groups:
        kept = n_clusters[group.id]
        macs[group.stack] += (group.n_units - kept) * _unit_macs(model, group, work)
        if group.component == "heads":
            ranks = group.ranks - n_clusters.get(ranks_of(group).id, group.ranks)
            macs[group.stack] += kept * ranks * _rank_macs(model, group, work)
    return Footprint(
        parameters=base.parameters - removed,
        mergeable_parameters=base.mergeable_parameters - removed,
        bytes=base.bytes - removed * model.dtype.itemsize,
        saved_bytes=base.saved_bytes - removed * model.saved_dtype.itemsize,
        encoder_macs=base.encoder_macs - macs["encoder"] / work.seconds,
        decoder_macs=base.decoder_macs - macs["decoder"] / work.seconds,
    )


def _unit_macs(model: SpeechModel, group: UnitGroup, work: _Workload) -> int:
    """Of one unit, on all of the workload."""
    hidden: int = model.config.hidden_size
    queries, memory = _positions(group, work)
    if group.component == "ffn":
        return queries * 2 * hidden
    values = hidden * group.rows * (queries + memory) + 2 * queries * memory * group.rows
    return values + group.ranks * _rank_macs(model, group, work)


def _rank_macs(model: SpeechModel, group: UnitGroup, work: _Workload) -> int:
    """Of one rank in one head: its two projections; scores are taken over all of `head_dim`."""
    hidden: int = model.config.hidden_size
    return hidden * sum(_positions(group, work))


def _positions(group: UnitGroup, work: _Workload) -> tuple[int, int]:
    """Positions that a block is asked at, and that its attention looks at."""
    queries = work.frames if group.stack == "encoder" else work.tokens
    return queries, work.frames if group.block == "cross_attention" else queries


def _workload(model: SpeechModel) -> _Workload:
    config, extractor = model.config, model.processor.feature_extractor
    if model.architecture.decoding == "seq2seq":
        seconds = float(extractor.chunk_length)
        tokens = min(config.max_target_positions, round(seconds * TOKENS_PER_SECOND))
        return _Workload(seconds, config.max_source_positions, tokens)
    samples = int(CTC_SECONDS * extractor.sampling_rate)
    frames = int(model.model._get_feat_extract_output_lengths(samples))  # type: ignore[operator]
    return _Workload(CTC_SECONDS, frames, 0)


def _count_macs(model: SpeechModel) -> tuple[float, float]:
    """Encoder's and decoder's multiply-accumulates per second, counted on the meta device."""

    def on_meta(tensor: torch.Tensor) -> torch.Tensor:
        if isinstance(tensor, nn.Parameter):
            return nn.Parameter(tensor.to("meta"), requires_grad=False)
        return tensor.to("meta")

    work = _workload(model)
    module = share_modules(model.model, on_meta)
    module.config._attn_implementation = "eager"  # its two products are counted, fused ones not
    counter = FlopCounterMode(display=False)
    with torch.device("meta"), torch.inference_mode():
        if model.architecture.decoding == "ctc":
            samples = int(work.seconds * model.processor.feature_extractor.sampling_rate)
            with counter:
                module(torch.empty(1, samples, dtype=model.dtype))
            return counter.get_total_flops() / 2 / work.seconds, 0.0
        features = torch.empty(1, model.config.num_mel_bins, 2 * work.frames, dtype=model.dtype)
        with counter:
            encoded = module.get_encoder()(features)
        encoder = counter.get_total_flops()
        tokens = torch.zeros(1, work.tokens, dtype=torch.long)
        with FlopCounterMode(display=False) as decoder_counter:
            # without a cache, values of the mask would be looked at; on meta there are none
            module(encoder_outputs=encoded, decoder_input_ids=tokens, use_cache=True)
        decoder = decoder_counter.get_total_flops()
    return encoder / 2 / work.seconds, decoder / 2 / work.seconds
