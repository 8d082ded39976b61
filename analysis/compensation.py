"""Repairing a changed layer, so that its output meets the original's again."""

from dataclasses import dataclass, field

import numpy as np
import torch
from transformers import PreTrainedModel

from analysis.checkpoints import SpeechModel
from analysis.contributions import (
    Moments,
    PreparedClip,
    group_statistics,
    paired_moments,
    prepare,
)
from analysis.excitation import Excitation
from analysis.progress import ShouldCancel, never_cancel
from analysis.surgeon import refit
from analysis.units import UnitGroup, UnitWeights, linear_at, read_units, share_modules, write_units


@dataclass(slots=True, eq=False)
class Repair:
    """Repairs the groups of one model, one after the other.

    Parameters
    ----------
    model : SpeechModel
        The original.
    excitation : Excitation
    mode : {"mean", "refit"}
        See `analysis.plan.REPAIRS`.
    below : PreTrainedModel or None
        A model whose compressed layers each new group hears (sequential); None for one-shot.
    should_cancel : callable
    """

    model: SpeechModel
    excitation: Excitation
    mode: str
    below: PreTrainedModel | None = None
    should_cancel: ShouldCancel = never_cancel
    _clips: list[PreparedClip] = field(default_factory=list)

    def repair(self, group: UnitGroup, labels: np.ndarray, units: UnitWeights) -> UnitWeights:
        """Output columns and output bias that meet the original's output.

        b2 += E[old output] - E[new output], after the refit if there is one; both expectations are
        over the positions of the excitation, so that the mean output is met exactly there.

        Parameters
        ----------
        group : UnitGroup
        labels : ndarray of int64, (n,)
            What became of the units.
        units : UnitWeights
            The K units of the group.

        Returns
        -------
        UnitWeights

        Raises
        ------
        Cancelled
        """
        if linear_at(self.model.model, group.output_path).bias is None:
            return units  # no family has such a layer; a bias could not be saved
        joint = self._joint_moments(group, labels, units)
        width = units.n_units * group.rows
        activations = Moments(joint.count, joint.mean[:width], joint.covariance[:width, :width])
        output = units.output
        if self.mode == "refit":
            output = refit(units, activations, joint.covariance[:width, width:])
        made = activations.mean @ output.reshape(width, -1).cpu().double()
        bias = (joint.mean[width:] - made).float().to(output.device)
        return UnitWeights(units.inputs, units.biases, output, bias)

    def _joint_moments(self, group: UnitGroup, labels: np.ndarray, units: UnitWeights) -> Moments:
        """Moments of [a, y]: the new units' activations and the original's output."""
        if self.below is None and (np.bincount(labels[labels >= 0]) == 1).all():
            return self._of_kept(group, labels)
        if not self._clips:
            self._clips = prepare(self.model, self.excitation, self.should_cancel)
        module = share_modules(self.below or self.model.model)
        write_units(module, group, units)
        return paired_moments(self.model, module, group, self._clips)

    def _of_kept(self, group: UnitGroup, labels: np.ndarray) -> Moments:
        """The same for units that stay as they are, from the statistics of all: no run needed."""
        statistics = group_statistics(
            self.model, self.excitation, group, should_cancel=self.should_cancel
        )
        old = statistics.moments
        kept = torch.from_numpy(np.repeat(labels >= 0, group.rows))
        columns = read_units(self.model.model, group).output.reshape(len(kept), -1).cpu().double()
        bias = linear_at(self.model.model, group.output_path).bias.detach().cpu().double()
        cross = old.covariance[kept] @ columns
        total = columns.T @ old.covariance @ columns
        covariance = torch.cat(
            [torch.cat([old.covariance[kept][:, kept], cross], 1), torch.cat([cross.T, total], 1)]
        )
        mean = torch.cat([old.mean[kept], old.mean @ columns + bias])
        return Moments(old.count, mean, covariance)
