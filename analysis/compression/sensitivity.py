"""What each layer is worth: how far the model's words move when one group alone is made smaller.

Gradients foresee that only to second order, one position at a time; errors of an encoder add up
over neighbouring frames, so that it takes more harm than they say. Here it is measured: a few K of
every group, on voices that no fit heard. Output divergence as what an allocation goes by is also
in EvoPress (arXiv 2410.14649), for language models and found by evolution.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from transformers import PreTrainedModel

from analysis.cache import cached
from analysis.clustering.listening import PreparedClip, statistics_folder
from analysis.clustering.merge_tree import MergeTree
from analysis.clustering.unit_space import UnitSpace
from analysis.compression.divergence import check_clips, expected_words
from analysis.compression.repair import Change, repair
from analysis.compression.replay import record
from analysis.models.modules import share_modules
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup, with_ranks
from analysis.models.unit_weights import write_units
from analysis.plan.choices import INFLUENCE
from analysis.progress import UNWATCHED, Watch
from analysis.speech.excitation import Excitation

_SHARES = (0.1, 0.4)  # of a group's units that are taken away
_MOST = 1000.0  # times what the gradient says, either way: beyond that it is noise
_LEAST = 1e-6  # nats: below is rounding


@dataclass(frozen=True, slots=True, eq=False)
class Sensitivity:
    """How far a model's words move when units of one group go.

    Parameters
    ----------
    n_removed : tuple of int
        Units that the surgeon took away, ascending.
    divergence : tuple of float
        KL divergence from the original, nats per word (CTC: per frame), at each of them.
    """

    n_removed: tuple[int, ...]
    divergence: tuple[float, ...]


def measure_sensitivity(
    model: SpeechModel,
    trees: Mapping[str, MergeTree],
    excitation: Excitation,
    *,
    watch: Watch = UNWATCHED,
) -> Mapping[str, Sensitivity]:
    """Take units of one group after the other, and hear what becomes of the words.

    Parameters
    ----------
    model : SpeechModel
    trees : mapping of str to MergeTree
        By group id, with the surgeon's order: of the groups that are to be measured.
    excitation : Excitation
        On which the outputs are refitted.
    watch : Watch
        Reports groups.

    Returns
    -------
    mapping of str to Sensitivity
        By group id.

    Raises
    ------
    UserError
        When the speech to check on is not installed.
    Cancelled
    """
    groups = [group for group in with_ranks(model.groups) if group.id in trees]
    found: dict[str, Sensitivity] = {}
    for name, own in (
        ("sensitivity", [group for group in groups if not group.inside]),
        ("sensitivity-ranks", [group for group in groups if group.inside]),
    ):
        points = {group.id: measured_points(group.n_units) for group in own}

        def make(own: Sequence[UnitGroup] = own) -> Mapping[str, np.ndarray]:
            clips = check_clips(model, watch=watch)
            return _measure(model, own, trees, excitation, clips, watch)

        if own:
            path = statistics_folder(model, excitation) / f"{name}.npz"
            kept = cached(path, {group: (len(at),) for group, at in points.items()}, make, watch)
            found |= {
                group: Sensitivity(at, tuple(float(value) for value in kept[group]))
                for group, at in points.items()
            }
    return found


def with_sensitivity(
    trees: Mapping[str, MergeTree], measured: Mapping[str, Sensitivity]
) -> Mapping[str, MergeTree]:
    """The trees, each with how many times more it matters than its costs say.

    Parameters
    ----------
    trees : mapping of str to MergeTree
        Under the distance "influence", with the surgeon's order.
    measured : mapping of str to Sensitivity
    """
    return {
        name: replace(tree, inflation=_inflation(tree, measured[name]))
        for name, tree in trees.items()
    }


def _inflation(tree: MergeTree, measured: Sensitivity) -> np.ndarray:
    """Measured over foreseen, after each removal, between the points on a logarithmic scale."""
    steps = np.arange(1, tree.n_units)
    if tree.removal is None or not measured.n_removed:
        return np.ones(len(steps))
    foreseen = np.cumsum(tree.removal.costs)[np.array(measured.n_removed) - 1]
    ratio = np.maximum(measured.divergence, _LEAST) / np.maximum(foreseen, _LEAST)
    logs = np.log(ratio.clip(1 / _MOST, _MOST))
    return np.exp(np.interp(steps, measured.n_removed, logs))


def measured_points(n_units: int) -> tuple[int, ...]:
    """How many units of a group are taken away where it is measured what they are worth.

    >>> measured_points(1536), measured_points(6), measured_points(1)
    ((154, 614), (1, 2), ())
    """
    found = {max(1, round(share * n_units)) for share in _SHARES}
    return tuple(sorted(count for count in found if count < n_units))


def _measure(
    model: SpeechModel,
    groups: Sequence[UnitGroup],
    trees: Mapping[str, MergeTree],
    excitation: Excitation,
    clips: Sequence[PreparedClip],
    watch: Watch,
) -> Mapping[str, np.ndarray]:
    original = expected_words(model, clips, watch=watch)
    recording = record(model, model.model, clips)
    found = {}
    for done, group in enumerate(groups):
        watch.check()
        watch.progress(done, len(groups), f"Hearing what {group.title} is worth")
        found[group.id] = np.array(
            [
                recording.divergence(
                    _without(model, group, trees[group.id], count, excitation),
                    [group.id],
                    original,
                )
                for count in measured_points(group.n_units)
            ]
        )
    watch.progress(len(groups), len(groups), "Heard what every layer is worth")
    return found


def _without(
    model: SpeechModel, group: UnitGroup, tree: MergeTree, count: int, excitation: Excitation
) -> PreTrainedModel:
    """The model with the surgeon's first `count` units of one group gone, the rest refitted."""
    if tree.removal is None:
        raise ValueError("the surgeon's order is not there")
    labels = tree.removal.labels(group.n_units - count)
    kept = torch.from_numpy(np.flatnonzero(labels >= 0)).to(model.device)
    units = UnitSpace(INFLUENCE, excitation=excitation).units(model, group)
    change = Change(group, labels, units.take(kept))
    units = repair(model, excitation, [change], "refit")[group.id].units
    module = share_modules(model.model)
    write_units(module, group, units)
    return module
