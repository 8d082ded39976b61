"""How hard units work at every moment: recorded once, then read for any unit or cluster.

A unit works as hard as what it writes into the residual stream is long: a channel's activation
times the norm of its output column, a head's output through its slice of O. What several units
write together is as long as the sum of what they write.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from analysis.cache import cached, write_arrays
from analysis.clustering.cka import MOST_POSITIONS, cka_matrix
from analysis.clustering.listening import Listener, PreparedClip, Stop, statistics_folder
from analysis.compression.merging import merge_units
from analysis.inspection.soundtrack import Soundtrack, Track
from analysis.models.modules import linear_at
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from analysis.models.unit_weights import read_units, write_units
from analysis.progress import UNWATCHED, Watch

_MOST_BYTES = 256 << 20  # of recordings that are made in one run beside the one that is asked for


@dataclass(frozen=True, slots=True, eq=False)
class Activity:
    """What the units of a group do at every position of a soundtrack.

    Parameters
    ----------
    group : UnitGroup
    inputs : ndarray of float16, (positions, n·rows)
        What goes into the output projection.
    output : ndarray of float32, (n, rows, d)
        The columns of the output projection, as rows.
    clips : ndarray of int32, (positions,)
        The clip of each position.
    seconds : ndarray of float32, (positions,)
        Its time within the clip.
    """

    group: UnitGroup
    inputs: np.ndarray
    output: np.ndarray
    clips: np.ndarray
    seconds: np.ndarray

    def strengths(
        self, units: Sequence[int] | np.ndarray, positions: slice = slice(None)
    ) -> np.ndarray:
        """How hard each of some units works: float32, (positions, units)."""
        return _strengths(self._inputs_of(units, positions), self.output[list(units)])

    def together(
        self, units: Sequence[int] | np.ndarray, positions: slice = slice(None)
    ) -> np.ndarray:
        """The norm of the sum of what some units write: float32, (positions,)."""
        inputs = self._inputs_of(units, positions)
        rows = self.output[list(units)].reshape(inputs[0].size, -1)
        return _lengths(inputs.reshape(len(inputs), -1), rows)

    def similarities(self, units: Sequence[int] | np.ndarray) -> np.ndarray:
        """Debiased CKA of what some units write, each with each: (units, units)."""
        every = slice(None, None, -(-len(self.inputs) // MOST_POSITIONS))
        inputs = self._inputs_of(units, every)
        states = [
            torch.from_numpy(inputs[:, place] @ self.output[unit])
            for place, unit in enumerate(units)
        ]
        return cka_matrix(states, states)

    def on_clip(self, clip: int) -> slice:
        """The positions of a clip."""
        first, stop = np.searchsorted(self.clips, [clip, clip + 1])
        return slice(int(first), int(stop))

    def _inputs_of(self, units: Sequence[int] | np.ndarray, positions: slice) -> np.ndarray:
        inputs = self.inputs.reshape(len(self.inputs), -1, self.group.rows)
        chosen: np.ndarray = inputs[positions][:, list(units)].astype(np.float32)
        return chosen


def over_time(
    seconds: np.ndarray,
    strengths: np.ndarray,
    units: Sequence[int],
    *,
    together: np.ndarray,
    merged: np.ndarray | None = None,
    unit: str = "unit",
) -> pd.DataFrame:
    """Units side by side on one time axis, as a table.

    Parameters
    ----------
    seconds : ndarray, (positions,)
    strengths : ndarray, (positions, units)
        As `Activity.strengths` gives them.
    units : sequence of int
    together : ndarray, (positions,)
    merged : ndarray, (positions,), optional
        Of the unit that they become.
    unit : str
        What one is called.

    Returns
    -------
    DataFrame
        A row per position: "seconds", a column per unit, "together", "merged" where there is one.
    """
    table = pd.DataFrame(strengths, columns=[f"{unit} {one}" for one in units])
    table.insert(0, "seconds", seconds)
    table["together"] = together
    if merged is not None:
        table["merged"] = merged
    return table


def _strengths(inputs: np.ndarray, output: np.ndarray) -> np.ndarray:
    """Norm of what each unit writes; inputs (positions, units, rows), output (units, rows, d)."""
    if output.shape[1] == 1:
        norms = np.linalg.norm(output[:, 0], axis=-1)
        strong: np.ndarray = np.abs(inputs[:, :, 0]) * norms
        return strong
    return np.stack([_lengths(inputs[:, unit], rows) for unit, rows in enumerate(output)], axis=1)


def _lengths(inputs: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """‖inputs · rows‖ of each position, by the triangle that rows are a rotation of."""
    triangle: np.ndarray = np.linalg.qr(rows.T)[1]
    lengths: np.ndarray = np.linalg.norm(inputs @ triangle.T, axis=1)
    return lengths


def group_activity(
    model: SpeechModel,
    soundtrack: Soundtrack,
    group: UnitGroup,
    *,
    watch: Watch = UNWATCHED,
) -> Activity:
    """What the units of a group do, from disk where it was recorded before.

    A miss records the group, and in the same run the following ones as far as they fit.

    Parameters
    ----------
    model : SpeechModel
        Waited for while another thread uses it; stays as it is.
    soundtrack : Soundtrack
        Of this model.
    group : UnitGroup
        Of heads or channels.
    watch : Watch
        Reports clips.

    Returns
    -------
    Activity

    Raises
    ------
    Cancelled
    """
    seconds, width = soundtrack.seconds(group.stack), group.n_units * group.rows
    folder = statistics_folder(model, soundtrack.excitation)

    def make() -> Mapping[str, np.ndarray]:
        groups = _groups_beside(model, soundtrack, group)
        recorded = record(model, soundtrack, groups, watch=watch)
        for name, inputs in recorded.items():
            if name != group.id:
                write_arrays(folder / f"activity.{name}.npz", {"inputs": inputs})
        return {"inputs": recorded[group.id]}

    path = folder / f"activity.{group.id}.npz"
    kept = cached(path, {"inputs": (len(seconds), width)}, make, watch)
    output = read_units(model.model, group).output.cpu().numpy()
    return Activity(group, kept["inputs"], output, soundtrack.clips(group.stack), seconds)


def _groups_beside(
    model: SpeechModel, soundtrack: Soundtrack, group: UnitGroup
) -> Sequence[UnitGroup]:
    """A group and the following ones, as far as what is recorded of them fits."""
    start = next(i for i, other in enumerate(model.groups) if other.id == group.id)
    chosen, room = [group], _MOST_BYTES
    for other in model.groups[start + 1 :]:
        room -= 2 * len(soundtrack.seconds(other.stack)) * other.n_units * other.rows
        if room < 0:
            break
        chosen.append(other)
    return chosen


def record(
    model: SpeechModel,
    soundtrack: Soundtrack,
    groups: Sequence[UnitGroup],
    *,
    watch: Watch = UNWATCHED,
) -> dict[str, np.ndarray]:
    """Inputs of the output projections of some groups, from one run over a soundtrack.

    Parameters
    ----------
    model : SpeechModel
    soundtrack : Soundtrack
    groups : sequence of UnitGroup
        In the order in which a signal passes them: nothing behind the last one is computed.
    watch : Watch
        Reports clips.

    Returns
    -------
    dict of str to ndarray of float16, (positions, n·rows)
        By group id.

    Raises
    ------
    Cancelled
    """
    listener = Listener(model)
    found = _recorder(listener, soundtrack.tracks, groups)
    listener.play([t.clip for t in soundtrack.tracks], "Listening to what units do", watch)
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _recorder(
    listener: Listener, tracks: Sequence[Track], groups: Sequence[UnitGroup]
) -> dict[str, list[np.ndarray]]:
    """Collects what a listener's clips bring to the output projections of some groups."""
    by_clip: dict[PreparedClip, Track] = {track.clip: track for track in tracks}
    found: dict[str, list[np.ndarray]] = {group.id: [] for group in groups}

    def hook_for(group: UnitGroup) -> Any:
        def hook(linear: nn.Module, arguments: tuple[torch.Tensor, ...]) -> None:
            own = by_clip[listener.clip].counted(arguments[0], group.stack)
            found[group.id].append(own.float().clamp(-65504, 65504).half().cpu().numpy())
            if group is groups[-1]:
                raise Stop

        return hook

    for group in groups:
        linear_at(listener.module, group.output_path).register_forward_pre_hook(hook_for(group))
    return found


def merged_strength(
    model: SpeechModel,
    track: Track,
    group: UnitGroup,
    units: Sequence[int] | np.ndarray,
    *,
    rule: str,
    align_heads: bool,
    norms: np.ndarray | None = None,
) -> np.ndarray:
    """How hard the unit works that a cluster becomes, before any refit, on one clip.

    The layers below are the original's.

    Parameters
    ----------
    model : SpeechModel
    track : Track
    group : UnitGroup
    units : sequence of int, (m,)
        Members of the cluster.
    rule, align_heads, norms
        See `analysis.compression.merging.merge_units`.

    Returns
    -------
    ndarray of float32, (positions,)
    """
    labels = np.full(group.n_units, -1)
    labels[list(units)] = 0
    align = align_heads and group.component == "heads"
    weights = read_units(model.model, group)
    merged = merge_units(weights, labels, rule, align_heads=align, norms=norms)
    listener = Listener(model)
    write_units(listener.module, group, merged)
    found = _recorder(listener, [track], [group])
    listener.play([track.clip], "Listening to the merged unit", UNWATCHED)
    inputs = found[group.id][0].astype(np.float32)
    return _lengths(inputs, merged.output[0].cpu().numpy())
