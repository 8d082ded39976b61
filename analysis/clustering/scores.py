"""How far queries and keys of every head reach on an excitation: what scores are made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from analysis.cache import cached, write_arrays
from analysis.clustering.listening import Listener, prepare, statistics_folder
from analysis.clustering.moments import MomentAccumulator, algebra_device
from analysis.models.modules import linear_at
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from analysis.progress import UNWATCHED, Watch
from analysis.speech.excitation import Excitation


@dataclass(frozen=True, slots=True, eq=False)
class ScoreMoments:
    """Second moments of what the heads of an attention block compare.

    Parameters
    ----------
    query : Tensor of float64, (n_heads, ranks, ranks)
        E[q·qᵀ] of each head, biases included.
    key : Tensor of float64, (n_heads, ranks, ranks)
        Cov(k) of each head: what all keys have in common adds the same to every score of a query,
        and the softmax does not see it.
    """

    query: torch.Tensor
    key: torch.Tensor


class ScoreMeter:
    """Measures the queries and keys of a group of heads while a listener plays clips.

    Parameters
    ----------
    listener : Listener
        Its copy of the modules is watched.
    heads : UnitGroup
    device : torch.device
        Of the model.
    """

    def __init__(self, listener: Listener, heads: UnitGroup, device: torch.device) -> None:
        self._listener = listener
        self._heads = heads
        self._sums = {
            role: MomentAccumulator(heads.ranks, device, (heads.n_units,))
            for role in ("query", "key")
        }
        memory = "encoder" if heads.spec.name == "cross_attention" else heads.stack
        for role, stack in (("query", heads.stack), ("key", memory)):
            linear = linear_at(listener.module, heads.input_paths[role])
            linear.register_forward_hook(self._hook(role, stack))

    def _hook(self, role: str, stack: str) -> Any:
        def hook(linear: nn.Module, arguments: object, output: torch.Tensor) -> None:
            states = self._listener.clip.counted(output.detach(), stack)
            heads = states.unflatten(-1, (self._heads.n_units, -1)).transpose(0, 1)
            self._sums[role].update(heads[..., : self._heads.ranks])

        return hook

    def moments(self) -> ScoreMoments:
        """What was measured."""
        query, key = (self._sums[role].moments() for role in ("query", "key"))
        outer = query.mean.unsqueeze(-1) * query.mean.unsqueeze(-2)
        return ScoreMoments(query.covariance + outer, key.covariance)


def score_moments(
    model: SpeechModel, excitation: Excitation, heads: UnitGroup, *, watch: Watch = UNWATCHED
) -> ScoreMoments:
    """The moments of one group of heads, from disk where they were measured before.

    They are measured in the run that measures what units do
    (`analysis.clustering.contributions.UnitMeter`); without it, this plays the clips once more, for
    all groups.

    Parameters
    ----------
    model : SpeechModel
    excitation : Excitation
    heads : UnitGroup
    watch : Watch
        Reports clips.

    Raises
    ------
    Cancelled
    """

    def make() -> Mapping[str, np.ndarray]:
        clips = prepare(model, excitation, watch=watch)
        listener = Listener(model)
        groups: Sequence[UnitGroup] = [g for g in model.groups if g.component == "heads"]
        meters = {group.id: ScoreMeter(listener, group, model.device) for group in groups}
        listener.play(clips, "Listening to what heads compare", watch)
        for group in groups:
            keep_scores(model, excitation, group, meters[group.id].moments())
        return _to_arrays(meters[heads.id].moments())

    shape = (heads.n_units, heads.ranks, heads.ranks)
    kept = cached(_path(model, excitation, heads), {"query": shape, "key": shape}, make, watch)
    device = algebra_device(model.device)
    query, key = (torch.from_numpy(kept[name]).to(device).double() for name in ("query", "key"))
    return ScoreMoments(query, key)


def keep_scores(
    model: SpeechModel, excitation: Excitation, heads: UnitGroup, measured: ScoreMoments
) -> None:
    """Keep the moments of a group of heads where `score_moments` looks for them."""
    write_arrays(_path(model, excitation, heads), _to_arrays(measured))


def _path(model: SpeechModel, excitation: Excitation, heads: UnitGroup) -> Path:
    return statistics_folder(model, excitation) / f"{heads.id}.scores.npz"


def _to_arrays(measured: ScoreMoments) -> Mapping[str, np.ndarray]:
    return {
        "query": measured.query.float().cpu().numpy(),
        "key": measured.key.float().cpu().numpy(),
    }
