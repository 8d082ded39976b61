"""Whisper for CTranslate2 and faster-whisper, checked against the torch model before it is kept.

CTranslate2 reads each layer's FFN width from its matrices, so any is exact. The number of heads is
one for the whole encoder and one for the whole decoder, and queries and keys are as wide as values:
otherwise a model converts, loads and is silently wrong. So layers with fewer heads than the widest
of their stack get heads of zeros, and ranks that heads lost are zeros, too: exact, and as large as
that. Where heads were merged, it would also scale queries by the root of hidden size / heads; their
scale is the original's, and is written explicitly.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.models.whisper.modeling_whisper import WhisperAttention

from analysis.delivery.export_checks import (
    Check,
    Export,
    check_input,
    compare_outputs,
    float32_copy,
    folder_bytes,
    require,
)
from analysis.delivery.saving import check_target
from analysis.errors import UserError
from analysis.files import absolute, atomic_folder
from analysis.models.modeling_merged_units import RankedLinear
from analysis.models.modules import share_modules
from analysis.models.speech_model import SpeechModel
from analysis.plan.choices import EXPORT_PRECISIONS

_CHECKED_STEPS = 8
_SUPPRESSED = -1e30  # what the runtime writes for tokens that the configuration forbids is below


def most_heads(model: SpeechModel) -> dict[str, int]:
    """The number of heads that every layer of a stack is written with: those of its widest one.

    Parameters
    ----------
    model : SpeechModel

    Returns
    -------
    dict of str to int
        By stack.

    Raises
    ------
    UserError
        When CTranslate2 cannot hold the model; says why.
    """
    if model.architecture.decoding != "seq2seq":
        raise UserError(
            f"CTranslate2 has no {model.architecture.title} as published.",
            "Export it to onnx, which holds any of these models.",
        )
    heads = [group for group in model.groups if group.component == "heads"]
    return {
        stack: max(group.n_units for group in heads if group.stack == stack)
        for stack in dict.fromkeys(group.stack for group in heads)
    }


def export_ctranslate2(
    model: SpeechModel, folder: Path, *, precision: str = "float32", overwrite: bool = False
) -> Export:
    """Convert a Whisper, check the result, and keep it if it computes the same.

    Parameters
    ----------
    model : SpeechModel
        Original or compressed.
    folder : Path
        Where to; written whole or not at all.
    precision : str
        See `EXPORT_PRECISIONS`.
    overwrite : bool
        Whether a model that is already there may be replaced.

    Returns
    -------
    Export
        Errors of encoder output and decoder logits, in float32 and in `precision`.

    Raises
    ------
    UserError
        When the runtime cannot hold the model, is not installed, or computes something else.
    """
    heads = most_heads(model)
    if precision not in EXPORT_PRECISIONS:
        raise UserError(
            f"CTranslate2 export has no precision {precision!r}.",
            f"Choose one of {', '.join(EXPORT_PRECISIONS)}.",
        )
    require("ctranslate2")
    folder = absolute(folder)
    check_target(folder, overwrite=overwrite)
    module = float32_copy(model)
    checks: tuple[Check, ...] = ()
    if precision != "float32":  # what rounding changes must not hide what conversion gets wrong
        with tempfile.TemporaryDirectory() as scratch:
            _convert(model, module, heads, Path(scratch), "float32")
            checks = _check(model, module, Path(scratch), "float32")
    with atomic_folder(folder) as temporary:
        _convert(model, module, heads, temporary, precision)
        checks += _check(model, module, temporary, precision)
        size = folder_bytes(temporary)
    return Export(folder, "ctranslate2", precision, size, checks)


def _convert(
    model: SpeechModel,
    module: PreTrainedModel,
    heads: dict[str, int],
    folder: Path,
    precision: str,
) -> None:
    """Write the weights, and what faster-whisper reads beside them."""
    converters = require("ctranslate2.converters.transformers")
    # the converter quantises in place, in the very memory of the weights that it is given
    own = share_modules(module, lambda tensor: tensor.detach().clone())
    with torch.no_grad():
        _fill(own, heads)
        spec = converters.WhisperLoader()(own, model.processor.tokenizer)
    head_dims = {group.stack: group.rows for group in model.groups if group.component == "heads"}
    _set_heads(spec, heads, head_dims)
    spec.validate()
    spec.optimize(quantization=None if precision == "float32" else precision)
    spec.save(str(folder))
    model.processor.tokenizer.save_pretrained(folder)
    model.processor.feature_extractor.save_pretrained(folder)


def _fill(module: PreTrainedModel, heads: Mapping[str, int]) -> None:
    """Give all attention blocks of a stack the same shape, in place, with zeros for what is gone.

    A rank of zeros adds nothing to a score, and a head whose output is zero adds nothing at all.
    """
    for stack, n_heads in heads.items():
        for block in module.get_submodule(f"model.{stack}").modules():
            if not isinstance(block, WhisperAttention):
                continue
            head_dim = int(block.head_dim)
            for name in ("q_proj", "k_proj", "v_proj"):
                setattr(block, name, _filled(getattr(block, name), n_heads, head_dim))
            missing = n_heads * head_dim - block.out_proj.in_features
            weight = nn.functional.pad(block.out_proj.weight, (0, missing))
            block.out_proj = _linear(weight, block.out_proj.bias)


def _filled(projection: nn.Linear, n_heads: int, head_dim: int) -> nn.Linear:
    """A projection to heads with zeros for the ranks and the heads that it lost."""
    ranks = projection.ranks if isinstance(projection, RankedLinear) else head_dim

    def fill(rows: torch.Tensor) -> torch.Tensor:
        by_head = rows.unflatten(0, (-1, ranks)).flatten(2)  # (heads, ranks, inputs)
        full = rows.new_zeros(n_heads, head_dim, by_head.shape[2])
        full[: len(by_head), :ranks] = by_head
        return full.reshape(n_heads * head_dim, *rows.shape[1:])

    bias = projection.bias
    return _linear(fill(projection.weight), None if bias is None else fill(bias[:, None])[:, 0])


def _linear(weight: torch.Tensor, bias: torch.Tensor | None) -> nn.Linear:
    """A projection with some weights."""
    made = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    made.weight = nn.Parameter(weight)
    if bias is not None:
        made.bias = nn.Parameter(bias)
    return made


def _set_heads(spec: Any, heads: Mapping[str, int], head_dims: Mapping[str, int]) -> None:
    """Write the number of heads and their scale into a converted model."""
    for stack, n_heads in heads.items():
        part, scale = getattr(spec, stack), np.float32(head_dims[stack] ** -0.5)
        part.num_heads = np.int16(n_heads)
        for layer in part.layer:
            layer.self_attention.queries_scale = scale
            if stack == "decoder":
                layer.attention.queries_scale = scale


def _check(
    model: SpeechModel, module: PreTrainedModel, folder: Path, precision: str
) -> tuple[Check, ...]:
    """Encoder output, and the logits of a few greedy steps of the decoder."""
    runtime = require("ctranslate2")
    compute_type = "int8" if precision == "int8" else "float32"
    exported = runtime.models.Whisper(str(folder), device="cpu", compute_type=compute_type)
    features = check_input(model)
    given = runtime.StorageView.from_array(features)
    prompt = [int(module.generation_config.decoder_start_token_id)]
    (result,) = exported.generate(
        given,
        [prompt],
        beam_size=1,
        max_length=len(prompt) + _CHECKED_STEPS,
        return_logits_vocab=True,
        suppress_blank=False,
        suppress_tokens=[],
    )
    logits = np.array([np.array(step).ravel() for step in result.logits[0]])
    written = prompt + list(result.sequences_ids[0])
    with torch.inference_mode():
        encoded = module.get_encoder()(torch.from_numpy(features)).last_hidden_state
        tokens = torch.tensor([written])
        expected = module(encoder_outputs=(encoded,), decoder_input_ids=tokens).logits[0].numpy()
    expected = expected[: len(logits)]
    logits = np.where(logits > _SUPPRESSED, logits, expected)
    return (
        compare_outputs(
            "encoder outputs", np.array(exported.encode(given)), encoded.numpy(), precision
        ),
        compare_outputs("decoder logits", logits, expected, precision),
    )
