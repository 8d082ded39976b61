"""Many compressed models on one corpus, each tested against the original and against magnitude."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from analysis.compression.allocation import achieved_sparsity
from analysis.compression.compress import Compression, compress
from analysis.compression.planner import Planner, Prepared
from analysis.errors import UserError
from analysis.evaluation.corpora import Corpus
from analysis.evaluation.corpus_evaluation import (
    Comparison,
    Evaluation,
    compare_evaluations,
    recognise,
    run_of,
    summarise,
)
from analysis.evaluation.results import ResultStore, Run
from analysis.evaluation.sweep_spec import NamedRecipe, SweepCell
from analysis.models.footprint import Footprint, footprint, predict_footprint
from analysis.models.quantising import is_quantised
from analysis.models.speech_model import SpeechModel
from analysis.plan.choices import MANUAL
from analysis.plan.compression_plan import CompressionPlan
from analysis.plan.recipe import Recipe
from analysis.progress import (
    UNWATCHED,
    Watch,
)
from analysis.speech.disturbing import read_condition
from analysis.speech.excitation import Excitation
from analysis.speech.recognition import TranscriptionOptions

if TYPE_CHECKING:
    from accelerate import PartialState


@dataclass(frozen=True)
class Row:
    """One model of a sweep and what was measured.

    Parameters
    ----------
    model : str
        Name of the original.
    cell : SweepCell or None
        How it was compressed; None for the original itself.
    achieved : float
        Fraction of the mergeable parameters that is gone.
    cost : Footprint
    evaluation : Evaluation
    against_original, against_magnitude : Comparison or None
        Of this model's WER; magnitude is the plain baseline at the same K in every group, where
        the sweep has magnitude at all.
    n_clusters : mapping of str to int
        K by unit group; empty for the original.
    """

    model: str
    cell: SweepCell | None
    achieved: float
    cost: Footprint
    evaluation: Evaluation
    against_original: Comparison | None = None
    against_magnitude: Comparison | None = None
    n_clusters: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A cell that cannot be: its options do not go together, or not with the model.

    Parameters
    ----------
    model : str
    cell : SweepCell
    reason : str
    """

    model: str
    cell: SweepCell
    reason: str


class _CannotBe(UserError):
    """A cell's options do not go together, or not with the model; the others can still be."""


Evaluations = tuple[Evaluation, ...]
"""Of one model, under each condition."""

OnRow = Callable[[Row | Skipped], None]


def sweep(
    model: SpeechModel,
    cells: Sequence[SweepCell],
    corpus: Corpus,
    options: TranscriptionOptions,
    normaliser: str = "whisper-english",
    *,
    made: Mapping[str, Compression] = MappingProxyType({}),
    stress: Sequence[str] = (),
    calibration: Excitation | None = None,
    store: ResultStore | None = None,
    state: "PartialState | None" = None,
    on_row: OnRow = lambda row: None,
    watch: Watch = UNWATCHED,
) -> list[Row | Skipped]:
    """Evaluate a model and everything that a sweep makes of it.

    Parameters
    ----------
    model : SpeechModel
        The original.
    cells : sequence of SweepCell
        Plain magnitude before what is tested against it; see `SweepSpec.cells`. Where it is among
        them, it is run too at every other K that comes up.
    corpus : Corpus
    options : TranscriptionOptions
    normaliser : str
    made : mapping of str to Compression
        Models that were made of it already, by name; they come after the cells.
    stress : sequence of str
        Conditions under which every model hears the corpus again; see
        `analysis.speech.disturbing.read_condition`.
    calibration : Excitation, optional
        For cells that are calibrated.
    store, state
        See `analysis.evaluation.corpus_evaluation.recognise`.
    on_row : callable
        Given each row as soon as it is there, the original first.
    watch : Watch
        Reports seconds of sound over all models.

    Returns
    -------
    list of Row or Skipped
        The original, then the cells in their order; each under no condition first, then under
        all others.

    Raises
    ------
    UserError
        Where a clip cannot be read any more.
    Cancelled
    """
    with_magnitude = any(cell.way.is_magnitude for cell in cells)
    tested = [cell for cell in cells if not cell.way.is_magnitude]
    # each that is tested may need plain magnitude at its own K
    n_baselines = (len(tested) + len(made)) * with_magnitude
    runner = _Runner(
        model,
        (corpus, *(corpus.under(read_condition(one)) for one in stress)),
        options=options,
        normaliser=normaliser,
        planner=Planner(model, calibration),
        store=store,
        state=state,
        on_row=on_row,
        watch=watch,
        n_models=(1 + len(cells) + len(made) + n_baselines) * (1 + len(stress)),
        with_magnitude=with_magnitude,
    )
    return runner.run(cells, made)


@dataclass(slots=True)
class _Runner:
    """The rows of one model as they come; fields as the parameters of `sweep`."""

    model: SpeechModel
    corpora: tuple[Corpus, ...]
    options: TranscriptionOptions
    normaliser: str
    planner: Planner
    store: ResultStore | None
    state: "PartialState | None"
    on_row: OnRow
    watch: Watch
    n_models: int
    with_magnitude: bool
    n_spared: int = 0  # of the baselines that might have been needed
    rows: list[Row | Skipped] = field(default_factory=list)
    originals: list[Row] = field(default_factory=list)
    magnitude: dict[tuple[int, ...], Evaluations] = field(default_factory=dict)

    def run(
        self, cells: Sequence[SweepCell], made: Mapping[str, Compression]
    ) -> list[Row | Skipped]:
        """Evaluate the original, the cells and what was made already."""
        run = run_of(self.model, self.options)
        whole = footprint(self.model)
        for found in self._evaluated(lambda: self.model, run, "original"):
            self.originals.append(Row(self.model.name, None, 0.0, whole, found))
            self._add(self.originals[-1])
        for cell in cells:
            self.watch.check()
            try:
                prepared = self._prepared(cell)
                evaluations = self._compressed(prepared, cell)
            except _CannotBe as fault:
                self._add(Skipped(self.model.name, cell, str(fault)))
            else:
                self._add_tested(cell, prepared.plan, evaluations)
        for name, compression in made.items():
            self.watch.check()
            plan = compression.plan
            int8 = is_quantised(compression.model.model)
            # by its own weights: the same plan stands for what was trained, or is in int8, too
            run = run_of(compression.model, self.options)
            evaluations = self._evaluated(partial(getattr, compression, "model"), run, name)
            cell = SweepCell.of_made(name, plan.recipe)
            cost = footprint(compression.model) if int8 else None
            self._add_tested(cell, plan, evaluations, cost)
        total = self.n_models * self._seconds
        self.watch.progress(total, total, "evaluated")
        return self.rows

    def _prepared(self, cell: SweepCell) -> Prepared:
        try:
            return self.planner.prepare(
                cell.recipe,
                watch=Watch(
                    partial(self._report_planning, cell.way.name), self.watch.should_cancel
                ),
            )
        except UserError as fault:
            raise _CannotBe(str(fault)) from fault

    def _report_planning(self, name: str, done: int, total: int, note: str) -> None:
        """Trees and statistics are no sound that was heard: they only change the note."""
        heard = (len(self.rows) + self.n_spared) * self._seconds
        self.watch.progress(heard, self.n_models * self._seconds, f"{name}: {note}")

    def _add_tested(
        self,
        cell: SweepCell,
        plan: CompressionPlan,
        found: Evaluations,
        cost: Footprint | None = None,
    ) -> None:
        """Add a row, and before it that of magnitude at the same K, where there is none yet."""
        k = tuple(plan.n_clusters.values())
        if cell.way.is_magnitude:
            self.magnitude.setdefault(k, found)
        elif self.with_magnitude and k in self.magnitude:
            self.n_spared += len(self.corpora)
        elif self.with_magnitude:
            baseline = _magnitude_at(plan)
            draws = cell.way.uses_seed
            drawn = f", seed {cell.seed}" if draws else ""
            name = f"magnitude at the K of {cell.way.name}{drawn}"
            recipe = Recipe(method="magnitude", components=plan.recipe.components)
            same = replace(cell, way=NamedRecipe(name=name, recipe=recipe))
            self.magnitude[k] = self._compressed(Prepared(baseline, {}, None), same)
            for row in self._tested(same, baseline, self.magnitude[k]):
                self._add(row)
        for row in self._tested(cell, plan, found):
            self._add(replace(row, cost=cost) if cost else row)

    @property
    def _seconds(self) -> int:
        return int(self.corpora[0].seconds) + 1

    def _add(self, row: Row | Skipped) -> None:
        self.rows.append(row)
        self.on_row(row)

    def _tested(
        self, cell: SweepCell, plan: CompressionPlan, evaluations: Evaluations
    ) -> list[Row]:
        """A row for each condition, compared with the original and magnitude under the same one."""
        baselines = self.magnitude.get(tuple(plan.n_clusters.values()), (None,) * len(evaluations))
        return [
            Row(
                self.model.name,
                cell,
                achieved_sparsity(self.model.groups, plan.n_clusters),
                predict_footprint(self.model, original.cost, plan.n_clusters),
                found,
                against_original=compare_evaluations(found, original.evaluation),
                against_magnitude=None
                if baseline is None or baseline is found
                else compare_evaluations(found, baseline),
                n_clusters=plan.n_clusters,
            )
            for found, original, baseline in zip(
                evaluations, self.originals, baselines, strict=True
            )
        ]

    def _compressed(self, prepared: Prepared, cell: SweepCell) -> Evaluations:
        def make() -> SpeechModel:
            try:
                return compress(
                    self.model,
                    prepared.plan,
                    trees=prepared.trees,
                    excitation=prepared.excitation,
                    watch=Watch(should_cancel=self.watch.should_cancel),
                ).model
            except UserError as fault:
                raise _CannotBe(str(fault)) from fault

        note = f"{cell.way.name}, {cell.allocation}, {cell.sparsity:.0%}"
        return self._evaluated(make, run_of(self.model, self.options, prepared.plan.identity), note)

    def _evaluated(self, make: Callable[[], SpeechModel], run: Run, note: str) -> Evaluations:
        """A model under every condition; it is made once at most."""
        once = cache(make)
        return tuple(
            self._heard(corpus, once, run, note, number)
            for number, corpus in enumerate(self.corpora)
        )

    def _heard(
        self, corpus: Corpus, make: Callable[[], SpeechModel], run: Run, note: str, number: int
    ) -> Evaluation:
        seconds = self._seconds
        done_before = (len(self.rows) + self.n_spared + number) * seconds
        note = f"{note}, {corpus.condition}" if corpus.condition else note

        def report(done: int, total: int, _: str) -> None:
            heard = seconds * done // max(total, 1)
            self.watch.progress(done_before + heard, self.n_models * seconds, note)

        report(0, 1, "")
        results = recognise(
            run,
            corpus,
            make,
            self.options,
            store=self.store,
            state=self.state,
            watch=Watch(report, self.watch.should_cancel),
        )
        return summarise(corpus, results, self.normaliser)


def _magnitude_at(plan: CompressionPlan) -> CompressionPlan:
    """The plain baseline at another plan's K, so that shapes and cost are equal."""
    recipe = plan.recipe
    return CompressionPlan(
        origin=plan.origin,
        recipe=Recipe(
            method="magnitude",
            components=recipe.components,
            allocation=MANUAL,
            sparsity=recipe.sparsity,
        ),
        n_clusters=plan.n_clusters,
    )
