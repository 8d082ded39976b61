"""Where merging hurts: how far each layer's hidden states move, on one clip."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from analysis.clustering.cka import LEAST_POSITIONS, cka_matrix, debiased_cka
from analysis.errors import UserError
from analysis.models.modules import share_modules
from analysis.models.speech_model import SpeechModel
from analysis.progress import (
    UNWATCHED,
    Watch,
)
from analysis.speech.audio import SAMPLING_RATE, Audio, Samples
from analysis.speech.ctc import WINDOW_SECONDS
from analysis.speech.recognition import TranscriptionOptions
from analysis.speech.seq2seq import Seq2SeqRecogniser

RELATIVE_ERROR_DEFINITION = (
    "‖H′ - H‖ / ‖H‖ over all positions of the clip, H being the layer's output in the original "
    "and H′ that in the variant: 0 % is no change, 100 % as far away as silence would be."
)
"""Exact definition of `LayerDrift.relative_error`, for the page."""

CKA_DEFINITION = (
    "Linear CKA of the states, debiased (Nguyen et al. 2021): 1 where positions lie alike up to "
    "rotation and scale, so that later layers could still read them; about 0 where nothing is left."
)
"""Exact definition of `LayerDrift.cka`, for the page."""


GAIN_DEFINITION = (
    "Relative error behind a layer over that before it: above 1 the layer amplifies the disturbance"
    " that reaches it, or adds its own; below 1 it absorbs some."
)
"""Exact definition of the numbers of `Drift.gains`, for the page."""


@dataclass(frozen=True, slots=True)
class LayerDrift:
    """How far one layer's output moved.

    Parameters
    ----------
    stack : str
        "encoder" or "decoder".
    layer : int
    relative_error : float
        See `RELATIVE_ERROR_DEFINITION`; nan where the original's output is zero.
    cka : float
        See `CKA_DEFINITION`; nan where either output is the same at every position.
    """

    stack: str
    layer: int
    relative_error: float
    cka: float


@dataclass(frozen=True, slots=True)
class Drift:
    """How far every layer moved on one clip.

    Parameters
    ----------
    layers : tuple of LayerDrift
        The encoder's first, each stack from its input.
    seconds : float
        Of audio that were heard: the clip, or the model's first window of it.
    n_tokens : int
        The original's own words, which both decoders were given; 0 without a decoder.
    similarities : mapping of str to tuple
        By stack, the debiased CKA of each layer of the original with each of the variant, a row per
        layer of the original; see `analysis.clustering.cka`. Empty in what was kept before it was
        measured.
    """

    layers: tuple[LayerDrift, ...]
    seconds: float
    n_tokens: int
    similarities: Mapping[str, tuple[tuple[float, ...], ...]] = field(default_factory=dict)

    def gains(self) -> tuple[tuple[LayerDrift, float], ...]:
        """What each layer makes of the disturbance that reaches it: relative error out over in.

        Above 1 it amplifies, or adds its own; below 1 it absorbs. A layer that nothing disturbed
        reaches, as the first of a stack, is left out.
        """
        return tuple(
            (layer, layer.relative_error / before.relative_error)
            for before, layer in pairwise(self.layers)
            if before.stack == layer.stack and before.relative_error > 0
        )

    def output(self, stack: str = "encoder") -> LayerDrift:
        """The last layer of a stack."""
        return [layer for layer in self.layers if layer.stack == stack][-1]


def measure_drift(
    original: SpeechModel,
    variants: Sequence[SpeechModel],
    audio: Audio,
    *,
    watch: Watch = UNWATCHED,
) -> list[Drift]:
    """Run one clip through the original and its variants, and compare every layer's output.

    Decoders are teacher-forced: all are given the tokens that the original writes, so that their
    states belong to the same words. Of a clip beyond the model's window the first window is heard.
    Positions that hold only padding do not count.

    Parameters
    ----------
    original : SpeechModel
    variants : sequence of SpeechModel
        Of the same layers; any number of units.
    audio : Audio
    watch : Watch
        Reports models.

    Returns
    -------
    list of Drift
        In the order of `variants`.

    Raises
    ------
    UserError
        Where the layers of both have no states of one shape; see also
        `analysis.speech.seq2seq.Seq2SeqRecogniser`.
    Cancelled

    References
    ----------
    Kornblith et al., "Similarity of neural network representations revisited", 2019, section 3.
    """
    samples = audio.samples[: _longest(original)]
    tokens: list[int] = []
    watch.progress(0, 1 + len(variants), original.name)
    if original.architecture.decoding == "seq2seq":
        recogniser = Seq2SeqRecogniser(original, TranscriptionOptions(), watch.should_cancel)
        with original.lock, torch.inference_mode():
            [(_, tokens)] = recogniser.tokens([samples])
    states = hidden_states(original, samples, tokens)
    drifts = []
    for done, variant in enumerate(variants, start=1):
        watch.check()
        watch.progress(done, 1 + len(variants), variant.name)
        alike = original.architecture.decoding == variant.architecture.decoding
        moved = hidden_states(variant, samples, tokens) if alike else {}
        if any(key not in moved or moved[key].shape != own.shape for key, own in states.items()):
            raise UserError(
                f"The states of {original.name} and {variant.name} do not go with each other.",
                "Compare two models of the same layers, which hear in the same steps.",
            )
        layers = tuple(
            LayerDrift(*key, relative_error(state, moved[key]), debiased_cka(state, moved[key]))
            for key, state in states.items()
        )
        similar = layer_similarities(states, moved)
        drifts.append(Drift(layers, len(samples) / SAMPLING_RATE, len(tokens), similar))
    return drifts


def layer_similarities(
    first: Mapping[tuple[str, int], torch.Tensor], second: Mapping[tuple[str, int], torch.Tensor]
) -> dict[str, tuple[tuple[float, ...], ...]]:
    """Debiased CKA of every layer of one model with every layer of another, stack by stack.

    Parameters
    ----------
    first, second : mapping of (str, int) to Tensor
        Of `hidden_states` on the same clip and tokens.

    Returns
    -------
    dict of str to tuple of tuple of float
        By stack; a row per layer of the first model. A stack of too few positions is left out.
    """
    found = {}
    for stack in dict.fromkeys(stack for stack, _ in first):
        rows = [state for (own, _), state in first.items() if own == stack]
        if len(rows[0]) < LEAST_POSITIONS:
            continue
        columns = [state for (own, _), state in second.items() if own == stack]
        found[stack] = tuple(tuple(row) for row in cka_matrix(rows, columns).tolist())
    return found


def hidden_states(
    model: SpeechModel, samples: Samples, tokens: Sequence[int] = ()
) -> Mapping[tuple[str, int], torch.Tensor]:
    """Output of every layer on one clip.

    Parameters
    ----------
    model : SpeechModel
        Waited for while another thread uses it; stays as it is.
    samples : ndarray of float32, (n,)
        Within the model's window.
    tokens : sequence of int
        What an encoder-decoder's decoder is given, from its start token on.

    Returns
    -------
    mapping of (str, int) to Tensor, float32, (positions, hidden)
        By stack and layer. Encoder frames that lie wholly beyond the samples are left out.
    """
    seq2seq = model.architecture.decoding == "seq2seq"
    # hooks go to a copy of the modules around the same tensors: the model is shared
    module = share_modules(model.model)
    extractor = model.processor.feature_extractor
    inputs = extractor(samples, sampling_rate=SAMPLING_RATE, return_tensors="pt")
    features = inputs[module.main_input_name].to(device=model.device, dtype=model.dtype)
    with model.lock, torch.inference_mode(), _recording(model, module) as states:
        if seq2seq:
            ids = torch.tensor([list(tokens)], device=model.device)
            module(features, decoder_input_ids=ids, use_cache=False)
        else:
            module(features)
    if not seq2seq:
        return states
    samples_per_frame = extractor.n_samples / model.config.max_source_positions
    n_frames = max(1, round(len(samples) / samples_per_frame))
    return {
        (stack, layer): state[:n_frames] if stack == "encoder" else state
        for (stack, layer), state in states.items()
    }


def relative_error(before: torch.Tensor, after: torch.Tensor) -> float:
    """‖after - before‖ / ‖before‖, of matrices of one shape; nan where `before` is zero."""
    scale = float(torch.linalg.norm(before))
    return float(torch.linalg.norm(after - before)) / scale if scale else float("nan")


def _longest(model: SpeechModel) -> int:
    """Samples that a model hears in one piece."""
    if model.architecture.decoding == "ctc":
        return WINDOW_SECONDS * SAMPLING_RATE
    return int(model.processor.feature_extractor.n_samples)


@contextmanager
def _recording(
    model: SpeechModel, module: nn.Module
) -> Iterator[dict[tuple[str, int], torch.Tensor]]:
    """Collects what the layers of `module`, a copy of the model's modules, put out."""
    states: dict[tuple[str, int], torch.Tensor] = {}

    def recorder(key: tuple[str, int]) -> Any:
        def record(layer: nn.Module, inputs: object, output: Any) -> None:
            state = output[0] if isinstance(output, tuple) else output
            states[key] = state[0].float()

        return record

    for stack in model.architecture.stacks(model.config):
        for layer, child in enumerate(module.get_submodule(stack.layers).children()):
            child.register_forward_hook(recorder((stack.name, layer)))
    yield states
