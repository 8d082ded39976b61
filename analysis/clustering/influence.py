"""How much a model's own words answer to each block's output: second moments of the gradient.

When the outputs of a block are off by δ(t), the model's distributions move, to second order, by
KL ≈ ½·Σ_t δ(t)ᵀ·F·δ(t) nats, with F the Fisher information: the mean of g·gᵀ, g the gradient of
-log p(y) at the block's output and y drawn from the model's own distribution. One backward pass
per clip gives F for every block, and with it a metric in which what units do is counted in nats
per word: comparable across all groups, as an end-to-end allocation needs it.

References
----------
LeCun, Denker and Solla, "Optimal brain damage", 1990, for a loss by its second derivatives;
Martens, "New insights and perspectives on the natural gradient method", 2020, section 5, for the
Fisher information as the curvature of the KL divergence.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from analysis.cache import cached
from analysis.clustering.contributions import UnitMeter, are_kept, groups_beside, keep_moments
from analysis.clustering.listening import (
    Listener,
    PreparedClip,
    beginning,
    prepare,
    statistics_folder,
)
from analysis.clustering.moments import algebra_device
from analysis.models.modules import linear_at
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from analysis.progress import UNWATCHED, Watch
from analysis.speech.excitation import Excitation

SECONDS = 300.0
"""Of sound that is heard at most: beyond that the moments hardly move."""

_LEAST = 1e-9  # of the largest eigenvalue: what is below is rounding


def influence_root(
    model: SpeechModel, excitation: Excitation, group: UnitGroup, *, watch: Watch = UNWATCHED
) -> torch.Tensor:
    """A square root of a block's metric: ‖δᵀ·R‖² are the nats per word that δ costs.

    The first call measures all blocks of the model in one run.

    Parameters
    ----------
    model : SpeechModel
        Waited for while another thread uses it; stays as it is, gradients included.
    excitation : Excitation
        Its first five minutes are heard.
    group : UnitGroup
        Whose output projection it is.
    watch : Watch
        Reports clips.

    Returns
    -------
    Tensor of float64, (d, rank)
        R·Rᵀ = ½·E[g·gᵀ] at the group's output projection, per word or CTC frame.

    Raises
    ------
    Cancelled
    """
    hidden = model.config.hidden_size
    shapes = {other.id: (hidden, hidden) for other in model.groups}

    def make() -> Mapping[str, np.ndarray]:
        clips = prepare(model, excitation, watch=watch)
        listener = Listener(model)
        meter = None
        if not are_kept(model, excitation, group):
            # one run of the model serves both: what comes forward and what goes back
            meter = UnitMeter(model, listener, groups_beside(model, excitation, group))
        to_the_end = meter is not None
        moments = gradient_moments(model, listener, clips, to_the_end=to_the_end, watch=watch)
        if meter is not None:
            keep_moments(model, excitation, meter.moments(watch))
        return {name: moment.float().cpu().numpy() for name, moment in moments.items()}

    kept = cached(statistics_folder(model, excitation) / "influence.npz", shapes, make, watch)
    return _root(torch.from_numpy(kept[group.id]).to(algebra_device(model.device)))


def gradient_moments(
    model: SpeechModel,
    listener: Listener,
    clips: Sequence[PreparedClip],
    *,
    to_the_end: bool = False,
    watch: Watch = UNWATCHED,
) -> dict[str, torch.Tensor]:
    """Second moments of the gradient at the output of every block, per word or CTC frame.

    Parameters
    ----------
    model : SpeechModel
    listener : Listener
        Of this model.
    clips : sequence of PreparedClip
        Only the first five minutes count.
    to_the_end : bool
        Whether the other clips are played, too, for what else watches the listener.
    watch : Watch

    Returns
    -------
    dict of str to Tensor, (d, d)
        Σ_t g(t)·g(t)ᵀ over the number of words, by group id.

    Raises
    ------
    Cancelled
    """
    said: dict[str, torch.Tensor] = {}
    stacks = {group.id: group.stack for group in model.groups}

    def hook_for(name: str) -> Any:
        def hook(linear: nn.Module, arguments: object, output: torch.Tensor) -> None:
            if not torch.is_grad_enabled():
                return
            if not output.requires_grad:
                output.requires_grad_()
            said[name] = output

        return hook

    for group in model.groups:
        linear_at(listener.module, group.output_path).register_forward_hook(hook_for(group.id))
    hidden = model.config.hidden_size
    moments = {name: torch.zeros(hidden, hidden, device=model.device) for name in stacks}
    generator = torch.Generator().manual_seed(0)
    n_words = 0

    def there_and_back(clip: PreparedClip, module: PreTrainedModel) -> None:
        nonlocal n_words
        with torch.enable_grad():
            logs = clip.logits(module).float().log_softmax(dim=-1)
            drawn = _draw(logs.detach(), generator)
            loss = -logs.gather(1, drawn).sum()
            # not backward(): the parameters are shared, and must not be given gradients
            found = torch.autograd.grad(loss, list(said.values()))
        for name, gradient in zip(said, found, strict=True):
            own = clip.counted(gradient, stacks[name]).float()
            moments[name] += own.T @ own
        n_words += len(drawn)

    first = beginning(clips, SECONDS)
    note = "Asking which outputs the words depend on"
    listener.play(first, note, watch, there_and_back)
    if to_the_end:
        listener.play(clips[len(first) :], "Listening to what units do", watch)
    return {name: moment / max(1, n_words) for name, moment in moments.items()}


def _draw(logs: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """One token per row by its probability, the same on every device: (positions, 1)."""
    places = torch.rand(len(logs), 1, generator=generator).to(logs.device)
    reached = logs.exp().cumsum(dim=-1)
    index = torch.searchsorted(reached, places * reached[:, -1:])
    return index.clamp(max=logs.shape[-1] - 1)


def _root(moment: torch.Tensor) -> torch.Tensor:
    values, vectors = torch.linalg.eigh(moment.double() / 2)
    kept = values > _LEAST * values.max().clamp(min=0)
    return vectors[:, kept] * values[kept].sqrt()
