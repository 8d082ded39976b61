"""What units do rather than what their numbers are: moments of their activations on an excitation.

Unit i adds c_i(t) = a_i(t)·W2_i to the residual stream: a channel's activation times its output
column, a head's output through its slice of O. Everything about the contributions follows from the
mean and the covariance of the inputs of the output projection.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from analysis.cache import cached, is_kept, largest_entry, write_arrays
from analysis.clustering.distances import SquaredDistances
from analysis.clustering.listening import Listener, prepare, statistics_folder
from analysis.clustering.moments import (
    MomentAccumulator,
    Moments,
    algebra_device,
    packed,
    packed_shapes,
    pooled,
    unpacked,
)
from analysis.clustering.ridge import DEFAULT_WEIGHT, choose_ridge
from analysis.clustering.scores import ScoreMeter, ScoreMoments, keep_scores
from analysis.models.modules import linear_at
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from analysis.models.unit_weights import read_units
from analysis.progress import UNWATCHED, Watch
from analysis.speech.excitation import Excitation

T = TypeVar("T")

_MOST_ACCUMULATOR_BYTES = 2 << 30  # groups beyond that wait for another run over the excitation


@dataclass(frozen=True, slots=True, eq=False)
class GroupMoments:
    """What a unit group does on an excitation.

    Parameters
    ----------
    moments : Moments
        Of the inputs of the output projection, width n·rows.
    residual_variance : float
        Of the residual stream behind the layer, summed over its dimensions.
    ridge : float
        The weight of the ridge that served voices best that the fit did not hear; see
        `analysis.clustering.ridge`.
    scores : ScoreMoments or None
        Of heads, where they were measured just now.
    """

    moments: Moments
    residual_variance: float
    ridge: float = DEFAULT_WEIGHT
    scores: ScoreMoments | None = None


class UnitMeter:
    """Measures what the units of some groups do while a listener plays clips.

    Parameters
    ----------
    model : SpeechModel
    listener : Listener
        Of this model; its copy of the modules is watched.
    groups : sequence of UnitGroup
    """

    def __init__(self, model: SpeechModel, listener: Listener, groups: Sequence[UnitGroup]) -> None:
        self._model = model
        self._listener = listener
        self._groups = groups
        self._halves = {
            group.id: [
                MomentAccumulator(group.n_units * group.rows, model.device) for _ in range(2)
            ]
            for group in groups
        }
        self._scores = {
            group.id: ScoreMeter(listener, group, model.device)
            for group in groups
            if group.component == "heads"
        }
        hidden = model.config.hidden_size
        self._layers = {
            group.layer_path: MomentAccumulator(hidden, model.device) for group in groups
        }
        for group in groups:
            linear = linear_at(listener.module, group.output_path)
            linear.register_forward_pre_hook(self._input_hook(group))
        for path, stack in {group.layer_path: group.stack for group in groups}.items():
            layer = listener.module.get_submodule(path)
            layer.register_forward_hook(self._layer_hook(path, stack))

    def _input_hook(self, group: UnitGroup) -> Any:
        def hook(linear: nn.Module, arguments: tuple[torch.Tensor, ...]) -> None:
            half = self._halves[group.id][self._listener.clip.half]
            half.update(self._listener.clip.counted(arguments[0].detach(), group.stack))

        return hook

    def _layer_hook(self, path: str, stack: str) -> Any:
        def hook(layer: nn.Module, arguments: object, output: Any) -> None:
            state = output[0] if isinstance(output, tuple) else output
            self._layers[path].update(self._listener.clip.counted(state.detach(), stack))

        return hook

    def moments(self, watch: Watch = UNWATCHED) -> dict[str, GroupMoments]:
        """What was measured, by group id; the sums are given up, so that this works once.

        Raises
        ------
        Cancelled
        """
        variance = {
            path: float(own.moments().covariance.trace()) for path, own in self._layers.items()
        }
        found = {}
        for group in self._groups:
            watch.check()
            output = read_units(self._model.model, group).output.flatten(end_dim=1)
            moments, ridge = _join(self._halves.pop(group.id), output)
            meter = self._scores.pop(group.id, None)
            scores = meter.moments() if meter else None
            found[group.id] = GroupMoments(moments, variance[group.layer_path], ridge, scores)
        return found


def measure_groups(
    model: SpeechModel,
    excitation: Excitation,
    groups: Sequence[UnitGroup],
    *,
    watch: Watch = UNWATCHED,
) -> dict[str, GroupMoments]:
    """Statistics of some groups from one run over an excitation.

    Parameters
    ----------
    model : SpeechModel
        Waited for while another thread uses it; stays as it is.
    excitation : Excitation
    groups : sequence of UnitGroup
    watch : Watch
        Reports clips.

    Returns
    -------
    dict of str to GroupMoments
        By group id.

    Raises
    ------
    Cancelled
    """
    clips = prepare(model, excitation, watch=watch)
    listener = Listener(model)
    meter = UnitMeter(model, listener, groups)
    listener.play(clips, "Listening to what units do", watch)
    return meter.moments(watch)


def _join(halves: Sequence[MomentAccumulator], output: torch.Tensor) -> tuple[Moments, float]:
    """Moments of both halves of the voices, and the ridge that carries from one to the other."""
    one, other = (half.moments() if half.count else None for half in halves)
    if one is None or other is None:
        alone = one or other
        if alone is None:
            raise ValueError("no clip was heard")
        return alone, DEFAULT_WEIGHT
    return pooled(one, other), choose_ridge(one, other, output)


def group_moments(
    model: SpeechModel,
    excitation: Excitation,
    group: UnitGroup,
    *,
    watch: Watch = UNWATCHED,
) -> GroupMoments:
    """Statistics of one group, from disk where they were measured before.

    A miss measures this group and as many others as memory and cache hold in the same run.

    Parameters
    ----------
    model, excitation, watch
        See `measure_groups`.
    group : UnitGroup

    Returns
    -------
    GroupMoments

    Raises
    ------
    Cancelled
    """
    folder = statistics_folder(model, excitation)

    def make() -> Mapping[str, np.ndarray]:
        beside = groups_beside(model, excitation, group)
        measured = measure_groups(model, excitation, beside, watch=watch)
        keep_moments(model, excitation, measured)
        return _to_arrays(measured[group.id])

    shapes = {**packed_shapes(group.n_units * group.rows), "residual": (), "ridge": ()}
    kept = cached(folder / f"{group.id}.npz", shapes, make, watch)
    return _from_arrays(kept, algebra_device(model.device))


def groups_beside(
    model: SpeechModel, excitation: Excitation, group: UnitGroup
) -> Sequence[UnitGroup]:
    """A group and as many others as memory and cache hold the moments of, those behind it first.

    Groups whose moments are kept already are left out.
    """
    everything = model.groups
    start = next(i for i, other in enumerate(everything) if other.id == group.id)
    others = (*everything[start + 1 :], *everything[:start])
    # Half the cache: with more, they and the trees made from them would push each other out
    # before they are asked for. What is kept of two halves is a 32nd of what is counted for them.
    most = min(_accumulator_bytes(model.device), 32 * largest_entry() // 2)
    missing = [group, *(other for other in others if not are_kept(model, excitation, other))]
    return next(in_batches(missing, lambda g: 2 * g.n_units * g.rows, most))


def _accumulator_bytes(device: torch.device) -> int:
    """Memory for sums of products: on a GPU, half of what is free."""
    if device.type != "cuda":
        return _MOST_ACCUMULATOR_BYTES
    free, _ = torch.cuda.mem_get_info(device)
    return max(_MOST_ACCUMULATOR_BYTES, free // 2)


def keep_moments(
    model: SpeechModel, excitation: Excitation, measured: Mapping[str, GroupMoments]
) -> None:
    """Keep statistics, by group id, where `group_moments` looks for them."""
    folder = statistics_folder(model, excitation)
    groups = {group.id: group for group in model.groups}
    for name, own in measured.items():
        write_arrays(folder / f"{name}.npz", _to_arrays(own))
        if own.scores is not None:
            keep_scores(model, excitation, groups[name], own.scores)


def are_kept(model: SpeechModel, excitation: Excitation, group: UnitGroup) -> bool:
    """Whether `group_moments` would find a group's statistics on disk."""
    return is_kept(statistics_folder(model, excitation) / f"{group.id}.npz")


def in_batches(
    items: Sequence[T], width: Callable[[T], int], most: int | None = None
) -> Iterator[Sequence[T]]:
    """Divide items into parts whose covariances, of the items' widths, fit in memory together.

    Parameters
    ----------
    items : sequence
    width : callable
    most : int, optional
        Bytes of the covariances of a part; by default what memory allows.
    """
    most = _MOST_ACCUMULATOR_BYTES if most is None else most
    start, room = 0, most
    for i, item in enumerate(items):
        room -= 8 * width(item) ** 2
        if room < 0 and i > start:
            yield items[start:i]
            start, room = i, most - 8 * width(item) ** 2
    if start < len(items):
        yield items[start:]


def contribution_gram(statistics: GroupMoments, output: torch.Tensor) -> np.ndarray:
    """Gram matrix of the centred contributions of a group's units.

    G_ij = E⟨c_i - E c_i, c_j - E c_j⟩: for channels Cov(a) ∘ (W2ᵀ·W2), for heads the sum of that
    over the head_dim x head_dim block of i and j.

    Parameters
    ----------
    statistics : GroupMoments
    output : Tensor, (n, rows, d)
        The columns of the output projection, as rows.

    Returns
    -------
    ndarray of float64, (n, n)
    """
    n, rows, _ = output.shape
    covariance = statistics.moments.covariance
    columns = output.reshape(n * rows, -1).to(covariance)
    products = covariance * (columns @ columns.T)
    return products.reshape(n, rows, n, rows).sum(dim=(1, 3)).cpu().numpy()


def contribution_distances(gram: np.ndarray) -> SquaredDistances:
    """D²_ij = G_ii + G_jj - 2·G_ij, with G_ii as the squared norms."""
    norms = np.diagonal(gram).clip(min=0)
    matrix = np.add.outer(norms, norms) - (gram + gram.T)
    np.fill_diagonal(matrix, 0)
    return SquaredDistances(matrix.clip(min=0).astype(np.float32), norms)


def contribution_vectors(gram: np.ndarray) -> np.ndarray:
    """Vectors of n numbers whose inner products are the Gram matrix: float32, (n, n)."""
    values, vectors = np.linalg.eigh(gram)
    return (vectors * np.sqrt(values.clip(min=0))).astype(np.float32)


def _from_arrays(arrays: Mapping[str, np.ndarray], device: torch.device) -> GroupMoments:
    moments = unpacked(arrays, device)
    return GroupMoments(moments, float(arrays["residual"]), float(arrays["ridge"]))


def _to_arrays(measured: GroupMoments) -> Mapping[str, np.ndarray]:
    return {
        **packed(measured.moments),
        "residual": np.array(measured.residual_variance),
        "ridge": np.array(measured.ridge),
    }
