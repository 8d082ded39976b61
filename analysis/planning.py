"""From settings to a plan: K for every group, with the trees and the sound that it takes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from analysis.allocation import OUTPUT_ERROR, allocate
from analysis.checkpoints import SpeechModel
from analysis.clustering import MergeTree
from analysis.distances import CONTRIBUTION
from analysis.excitation import Excitation, make_excitation
from analysis.plan import CompressionPlan
from analysis.progress import Progress, ShouldCancel, never_cancel, no_progress
from analysis.selection import SURGEON
from analysis.trees import build_trees
from analysis.units import unit_groups
from analysis.variance import group_variances


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """What `analysis.compression.compress` wants.

    Parameters
    ----------
    plan : CompressionPlan
    trees : mapping of str to MergeTree
        By group id, under the plan's distance and head alignment.
    excitation : Excitation or None
        None where the plan does not listen.
    """

    plan: CompressionPlan
    trees: Mapping[str, MergeTree]
    excitation: Excitation | None


@dataclass(frozen=True, slots=True)
class Recipe:
    """The choices that go together; fields as in `analysis.plan.CompressionPlan`."""

    method: str
    distance: str
    merge: str
    repair: str
    allocation: str


def complete(
    *,
    method: str | None = None,
    distance: str | None = None,
    merge: str | None = None,
    repair: str | None = None,
    allocation: str | None = None,
) -> Recipe:
    """Fill in what was left open, as the measurements in docs/contributions.md have it.

    Clustering goes by contributions unless something else is asked for, and with contributions go
    the weighted merge, the refit and the allocation by output error. The baselines and the weight
    distances are what the papers say: mean, no repair, uniform.
    """
    method = method or "cluster"
    if distance is None:
        distance = CONTRIBUTION if method in ("cluster", SURGEON) else "weights"
    listens = distance == CONTRIBUTION
    return Recipe(
        method,
        distance,
        merge or ("weighted" if listens else "mean"),
        repair or ("refit" if listens else "none"),
        allocation or (OUTPUT_ERROR if listens else "uniform"),
    )


class Planner:
    """Plans for one model; trees, variances and sounds are kept from plan to plan.

    Parameters
    ----------
    model : SpeechModel
        The original.
    calibration : Excitation, optional
        A person's own clips, for plans that are calibrated.
    """

    def __init__(self, model: SpeechModel, calibration: Excitation | None = None) -> None:
        self._model = model
        self._calibration = calibration
        self._groups = unit_groups(model)
        self._variances: Mapping[str, float] | None = None
        self._trees: dict[tuple[str, bool, str | None, bool], Mapping[str, MergeTree]] = {}
        self._excitations: dict[tuple[str, int], Excitation] = {}

    def prepare(
        self,
        settings: CompressionPlan,
        *,
        progress: Progress = no_progress,
        should_cancel: ShouldCancel = never_cancel,
    ) -> Prepared:
        """Choose K as the settings' allocation and sparsity say.

        Parameters
        ----------
        settings : CompressionPlan
            Its `n_clusters` are not looked at.
        progress, should_cancel : callable
            Of the merge trees.

        Returns
        -------
        Prepared

        Raises
        ------
        UserError
            Where the settings do not go together.
        Cancelled
        """
        excitation = self._excitation(settings) if settings.listens else None
        trees = self._build(settings, excitation, progress, should_cancel)
        if settings.allocation.startswith("variance") and self._variances is None:
            self._variances = group_variances(self._model)
        n_clusters = allocate(
            self._groups,
            sparsity=settings.sparsity,
            strategy=settings.allocation,
            components=settings.components,
            trees=trees,
            variances=self._variances,
            method=settings.method,
        )
        plan = replace(
            settings,
            n_clusters=n_clusters,
            excitation_hash=excitation.identity if excitation else None,
        )
        return Prepared(plan, trees, excitation)

    def _excitation(self, settings: CompressionPlan) -> Excitation:
        if settings.excitation == "calibrated" and self._calibration is not None:
            return self._calibration
        key = (settings.excitation, settings.seed)
        if key not in self._excitations:
            self._excitations[key] = make_excitation(settings.excitation, seed=settings.seed)
        return self._excitations[key]

    def _build(
        self,
        settings: CompressionPlan,
        excitation: Excitation | None,
        progress: Progress,
        should_cancel: ShouldCancel,
    ) -> Mapping[str, MergeTree]:
        heard = excitation.identity if excitation and settings.distance == "contribution" else None
        removal = settings.method == SURGEON
        key = (settings.distance, settings.align_heads, heard, removal)
        if key not in self._trees:
            self._trees[key] = build_trees(
                self._model,
                settings.distance,
                align_heads=settings.align_heads,
                excitation=excitation,
                removal=removal,
                progress=progress,
                should_cancel=should_cancel,
            )
        return self._trees[key]
