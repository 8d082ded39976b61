"""From settings to a plan: K for every group, with the trees and the sound that it takes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from analysis.clustering.merge_tree import MergeTree
from analysis.clustering.trees import build_trees
from analysis.compression.allocation import allocate
from analysis.models.speech_model import SpeechModel
from analysis.models.statistics import group_variances
from analysis.models.unit_groups import unit_groups
from analysis.plan.choices import SURGEON
from analysis.plan.compression_plan import CompressionPlan
from analysis.progress import Progress, ShouldCancel, never_cancel, no_progress
from analysis.speech.excitation import Excitation, make_excitation


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
