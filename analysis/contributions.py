"""What units do rather than what their numbers are: moments of their activations on an excitation.

Unit i adds c_i(t) = a_i(t)·W2_i to the residual stream: a channel's activation times its output
column, a head's output through its slice of O. Everything about the contributions follows from the
mean and the covariance of the inputs of the output projection.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from analysis.audio import SAMPLING_RATE
from analysis.cache import cache_folder, read_arrays, write_arrays
from analysis.checkpoints import SpeechModel
from analysis.distances import SquaredDistances
from analysis.excitation import Excitation
from analysis.progress import (
    Progress,
    ShouldCancel,
    check_cancelled,
    never_cancel,
    no_progress,
)
from analysis.recognition import TranscriptionOptions
from analysis.seq2seq import Seq2SeqRecogniser
from analysis.units import (
    UnitGroup,
    UnitWeights,
    linear_at,
    read_units,
    share_modules,
    unit_groups,
    write_units,
)

T = TypeVar("T")

_MOST_ACCUMULATOR_BYTES = 2 << 30  # groups beyond that wait for another run over the excitation
_PADDING_SECONDS = 1.0  # of the silence behind a clip: Whisper pads, and that is where it ends


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Mean and covariance of vectors over the positions of an excitation.

    Parameters
    ----------
    count : int
        Positions.
    mean : Tensor of float64, (width,)
    covariance : Tensor of float64, (width, width)
    """

    count: int
    mean: torch.Tensor
    covariance: torch.Tensor


@dataclass(frozen=True, slots=True, eq=False)
class GroupStatistics:
    """What a unit group does on an excitation.

    Parameters
    ----------
    moments : Moments
        Of the inputs of the output projection, width n·rows.
    residual_variance : float
        Of the residual stream behind the layer, summed over its dimensions.
    """

    moments: Moments
    residual_variance: float


class MomentAccumulator:
    """Streams vectors into their mean and covariance; only the sums are held."""

    def __init__(self, width: int, device: torch.device) -> None:
        # raw sums cancel when the mean is taken off; some accelerators have no float64
        dtype = torch.float32 if device.type == "mps" else torch.float64
        self._count = 0
        self._sum = torch.zeros(width, dtype=dtype, device=device)
        self._products = torch.zeros(width, width, dtype=dtype, device=device)

    def update(self, vectors: torch.Tensor) -> None:
        """Add vectors, (positions, width)."""
        vectors = vectors.to(self._sum.dtype)
        self._count += len(vectors)
        self._sum += vectors.sum(dim=0)
        self._products.addmm_(vectors.T, vectors)

    def moments(self) -> Moments:
        """Mean and covariance of what was added so far, on the CPU."""
        mean = (self._sum / self._count).cpu().double()
        covariance = (self._products / self._count).cpu().double() - torch.outer(mean, mean)
        return Moments(self._count, mean, covariance)


class _Stop(Exception):
    """Ends a forward pass where nothing behind is asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class PreparedClip:
    """One clip as a model takes it.

    Parameters
    ----------
    arguments : mapping
        Of the forward pass.
    n_frames : int or None
        Encoder frames that count; None for all of them.
    """

    arguments: Mapping[str, Any]
    n_frames: int | None

    def run(self, module: PreTrainedModel) -> None:
        """One forward pass, until a hook stops it."""
        with torch.inference_mode():
            try:
                module(**self.arguments)
            except _Stop:
                return


def prepare(
    model: SpeechModel,
    excitation: Excitation,
    *,
    progress: Progress = no_progress,
    should_cancel: ShouldCancel = never_cancel,
) -> list[PreparedClip]:
    """Turn clips into arguments; a decoder is given what the model itself writes, greedily.

    What it writes is kept on disk. Clips are not joined to fill a window: small models lose the
    thread where several voices follow each other, and the decoder's statistics with it.

    Raises
    ------
    Cancelled
    """
    extractor = model.processor.feature_extractor
    recogniser = None
    if model.architecture.decoding == "seq2seq":
        recogniser = Seq2SeqRecogniser(model, TranscriptionOptions(num_beams=1), should_cancel)
    path = _folder(model, excitation) / "tokens.npz"
    known = dict(read_arrays(path) or {})
    complete = len(known) == len(excitation.clips)
    prepared = []
    for done, clip in enumerate(excitation.clips):
        check_cancelled(should_cancel)
        progress(done, len(excitation.clips), "Preparing what the model listens to")
        inputs = extractor(clip, sampling_rate=SAMPLING_RATE, return_tensors="pt")
        name = model.model.main_input_name
        arguments: dict[str, Any] = {name: inputs[name].to(device=model.device, dtype=model.dtype)}
        n_frames = None
        if recogniser is not None:
            samples = clip[: recogniser.longest]
            if not complete:
                with model.lock, torch.inference_mode():
                    known[str(done)] = np.array(recogniser.tokens(samples))
            tokens = torch.from_numpy(known[str(done)]).to(model.device)
            arguments["decoder_input_ids"] = tokens[None]
            arguments["use_cache"] = False
            per_frame = extractor.n_samples / model.config.max_source_positions
            n_frames = round((len(samples) + _PADDING_SECONDS * SAMPLING_RATE) / per_frame)
        prepared.append(PreparedClip(arguments, n_frames))
    if recogniser is not None and not complete:
        write_arrays(path, known)
    return prepared


def measure_groups(
    model: SpeechModel,
    excitation: Excitation,
    groups: Sequence[UnitGroup],
    *,
    progress: Progress = no_progress,
    should_cancel: ShouldCancel = never_cancel,
) -> dict[str, GroupStatistics]:
    """Statistics of some groups from one run over an excitation.

    Parameters
    ----------
    model : SpeechModel
        Waited for while another thread uses it; stays as it is.
    excitation : Excitation
    groups : sequence of UnitGroup
    progress, should_cancel : callable
        Reports clips.

    Returns
    -------
    dict of str to GroupStatistics
        By group id.

    Raises
    ------
    Cancelled
    """
    clips = prepare(model, excitation, progress=progress, should_cancel=should_cancel)
    # hooks go to a copy of the modules around the same tensors: the model is shared
    module = share_modules(model.model)
    hidden = model.config.hidden_size
    inputs = {
        group.id: MomentAccumulator(group.n_units * group.rows, model.device) for group in groups
    }
    layers = {group.layer_path: MomentAccumulator(hidden, model.device) for group in groups}
    stacks = {group.layer_path: group.stack for group in groups}
    current: list[PreparedClip] = []

    def counted(state: torch.Tensor, stack: str) -> torch.Tensor:
        return state[0, : current[0].n_frames] if stack == "encoder" else state[0]

    def input_hook(group: UnitGroup) -> Any:
        def hook(linear: nn.Module, arguments: tuple[torch.Tensor, ...]) -> None:
            inputs[group.id].update(counted(arguments[0], group.stack))

        return hook

    def layer_hook(path: str) -> Any:
        def hook(layer: nn.Module, arguments: object, output: Any) -> None:
            state = output[0] if isinstance(output, tuple) else output
            layers[path].update(counted(state, stacks[path]))

        return hook

    for group in groups:
        linear_at(module, group.output_path).register_forward_pre_hook(input_hook(group))
    for path in layers:
        module.get_submodule(path).register_forward_hook(layer_hook(path))
    for done, clip in enumerate(clips):
        check_cancelled(should_cancel)
        progress(done, len(clips), "Listening to what units do")
        current[:] = [clip]
        with model.lock:
            clip.run(module)
    progress(len(clips), len(clips), "Listening to what units do")
    variance = {path: float(a.moments().covariance.trace()) for path, a in layers.items()}
    return {
        group.id: GroupStatistics(inputs[group.id].moments(), variance[group.layer_path])
        for group in groups
    }


def group_statistics(
    model: SpeechModel,
    excitation: Excitation,
    group: UnitGroup,
    *,
    progress: Progress = no_progress,
    should_cancel: ShouldCancel = never_cancel,
) -> GroupStatistics:
    """Statistics of one group, from disk where they were measured before.

    A miss measures this group and as many of the following ones as memory allows in the same run.

    Parameters
    ----------
    model, excitation, progress, should_cancel
        See `measure_groups`.
    group : UnitGroup

    Returns
    -------
    GroupStatistics

    Raises
    ------
    Cancelled
    """
    folder = _folder(model, excitation)
    found = _read(folder / f"{group.id}.npz", group)
    if found is not None:
        return found
    everything = unit_groups(model)
    start = next(i for i, other in enumerate(everything) if other.id == group.id)
    chosen = next(in_batches(everything[start:], lambda other: other.n_units * other.rows))
    measured = measure_groups(
        model, excitation, chosen, progress=progress, should_cancel=should_cancel
    )
    for name, statistics in measured.items():
        _write(folder / f"{name}.npz", statistics)
    return measured[group.id]


def in_batches(items: Sequence[T], width: Callable[[T], int]) -> Iterator[Sequence[T]]:
    """Divide items into parts whose covariances, of the items' widths, fit in memory together."""
    start, room = 0, _MOST_ACCUMULATOR_BYTES
    for i, item in enumerate(items):
        room -= 8 * width(item) ** 2
        if room < 0 and i > start:
            yield items[start:i]
            start, room = i, _MOST_ACCUMULATOR_BYTES - 8 * width(item) ** 2
    if start < len(items):
        yield items[start:]


def contribution_gram(statistics: GroupStatistics, output: torch.Tensor) -> np.ndarray:
    """Gram matrix of the centred contributions of a group's units.

    G_ij = E⟨c_i - E c_i, c_j - E c_j⟩: for channels Cov(a) ∘ (W2ᵀ·W2), for heads the sum of that
    over the head_dim x head_dim block of i and j.

    Parameters
    ----------
    statistics : GroupStatistics
    output : Tensor, (n, rows, d)
        The columns of the output projection, as rows.

    Returns
    -------
    ndarray of float64, (n, n)
    """
    n, rows, _ = output.shape
    columns = output.reshape(n * rows, -1).cpu().double()
    products = statistics.moments.covariance * (columns @ columns.T)
    return products.reshape(n, rows, n, rows).sum(dim=(1, 3)).numpy()


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


def moments_beside(
    model: SpeechModel,
    changes: Sequence[tuple[UnitGroup, UnitWeights]],
    clips: Sequence[PreparedClip],
    *,
    progress: Progress = no_progress,
    should_cancel: ShouldCancel = never_cancel,
) -> dict[str, Moments]:
    """Joint moments of changed blocks' inner activations and of the original blocks' outputs.

    One run serves all groups: the new units stand beside the original's in the same projections,
    with output columns of zero, so that every layer hears what the original's hears.

    Parameters
    ----------
    model : SpeechModel
        The original; its lock is taken for each clip.
    changes : sequence of (UnitGroup, UnitWeights)
        Groups as they were, and the units that are to replace them.
    clips : sequence of PreparedClip
    progress, should_cancel : callable
        Reports clips.

    Returns
    -------
    dict of str to Moments
        By group id: of [a, y], a the new units' inputs of the output projection, y its output in
        the original.

    Raises
    ------
    Cancelled
    """
    module = share_modules(model.model)
    joint: dict[str, MomentAccumulator] = {}
    current: list[PreparedClip] = []

    def hook_for(group: UnitGroup) -> Any:
        width = group.n_units * group.rows

        def hook(linear: nn.Module, arguments: tuple[torch.Tensor], output: torch.Tensor) -> None:
            both = torch.cat([arguments[0][0][:, width:].float(), output[0].float()], dim=1)
            n_frames = current[0].n_frames if group.stack == "encoder" else None
            joint[group.id].update(both[:n_frames])

        return hook

    for group, units in changes:
        write_units(module, group, beside(read_units(model.model, group), units))
        linear = linear_at(module, group.output_path)
        width = units.n_units * group.rows + linear.out_features
        joint[group.id] = MomentAccumulator(width, model.device)
        linear.register_forward_hook(hook_for(group))
    for done, clip in enumerate(clips):
        check_cancelled(should_cancel)
        progress(done, len(clips), "Listening to what the new units do")
        current[:] = [clip]
        with model.lock:
            clip.run(module)
    return {name: accumulator.moments() for name, accumulator in joint.items()}


def beside(units: UnitWeights, silent: UnitWeights) -> UnitWeights:
    """Units and, behind them, others whose output columns are zero."""

    def join(
        a: Mapping[str, torch.Tensor], b: Mapping[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        return {role: torch.cat([a[role], b[role]]) for role in a}

    return UnitWeights(
        join(units.inputs, silent.inputs),
        join(units.biases, silent.biases),
        torch.cat([units.output, torch.zeros_like(silent.output)]),
    )


def paired_moments(
    model: SpeechModel, module: PreTrainedModel, group: UnitGroup, clips: Sequence[PreparedClip]
) -> Moments:
    """Joint moments of a changed block's inner activations and of the original block's output.

    Parameters
    ----------
    model : SpeechModel
        The original; its lock is taken for each clip.
    module : PreTrainedModel
        A changed copy of it. What lies below the group in it decides what the block hears there.
    group : UnitGroup
    clips : sequence of PreparedClip

    Returns
    -------
    Moments
        Of [a, y]: a is the input of the output projection of `module`, y its output in `model`.
    """
    reference, changed = share_modules(model.model), share_modules(module)
    taken: list[torch.Tensor] = []

    def take_output(linear: nn.Module, arguments: object, output: torch.Tensor) -> None:
        taken.append(output[0])
        raise _Stop

    def take_input(linear: nn.Module, arguments: tuple[torch.Tensor, ...]) -> None:
        taken.append(arguments[0][0])
        raise _Stop

    target = linear_at(reference, group.output_path)
    source = linear_at(changed, group.output_path)
    target.register_forward_hook(take_output)
    source.register_forward_pre_hook(take_input)
    joint = MomentAccumulator(source.in_features + target.out_features, model.device)
    for clip in clips:
        taken.clear()
        with model.lock:
            clip.run(reference)
            clip.run(changed)
        output, activations = taken
        n_frames = clip.n_frames if group.stack == "encoder" else None
        joint.update(torch.cat([activations.float(), output.float()], dim=1)[:n_frames])
    return joint.moments()


def _folder(model: SpeechModel, excitation: Excitation) -> Path:
    dtype = str(model.dtype).removeprefix("torch.")
    return cache_folder("contributions") / model.weight_hash / dtype / excitation.identity


def _read(path: Path, group: UnitGroup) -> GroupStatistics | None:
    arrays = read_arrays(path)
    width = group.n_units * group.rows
    if arrays is None or not {"count", "mean", "covariance", "residual"} <= set(arrays):
        return None
    if arrays["covariance"].shape != (width, width):
        return None
    moments = Moments(
        int(arrays["count"]),
        torch.from_numpy(arrays["mean"]).double(),
        torch.from_numpy(arrays["covariance"]).double(),
    )
    return GroupStatistics(moments, float(arrays["residual"]))


def _write(path: Path, statistics: GroupStatistics) -> None:
    moments = statistics.moments
    arrays = {
        "count": np.array(moments.count),
        "mean": moments.mean.numpy(),
        "covariance": moments.covariance.numpy(),
        "residual": np.array(statistics.residual_variance),
    }
    write_arrays(path, arrays)
