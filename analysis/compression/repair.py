"""Repairing changed layers, so that their outputs meet the original's again."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from analysis.clustering.contributions import GroupMoments, group_moments, in_batches
from analysis.clustering.listening import prepare
from analysis.clustering.moments import Moments, ridged
from analysis.compression.joint_moments import moments_beside, paired_moments
from analysis.models.architectures.base import Decoding
from analysis.models.modules import linear_at, share_modules
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from analysis.models.unit_weights import UnitWeights, read_units, write_units
from analysis.progress import UNWATCHED, Watch
from analysis.speech.excitation import Excitation

KEEPS_VARIANCE: frozenset[Decoding] = frozenset({"ctc"})
"""Whose outputs keep their variance. What a changed block misses makes its output vary less, beside
a mean that is met, so that the blocks above hear a weaker signal. With CTC that costs words, and
columns that are longer by one factor give them back; a decoder's words do not gain by it
(`docs/results.md`)."""


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """What became of a group.

    Parameters
    ----------
    group : UnitGroup
        As it was.
    labels : ndarray of int64, (n,)
        Cluster of each unit, -1 where it was dropped.
    units : UnitWeights
        The K units that are left.
    """

    group: UnitGroup
    labels: np.ndarray
    units: UnitWeights


@dataclass(frozen=True, slots=True, eq=False)
class Repaired:
    """A group after its repair.

    Parameters
    ----------
    units : UnitWeights
    output_error : float or None
        Variance of what the block's output misses, over the variance of the original's output, on
        the excitation; None where there was nothing to measure.
    """

    units: UnitWeights
    output_error: float | None


def repair(
    model: SpeechModel,
    excitation: Excitation,
    changes: Sequence[Change],
    mode: str,
    *,
    sequential: bool = False,
    watch: Watch = UNWATCHED,
) -> dict[str, Repaired]:
    """Output columns and output biases that meet the original's outputs.

    b2 += E[old output] - E[new output], after the refit if there is one; both expectations are
    over the positions of the excitation, so that the mean output is met exactly there. With CTC the
    refitted columns are scaled, so that the output's total variance is met, too: of merged networks
    that is known from activations (REPAIR, arXiv 2211.08403).

    Parameters
    ----------
    model : SpeechModel
        The original.
    excitation : Excitation
    changes : sequence of Change
        From the input to the output. Ranks have no output of their own and stay as they are; what
        is fitted beside them hears them where it goes layer after layer.
    mode : {"mean", "refit"}
        See `analysis.plan.choices.REPAIRS`.
    sequential : bool
        Whether each group hears what the repaired groups below give it; one run of the model per
        group then, where one run serves them all otherwise.
    watch : Watch

    Returns
    -------
    dict of str to Repaired
        By group id.

    Raises
    ------
    Cancelled
    """
    # no family has output projections without bias; a new bias could not be saved
    outputs = [change for change in changes if not change.group.inside]  # ranks have no columns
    able = [c for c in outputs if linear_at(model.model, c.group.output_path).bias is not None]
    repaired = {change.group.id: Repaired(change.units, None) for change in changes}

    keeps_variance = model.architecture.decoding in KEEPS_VARIANCE

    def statistics_of(change: Change) -> GroupMoments:
        return group_moments(model, excitation, change.group, watch=watch)

    if sequential:
        clips = prepare(model, excitation, watch=watch)
        below = share_modules(model.model)
        named = {change.group.id for change in changes}
        for change in changes:
            if change.group.inside and change.group.inside not in named:
                write_units(below, change.group, change.units)
        for done, change in enumerate(able):
            watch.check()
            watch.progress(done, len(able), f"Repairing {change.group.title}")
            module = share_modules(below)
            write_units(module, change.group, change.units)
            joint = paired_moments(model, module, change.group, clips)
            ridge = statistics_of(change).ridge if mode == "refit" else None
            repaired[change.group.id] = _repaired(
                change, joint, ridge, keeps_variance=keeps_variance
            )
            write_units(below, change.group, repaired[change.group.id].units)
        return repaired
    heard = _heard(model, excitation, [c for c in able if not _keeps_units(c)], watch)
    for change in able:
        watch.check()
        if change.group.id in heard:
            joint = heard.pop(change.group.id)
            ridge = statistics_of(change).ridge if mode == "refit" else None
        else:
            statistics = statistics_of(change)
            joint = _of_kept(model, change, statistics.moments)
            ridge = statistics.ridge if mode == "refit" else None
        repaired[change.group.id] = _repaired(change, joint, ridge, keeps_variance=keeps_variance)
    return repaired


def _repaired(
    change: Change, joint: Moments, ridge: float | None, *, keeps_variance: bool
) -> Repaired:
    """The units with a new bias and, given a ridge, new columns; `joint` is of [a, y]."""
    units = change.units
    width = units.n_units * change.group.rows
    activations = Moments(joint.count, joint.mean[:width], joint.covariance[:width, :width])
    output = units.output
    if ridge is not None:
        output = refit(units, activations, joint.covariance[:width, width:], ridge)
    columns = output.reshape(width, -1).to(joint.covariance)
    original = joint.covariance[width:, width:].trace()
    if ridge is not None and keeps_variance:
        made = (columns * (activations.covariance @ columns)).sum()
        if made > 0:
            columns = columns * (original / made).sqrt()
            output = columns.reshape(output.shape).to(output)
    bias = (joint.mean[width:] - activations.mean @ columns).float().to(output.device)
    common = (columns * joint.covariance[:width, width:]).sum()
    made = (columns * (activations.covariance @ columns)).sum()
    error = float((original - 2 * common + made) / original) if original > 0 else None
    return Repaired(UnitWeights(units.inputs, units.biases, output, bias), error)


def _keeps_units(change: Change) -> bool:
    """Whether the units that are left stay as they are: the statistics of all hold theirs."""
    return bool((np.bincount(change.labels[change.labels >= 0]) == 1).all())


def _heard(
    model: SpeechModel, excitation: Excitation, changes: Sequence[Change], watch: Watch
) -> dict[str, Moments]:
    """Moments of [a, y], the new units' activations and the original's output, of each group."""
    found: dict[str, Moments] = {}
    if not changes:
        return found
    clips = prepare(model, excitation, watch=watch)
    for batch in in_batches(changes, lambda c: c.units.n_units * c.group.rows):
        units = [(change.group, change.units) for change in batch]
        found |= moments_beside(model, units, clips, watch=watch)
    return found


def _of_kept(model: SpeechModel, change: Change, old: Moments) -> Moments:
    """As `_heard`, of units that stay as they are, from the moments of all."""
    kept = torch.from_numpy(np.repeat(change.labels >= 0, change.group.rows))
    kept = kept.to(old.covariance.device)
    output = read_units(model.model, change.group).output
    columns = output.reshape(len(kept), -1).to(old.covariance)
    bias = linear_at(model.model, change.group.output_path).bias.detach().to(old.mean)
    cross = old.covariance[kept] @ columns
    total = columns.T @ old.covariance @ columns
    covariance = torch.cat(
        [torch.cat([old.covariance[kept][:, kept], cross], 1), torch.cat([cross.T, total], 1)]
    )
    mean = torch.cat([old.mean[kept], old.mean @ columns + bias])
    return Moments(old.count, mean, covariance)


def refit(
    units: UnitWeights, activations: Moments, cross: torch.Tensor, ridge: float
) -> torch.Tensor:
    """Output columns that give the original output best, near those that the units have.

    W = W0 + (Cov(a) + Λ)⁻¹·(Cov(a, y) - Cov(a)·W0), the minimum of the output error plus
    ‖Λ^½·(W - W0)‖²; so the error on the excitation is never above that of W0. A ridge after
    pruning or merging, on a scale common to all units, is in GRAIL (arXiv 2602.23795), too.

    Parameters
    ----------
    units : UnitWeights
        K units; W0 is their output.
    activations : Moments
        Of the units' activations a, width K·rows.
    cross : Tensor of float64, (K·rows, d)
        Cov(a, y) with the original block's output.
    ridge : float
        Λ over diag(Cov(a)); see `analysis.clustering.moments.ridged`.

    Returns
    -------
    Tensor of float32, (K, rows, d)
    """
    start = units.output.reshape(len(cross), -1).to(cross)
    missing = cross - activations.covariance @ start
    factor = torch.linalg.cholesky(ridged(activations.covariance, ridge))
    fitted = start + torch.cholesky_solve(missing, factor)
    return fitted.reshape(units.output.shape).float().to(units.output.device)
