"""Groups trade units, as long as the model's words come nearer to the original's.

An allocation adds up what each group costs alone. Together, errors of layers weigh more or less
than that, the more so the more is removed; so here the whole compressed model is asked.
"""

import math
from collections.abc import Collection, Mapping, Sequence

import torch
from transformers import PreTrainedModel

from analysis.clustering.listening import PreparedClip
from analysis.clustering.merge_tree import MergeTree
from analysis.compression.allocation import foreseen_divergence
from analysis.compression.compress import compress_group
from analysis.compression.divergence import check_clips, expected_words
from analysis.compression.nesting import write_changes
from analysis.compression.repair import Change, repair
from analysis.compression.replay import record
from analysis.models.architectures.base import Decoding
from analysis.models.modules import share_modules
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup, kept_parameters, ranks_of, unit_parameters
from analysis.models.unit_weights import UnitWeights
from analysis.plan.choices import END_TO_END
from analysis.plan.compression_plan import CompressionPlan
from analysis.progress import UNWATCHED, Watch
from analysis.speech.excitation import Excitation

STEPS = (0.02, 0.01, 0.005)
"""Shares of the parameters in question that change hands at a time, coarse to fine."""

WORTH_TRADING: Mapping[Decoding, float] = {"seq2seq": 0.1, "ctc": math.inf}
"""Nats per word or CTC frame: where the end-to-end allocation foresees less, trades gain little and
are not tried. With CTC they never are: they lower the divergence, most of which is that of blanks
and of the moment at which a letter comes, and the words do not gain (`docs/results.md`)."""

_MOST_STEPS_PER_UNIT = 3  # a group whose units are larger than so many steps takes no part in them
_GIVERS = 3  # tried for each group that would gain


def may_trade(model: SpeechModel) -> bool:
    """Whether the groups of a model trade at all; see `WORTH_TRADING`."""
    return math.isfinite(WORTH_TRADING[model.architecture.decoding])


def swap_budget(
    model: SpeechModel,
    plan: CompressionPlan,
    trees: Mapping[str, MergeTree],
    excitation: Excitation | None,
    *,
    locked: Collection[str] = (),
    watch: Watch = UNWATCHED,
) -> CompressionPlan:
    """A plan of the same size whose model is nearer to the original, where there is one.

    Per step, it is measured what each group would lose by giving units and gain by taking some;
    then those that gain most take from those that lose least, and a trade stands where the KL
    divergence on the voices to check on falls by it. Where the allocation foresees a divergence
    below `WORTH_TRADING`, the plan stays.

    Parameters
    ----------
    model : SpeechModel
        The original.
    plan : CompressionPlan
        From which to start; not sequential.
    trees : mapping of str to MergeTree
        Under the plan's distance.
    excitation : Excitation or None
        What the plan listens to.
    locked : collection of str
        Ids of groups that keep their K.
    watch : Watch
        Reports groups, step by step.

    Returns
    -------
    CompressionPlan
        With other K, of no more parameters.

    Raises
    ------
    UserError
        When the speech to check on is not installed.
    Cancelled
    """
    if _foreseen(model, plan, trees) < WORTH_TRADING[model.architecture.decoding]:
        return plan
    workshop = _Workshop(model, plan, trees, excitation, check_clips(model, watch=watch))
    components = plan.recipe.components
    everything = model.groups_for(components)
    groups = [g for g in everything if g.component in components and g.id not in locked]
    total = kept_parameters(groups)
    kept = dict(plan.n_clusters)
    best = workshop.divergence(kept)
    for number, share in enumerate(STEPS, start=1):
        amounts = {
            group.id: max(1, round(share * total / group.parameters_per_unit))
            for group in groups
            if group.parameters_per_unit <= _MOST_STEPS_PER_UNIT * share * total
        }
        able = [group for group in groups if group.id in amounts]
        loss, gain = {}, {}
        for done, group in enumerate(able):
            watch.check()
            watch.progress(done, len(able), f"Trading units, round {number} of {len(STEPS)}")
            own, amount = kept[group.id], amounts[group.id]
            if own > amount:
                worse = workshop.divergence({**kept, group.id: own - amount})
                loss[group.id] = (worse - best) / (amount * group.parameters_per_unit)
            if taken := min(amount, group.n_units - own):
                better = workshop.divergence({**kept, group.id: own + taken})
                gain[group.id] = (best - better) / (taken * group.parameters_per_unit)
        by_id = {group.id: group for group in able}
        for taker in sorted(gain, key=lambda name: -gain[name]):
            for giver in sorted(loss, key=lambda name: loss[name])[:_GIVERS]:
                watch.check()
                traded = _traded(by_id[taker], by_id[giver], kept, amounts[taker])
                if giver == taker or loss[giver] >= gain[taker] or traded is None:
                    continue
                found = workshop.divergence(traded)
                if found < best:
                    best, kept = found, traded
                    workshop.settle(kept)
                    del loss[giver]  # what it would lose now is not known
                    break
    return plan.with_clusters(kept)


def _foreseen(model: SpeechModel, plan: CompressionPlan, trees: Mapping[str, MergeTree]) -> float:
    """The divergence that the plan's allocation foresees; infinite where it foresees none."""
    if plan.recipe.allocation != END_TO_END:
        return math.inf
    groups = model.groups_for(plan.recipe.components)
    return foreseen_divergence(groups, trees, plan.n_clusters, plan.recipe.method)


def _traded(
    taker: UnitGroup, giver: UnitGroup, kept: Mapping[str, int], amount: int
) -> dict[str, int] | None:
    """K after a trade that adds no parameter; None where one of both cannot."""
    taken = min(amount, taker.n_units - kept[taker.id])
    given = -(-taken * unit_parameters(taker, kept) // unit_parameters(giver, kept))
    if taken < 1 or kept[giver.id] - given < 1:
        return None
    return {**kept, taker.id: kept[taker.id] + taken, giver.id: kept[giver.id] - given}


class _Workshop:
    """Makes models of one plan but for K, keeps their groups, and says how far off they are."""

    def __init__(
        self,
        model: SpeechModel,
        plan: CompressionPlan,
        trees: Mapping[str, MergeTree],
        excitation: Excitation | None,
        clips: Sequence[PreparedClip],
    ) -> None:
        self._model = model
        self._plan = plan
        self._trees = trees
        self._excitation = excitation
        self._clips = clips
        self._original: list[torch.Tensor] = expected_words(model, clips)
        self._made: dict[tuple[str, int, int], UnitWeights] = {}
        self._groups = {g.id: g for g in model.groups_for(plan.recipe.components)}
        self.settle(plan.n_clusters)

    def settle(self, kept: Mapping[str, int]) -> None:
        """Stay at these K: models near to them are measured fastest."""
        self._kept = dict(kept)
        self._recording = record(self._model, self._module(kept), self._clips)

    def divergence(self, kept: Mapping[str, int]) -> float:
        """KL divergence from the original, nats per word or CTC frame, at these K."""
        changed = [name for name, count in kept.items() if count != self._kept[name]]
        return self._recording.divergence(self._module(kept), changed, self._original)

    def _module(self, kept: Mapping[str, int]) -> PreTrainedModel:
        module = share_modules(self._model.model)
        smaller = [g for g in self._groups.values() if kept[g.id] < g.n_units]
        changes = {group.id: self._units(group, kept) for group in smaller}
        write_changes(module, self._groups, changes)
        return module

    def _units(self, group: UnitGroup, kept: Mapping[str, int]) -> UnitWeights:
        ranks = self._groups.get(ranks_of(group).id) if group.component == "heads" else None
        if ranks is not None and kept[ranks.id] == ranks.n_units:
            ranks = None
        key = (group.id, kept[group.id], kept[ranks.id] if ranks else 0)
        if key not in self._made:
            made = compress_group(
                self._model,
                group,
                self._plan.with_clusters(kept),
                self._trees[group.id],
                excitation=self._excitation,
                ranks=self._units(ranks, kept) if ranks else None,
            )
            plan = self._plan
            units = made.weights
            if plan.recipe.repair != "none" and self._excitation is not None:
                change = Change(group, made.labels, units)
                mode = plan.recipe.repair
                units = repair(self._model, self._excitation, [change], mode)[group.id].units
            self._made[key] = units
        return self._made[key]
