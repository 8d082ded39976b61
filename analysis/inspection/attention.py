"""Where attention heads look: their patterns on a clip, and what is told of each in numbers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from analysis.cache import cached
from analysis.clustering.listening import Listener, Stop, statistics_folder
from analysis.compression.merging import merge_units
from analysis.inspection.soundtrack import Soundtrack, Track, frame_length
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from analysis.models.unit_weights import read_units, write_units
from analysis.progress import UNWATCHED, Watch
from analysis.speech.audio import SAMPLING_RATE

MEASURED_SECONDS = 60.0
"""Of sound on which heads are measured, at least one clip."""

MEASURES: Mapping[str, str] = {
    "entropy": "Entropy of the attention of one position, in nats, on average: 0 where a head looks"
    " at one place, the logarithm of their number where it looks at all of them alike.",
    "distance": "How far a head looks from its own place on average, weighted by its attention: in"
    " seconds, in a decoder's self-attention in tokens. In cross-attention its own place is the"
    " middle of the word that is being written.",
    "diagonality": "Share of the attention that stays near the own place: within 0.1 s in an"
    " encoder, one token in a decoder, 0.25 s of the word in cross-attention.",
}
"""Exact definitions of the numbers of a head, by name."""

_NEAR = {"encoder": 0.1, "tokens": 1.0, "cross": 0.25}
_SLACK = 1e-6  # a frame at the very border is near


@dataclass(frozen=True, slots=True, eq=False)
class Patterns:
    """Where the heads of a layer look on one clip.

    Parameters
    ----------
    group : UnitGroup
    weights : ndarray of float32, (heads, queries, keys)
        Each row adds up to 1, padding and the prompt included among the keys.
    homes : ndarray, (queries,)
        The own place of each query on the axis of the keys.
    places : ndarray, (keys,)
        The place of each key: in seconds, or in tokens.
    """

    group: UnitGroup
    weights: np.ndarray
    homes: np.ndarray
    places: np.ndarray

    @property
    def looks_at_tokens(self) -> bool:
        """Whether the keys are tokens: a decoder's self-attention."""
        return _kind(self.group) == "tokens"

    def measures(self) -> np.ndarray:
        """`MEASURES` of each head: (heads, 3)."""
        apart = np.abs(self.places - self.homes[:, None])
        near = apart <= _NEAR[_kind(self.group)] + _SLACK
        logs = np.log(np.maximum(self.weights, 1e-30))
        found = [
            -(self.weights * logs).sum(axis=2).mean(axis=1),
            (self.weights * apart).sum(axis=2).mean(axis=1),
            (self.weights * near).sum(axis=2).mean(axis=1),
        ]
        return np.stack(found, axis=1)


def attention(
    model: SpeechModel,
    track: Track,
    group: UnitGroup,
    *,
    merge: Sequence[int] = (),
    rule: str = "mean",
    align_heads: bool = True,
    norms: np.ndarray | None = None,
) -> Patterns:
    """Where the heads of a group look on a clip; or the one head that some of them become.

    Parameters
    ----------
    model : SpeechModel
        Waited for while another thread uses it; stays as it is.
    track : Track
        The clip.
    group : UnitGroup
        Of heads.
    merge : sequence of int
        Heads that are merged: the pattern is then that of the merged head alone, with the layers
        below as they are.
    rule, align_heads, norms
        How they are merged; see `analysis.compression.merging.merge_units`.

    Returns
    -------
    Patterns
    """
    listener = Listener(model)
    if len(merge):
        labels = np.full(group.n_units, -1)
        labels[list(merge)] = 0
        merged = merge_units(
            read_units(model.model, group), labels, rule, align_heads=align_heads, norms=norms
        )
        write_units(listener.module, group, merged)
    found: list[Patterns] = []

    def keep(patterns: Patterns) -> None:
        found.append(patterns)
        raise Stop

    _watch_heads(model, listener, {track.clip: track}, [group], keep)
    listener.play([track.clip], "Looking where heads look", UNWATCHED)
    return found[0]


def head_measures(
    model: SpeechModel, soundtrack: Soundtrack, *, watch: Watch = UNWATCHED
) -> Mapping[str, np.ndarray]:
    """The numbers of every head of a model, from disk where they were measured before.

    Parameters
    ----------
    model : SpeechModel
    soundtrack : Soundtrack
        Of this model; its first minute is heard.
    watch : Watch
        Reports clips.

    Returns
    -------
    mapping of str to ndarray, (heads, 3)
        By group id; the columns are those of `MEASURES`.

    Raises
    ------
    Cancelled
    """
    groups = [group for group in model.groups if group.component == "heads"]

    def make() -> Mapping[str, np.ndarray]:
        ends = np.cumsum([track.clip.seconds for track in soundtrack.tracks])
        tracks = soundtrack.tracks[: 1 + int(np.searchsorted(ends, MEASURED_SECONDS))]
        sums = {group.id: np.zeros((group.n_units, len(MEASURES))) for group in groups}
        counts = dict.fromkeys(sums, 0)

        def add(patterns: Patterns) -> None:
            n = len(patterns.homes)
            sums[patterns.group.id] += n * patterns.measures()
            counts[patterns.group.id] += n

        listener = Listener(model)
        _watch_heads(model, listener, {track.clip: track for track in tracks}, groups, add)
        listener.play([track.clip for track in tracks], "Looking where heads look", watch)
        return {name: total / max(1, counts[name]) for name, total in sums.items()}

    shapes = {group.id: (group.n_units, len(MEASURES)) for group in groups}
    path = statistics_folder(model, soundtrack.excitation) / "attention.npz"
    return cached(path, shapes, make, watch)


def distance_unit(group: UnitGroup) -> str:
    """What the "distance" of a group's heads is counted in: "s", or "tokens" of the text."""
    return "tokens" if _kind(group) == "tokens" else "s"


def _kind(group: UnitGroup) -> str:
    if group.stack == "encoder":
        return "encoder"
    return "cross" if group.block == "cross_attention" else "tokens"


def _watch_heads(
    model: SpeechModel,
    listener: Listener,
    tracks: Mapping[Any, Track],
    groups: Sequence[UnitGroup],
    tell: Callable[[Patterns], None],
) -> None:
    """Tell the patterns of some groups on every clip that a listener plays."""
    listener.module.set_attn_implementation("eager")  # fused kernels do not say where they look
    step = frame_length(model) / SAMPLING_RATE

    def hook_for(group: UnitGroup) -> Any:
        def hook(module: nn.Module, arguments: object, output: Any) -> None:
            track = tracks[listener.clip]
            weights = output[1][0].float()
            if group.stack == "encoder":
                weights = weights[:, : len(track.frame_seconds)]
                homes = track.frame_seconds
            else:
                weights = weights[:, track.clip.n_prompt - 1 :]
                homes = track.token_seconds
            places = (np.arange(weights.shape[2]) + 0.5) * step
            if _kind(group) == "tokens":
                places = np.arange(weights.shape[2])
                homes = places[track.clip.n_prompt - 1 :]
            tell(Patterns(group, weights.cpu().numpy(), homes, places))

        return hook

    for group in groups:
        path = f"{group.layer_path}.{group.spec.module}"  # type: ignore[union-attr]
        listener.module.get_submodule(path).register_forward_hook(hook_for(group))


def thinned(weights: np.ndarray, most: int) -> tuple[np.ndarray, int, int]:
    """A matrix at a page's size: means over blocks, so that no attention is lost.

    Parameters
    ----------
    weights : ndarray, (queries, keys)
    most : int
        Rows and columns at most.

    Returns
    -------
    thin : ndarray, (rows, columns)
        Sums over the keys of a block, means over its queries: rows add up to what they did.
    row_step, column_step : int
        Queries and keys of a block; the last may hold fewer.
    """
    row_step, column_step = (-(-length // most) for length in weights.shape)
    rows = np.arange(0, weights.shape[0], row_step)
    columns = np.arange(0, weights.shape[1], column_step)
    thin = np.add.reduceat(weights, columns, axis=1)
    counts = np.diff([*rows, weights.shape[0]])
    return np.add.reduceat(thin, rows, axis=0) / counts[:, None], row_step, column_step
