"""Applying a plan: a new model that shares every untouched tensor with the original."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from transformers import PreTrainedModel

from analysis.clustering.clusterings import (
    clustering_inertia,
    hartigan_refine,
    kmeans_labels,
)
from analysis.clustering.distances import euclidean_distances
from analysis.clustering.merge_tree import MergeTree
from analysis.clustering.unit_space import UnitSpace
from analysis.compression.merging import merge_units
from analysis.compression.nesting import within_ranks, write_changes
from analysis.compression.repair import Change, repair
from analysis.compression.selection import predicted_error, pruning_error, pruning_labels
from analysis.errors import UserError
from analysis.memory import trim
from analysis.models.building import MERGED_RANKS, MERGED_UNITS
from analysis.models.modules import share_modules
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup, ranks_of
from analysis.models.unit_weights import UnitWeights, read_units
from analysis.models.weight_hash import model_hash
from analysis.plan.choices import SURGEON
from analysis.plan.compression_plan import CompressionPlan
from analysis.progress import (
    UNWATCHED,
    Watch,
)
from analysis.speech.excitation import Excitation
from analysis.speech.hearing import recipe_excitation


@dataclass(frozen=True, slots=True, eq=False)
class CompressedGroup:
    """What became of one unit group.

    Parameters
    ----------
    group : UnitGroup
        As it was in the original.
    labels : ndarray of int64, (n,)
        The new unit that each old one went into; -1 for a dropped one.
    error : float
        Relative squared merge error: inertia, or squared norm dropped, over the summed squared
        norms of all unit vectors, under the plan's distance.
    weights : UnitWeights
        The K merged units, float32.
    output_error : float or None
        Measured by the repair (`analysis.compression.repair.Repaired`); None without one.
    """

    group: UnitGroup
    labels: np.ndarray
    error: float
    weights: UnitWeights
    output_error: float | None = None

    @property
    def n_clusters(self) -> int:
        """Units afterwards."""
        return self.weights.n_units


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Compression:
    """A compressed model and how it came about.

    Parameters
    ----------
    model : SpeechModel
        The compressed model; its `plan` is set.
    plan : CompressionPlan
    groups : mapping of str to CompressedGroup
        By id, the groups that were made smaller.
    """

    model: SpeechModel
    plan: CompressionPlan
    groups: Mapping[str, CompressedGroup]


def compress(
    model: SpeechModel,
    plan: CompressionPlan,
    *,
    trees: Mapping[str, MergeTree] | None = None,
    reuse: Compression | None = None,
    excitation: Excitation | None = None,
    watch: Watch = UNWATCHED,
) -> Compression:
    """Compress a model as a plan says; the model itself stays as it is.

    Parameters
    ----------
    model : SpeechModel
        The original.
    plan : CompressionPlan
        Made for this model.
    trees : mapping of str to MergeTree, optional
        Of this model under the plan's distance and head alignment; built (or read from the cache)
        where they are not given.
    reuse : Compression, optional
        An earlier compression of the same model; groups whose K and method did not change are
        taken from it.
    excitation : Excitation, optional
        What a plan that listens was made with; by default the plan's kind of it. Clips of one's
        own ("calibrated") must be given.
    watch : Watch
        It is told after each group, and asked before each.

    Returns
    -------
    Compression

    Raises
    ------
    UserError
        When the plan does not fit the model or the excitation.
    Cancelled
    """
    groups = model.groups_for(plan.recipe.components)
    model.check_plan(plan)
    smaller = [group for group in groups if plan.n_clusters[group.id] < group.n_units]
    smaller.sort(key=lambda group: not group.inside)  # heads are merged within the ranks that stay
    earlier = _reusable(plan, reuse)
    if plan.recipe.listens:
        excitation = _fitting(model, plan, excitation)
        plan = plan.changed(excitation_hash=excitation.identity)
    space = UnitSpace.of(plan.recipe, excitation)
    compressed: dict[str, CompressedGroup] = {}
    for done, group in enumerate(smaller, start=1):
        watch.check()
        inside = ranks_of(group).id if group.component == "heads" else ""
        ranks = compressed.get(inside)
        known = earlier.get(group.id) if ranks is None and inside not in earlier else None
        if known is not None and known.n_clusters == plan.n_clusters[group.id]:
            compressed[group.id] = known
        else:
            tree = (trees or {}).get(group.id) or space.tree(
                model,
                group,
                removal=plan.recipe.method == SURGEON,
                watch=Watch(should_cancel=watch.should_cancel),
            )
            compressed[group.id] = compress_group(
                model,
                group,
                plan,
                tree,
                excitation=excitation,
                ranks=ranks.weights if ranks else None,
            )
        watch.progress(done, len(smaller), group.title)
    if plan.recipe.repair != "none" and excitation is not None:
        fresh = [done for name, done in compressed.items() if done is not earlier.get(name)]
        repaired = repair(
            model,
            excitation,
            [Change(done.group, done.labels, done.weights) for done in fresh],
            plan.recipe.repair,
            sequential=plan.recipe.sequential,
            watch=watch,
        )
        for name, found in repaired.items():
            compressed[name] = replace(
                compressed[name], weights=found.units, output_error=found.output_error
            )
    made = Compression(_assemble(model, plan, compressed), plan, compressed)
    trim()
    return made


def compress_group(
    model: SpeechModel,
    group: UnitGroup,
    plan: CompressionPlan,
    tree: MergeTree,
    *,
    excitation: Excitation | None = None,
    ranks: UnitWeights | None = None,
) -> CompressedGroup:
    """Select and merge the units of one group, without repairing its output.

    Parameters
    ----------
    model : SpeechModel
        The original.
    group : UnitGroup
    plan : CompressionPlan
    tree : MergeTree
        Of this group, under the plan's distance and head alignment.
    excitation : Excitation, optional
        For the contribution distance; the shipped speech by default.
    ranks : UnitWeights, optional
        Of heads: the ranks that stay, where some were cut.

    Returns
    -------
    CompressedGroup
    """
    k = plan.n_clusters[group.id]
    recipe, space = plan.recipe, UnitSpace.of(plan.recipe, excitation)
    align = recipe.align_heads and group.component == "heads"
    if group.inside:
        labels = pruning_labels(tree, k, SURGEON, seed=recipe.seed, group=group.id)
        error = predicted_error(tree, k, SURGEON, seed=recipe.seed, group=group.id)
        kept = torch.from_numpy(np.flatnonzero(labels >= 0)).to(model.device)
        return CompressedGroup(group, labels, error, space.units(model, group).take(kept))
    if recipe.method != "cluster":
        labels = pruning_labels(tree, k, recipe.method, seed=recipe.seed, group=group.id)
        error = (
            predicted_error(tree, k, recipe.method, seed=recipe.seed, group=group.id)
            if recipe.method == SURGEON
            else pruning_error(tree, labels)
        )
    elif recipe.engine == "kmeans":
        vectors = space.vectors(model, group)
        try:
            labels = kmeans_labels(
                vectors,
                k,
                seed=recipe.seed,
                n_init=recipe.n_init,
                init=recipe.seeding,
            )
        except UserError as fault:
            raise UserError(f"{group.title}: {fault.message}", fault.remedy) from fault
        error = clustering_inertia(euclidean_distances(vectors), labels) / (tree.total or 1.0)
    else:
        labels = tree.labels(k)
        error = predicted_error(tree, k, "cluster", seed=recipe.seed, group=group.id)
        if recipe.refine:
            distances = space.distances(model, group)
            labels = hartigan_refine(distances, labels)
            error = clustering_inertia(distances, labels) / (tree.total or 1.0)
    units = read_units(model.model, group)
    merged = merge_units(
        within_ranks(units, ranks, group.ranks) if ranks else units,
        labels,
        recipe.merge,
        align_heads=align,
        norms=tree.norms,
    )
    return CompressedGroup(group, labels, error, merged)


def _fitting(
    model: SpeechModel, plan: CompressionPlan, excitation: Excitation | None
) -> Excitation:
    """The excitation of a plan that listens, checked against what the plan was made with."""
    kind = plan.recipe.excitation
    found = excitation or recipe_excitation(model, plan.recipe)
    if found.kind != kind or plan.excitation_hash not in (None, found.identity):
        raise UserError(
            "This plan listened to other sound.",
            "Give the clips that it was made with, or make a new plan.",
            f"plan: {kind} {plan.excitation_hash}, here: {found.kind} {found.identity}",
        )
    return found


def _reusable(plan: CompressionPlan, reuse: Compression | None) -> Mapping[str, CompressedGroup]:
    """Groups of an earlier compression that a plan would make the same again."""
    if reuse is None or plan.recipe.sequential:  # a layer depends on those below
        return {}
    before = reuse.plan.recipe
    same = plan.changed(
        recipe=plan.recipe.changed(
            allocation=before.allocation, sparsity=before.sparsity, components=before.components
        ),
        n_clusters=reuse.plan.n_clusters,
        excitation_hash=plan.excitation_hash or reuse.plan.excitation_hash,
    )
    return reuse.groups if same == reuse.plan else {}


def _assemble(
    model: SpeechModel, plan: CompressionPlan, compressed: Mapping[str, CompressedGroup]
) -> SpeechModel:
    """Build the new model around the merged groups."""
    module = share_modules(model.model)
    groups = {name: result.group for name, result in compressed.items()}
    write_changes(module, groups, {name: result.weights for name, result in compressed.items()})
    for field in (MERGED_UNITS, MERGED_RANKS):
        merged = dict(getattr(model.config, field, None) or {})
        merged |= {
            result.group.inside or name: result.n_clusters
            for name, result in compressed.items()
            if bool(result.group.inside) == (field == MERGED_RANKS)
        }
        if merged:
            setattr(module.config, field, merged)
    _remap_alignment_heads(module, compressed)
    return replace(
        model,
        model=module,
        weight_hash=model_hash(module),
        plan=plan,
        earlier_plans=model.lineage,
        health=None,
        lock=threading.Lock(),
    )


def _remap_alignment_heads(
    module: PreTrainedModel, compressed: Mapping[str, CompressedGroup]
) -> None:
    """Point Whisper's word-timestamp heads at the clusters that they went into."""
    settings = getattr(module, "generation_config", None)  # models that do not generate have none
    heads = getattr(settings, "alignment_heads", None)
    if settings is None or not heads:
        return
    remapped: dict[tuple[int, int], None] = {}
    for layer, head in heads:
        result = compressed.get(f"decoder.{layer}.cross_attention")
        if result is None:
            remapped[(layer, head)] = None
        elif head < len(result.labels) and result.labels[head] >= 0:
            remapped[(layer, int(result.labels[head]))] = None
    if remapped:
        settings.update(alignment_heads=[list(pair) for pair in remapped])
    else:
        # without the field, transformers says that it has no word timestamps; an empty list crashes
        del settings.alignment_heads
