"""Sweeps: what they run, what they test against what, the table, and going on after a kill."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.compression.compress import compress
from analysis.compression.planner import Planner
from analysis.errors import Cancelled, UserError
from analysis.evaluation import sweep
from analysis.evaluation.corpora import Corpus, read_corpus
from analysis.evaluation.corpus_evaluation import compare_evaluations, evaluate
from analysis.evaluation.results import ResultStore
from analysis.evaluation.sweep import Row, Skipped
from analysis.evaluation.sweep_spec import read_spec
from analysis.evaluation.sweep_tables import to_markdown
from analysis.figures.sweeps import lines_of
from analysis.models.footprint import footprint
from analysis.models.loading import load
from analysis.models.quantising import quantise
from analysis.models.speech_model import SpeechModel
from analysis.models.weight_hash import model_hash
from analysis.progress import Watch
from tests.helpers.corpora import write_corpus
from tests.helpers.sweeps import MINIMAL, OPTIONS, rows_of
from tests.helpers.tiny_models import make_plan


def test_rows_are_what_their_parts_give(hubert: SpeechModel, corpus: Corpus) -> None:
    """Each figure of a row against the same steps taken one by one."""
    rows = rows_of(hubert, corpus, sparsity="0.5", method="magnitude,cluster:distance=normalised")
    original, magnitude, cluster = rows
    assert isinstance(original, Row)
    assert isinstance(magnitude, Row)
    assert isinstance(cluster, Row)
    assert original.cell is None
    assert original.evaluation.total == evaluate(hubert, corpus, OPTIONS, "none").total
    assert cluster.cell is not None
    recipe = cluster.cell.recipe
    assert (recipe.distance, recipe.sparsity) == ("normalised", 0.5)
    prepared = Planner(hubert).prepare(recipe)
    small = compress(hubert, prepared.plan).model
    assert cluster.evaluation.total == evaluate(small, corpus, OPTIONS, "none").total
    assert cluster.cost == footprint(small)
    assert cluster.achieved == pytest.approx(0.5)
    assert cluster.against_original == compare_evaluations(cluster.evaluation, original.evaluation)
    assert cluster.against_magnitude == compare_evaluations(
        cluster.evaluation, magnitude.evaluation
    )
    assert magnitude.against_magnitude is None
    texts = [[result.text for result in row.evaluation.results] for row in (original, cluster)]
    assert texts[0] != texts[1]


def test_magnitude_is_run_at_the_same_k(hubert: SpeechModel, corpus: Corpus) -> None:
    """Distortion gives normalised distances other K than it gives plain weights."""
    normalised = "cluster:distance=normalised"

    def run(method: str) -> list[Row | Skipped]:
        return rows_of(hubert, corpus, sparsity="0.5", allocation="distortion", method=method)

    rows = run(f"magnitude,{normalised}")
    names = [row.cell.way.name for row in rows if row.cell]
    added = "magnitude at the K of cluster, normalised"
    assert names == ["magnitude", added, "cluster, normalised"]
    _, plain, baseline, cluster = rows
    assert isinstance(plain, Row)
    assert isinstance(baseline, Row)
    assert isinstance(cluster, Row)
    assert plain.evaluation.results != baseline.evaluation.results
    assert baseline.cost == cluster.cost
    assert cluster.against_magnitude == compare_evaluations(cluster.evaluation, baseline.evaluation)
    # without magnitude in the sweep nothing is added
    assert len(run(normalised)) == 2


def test_models_that_were_made_are_tested_too(hubert: SpeechModel, corpus: Corpus) -> None:
    """A variant of somebody's own K comes last, against magnitude at that K."""
    mine = compress(hubert, make_plan(hubert, method="random", seed=3, allocation="manual"))
    cells = read_spec(MINIMAL | {"sparsity": "0.3", "method": "magnitude"}).cells()
    rows = sweep.sweep(hubert, cells, corpus, OPTIONS, "none", made={"mine": mine})
    names = [row.cell.way.name for row in rows if row.cell]
    assert names == ["magnitude", "magnitude at the K of mine", "mine"]
    _, _, baseline, row = rows
    assert isinstance(baseline, Row)
    assert isinstance(row, Row)
    assert row.evaluation.total == evaluate(mine.model, corpus, OPTIONS, "none").total
    assert row.cost == footprint(mine.model) == baseline.cost
    assert row.against_magnitude == compare_evaluations(row.evaluation, baseline.evaluation)


def test_a_variant_and_the_same_in_int8_are_two_models(
    hubert: SpeechModel, corpus: Corpus, tmp_path: Path
) -> None:
    """They have one plan: what is kept of the one must not be taken for the other."""
    mine = compress(hubert, make_plan(hubert))
    small = replace(mine, model=quantise(mine.model))
    made = {"mine": mine, "mine int8": small}
    store = ResultStore(tmp_path)
    for _ in range(2):  # measured, then read back
        rows = sweep.sweep(hubert, [], corpus, OPTIONS, "none", made=made, store=store)
        *_, first, second = (row for row in rows if isinstance(row, Row))
        assert first.evaluation.total == evaluate(mine.model, corpus, OPTIONS, "none").total
        assert second.evaluation.total == evaluate(small.model, corpus, OPTIONS, "none").total
        assert first.cost == footprint(mine.model)
        assert second.cost == footprint(small.model)
        assert second.cost.bytes < first.cost.bytes
    assert len(list(tmp_path.iterdir())) == 3, "original, mine, mine in int8"


def test_models_of_one_plan_and_other_weights_are_told_apart(
    hubert: SpeechModel, corpus: Corpus, tmp_path: Path
) -> None:
    """As training leaves them."""
    mine = compress(hubert, make_plan(hubert))
    other = copy.deepcopy(mine.model.model)
    other.lm_head.weight.data *= -1
    tuned = replace(mine.model, model=other, weight_hash=model_hash(other))
    made = {"mine": mine, "mine, tuned": replace(mine, model=tuned)}
    rows = sweep.sweep(hubert, [], corpus, OPTIONS, "none", made=made, store=ResultStore(tmp_path))
    texts = [
        [result.text for result in row.evaluation.results] for row in rows if isinstance(row, Row)
    ]
    alone = evaluate(tuned, corpus, OPTIONS, "none").results
    assert texts[2] == [result.text for result in alone]
    assert texts[1] != texts[2]


def test_a_clip_that_is_gone_ends_the_sweep(hubert: SpeechModel, tmp_path: Path) -> None:
    """It is no fault of the cell that met it."""
    corpus = read_corpus(write_corpus(tmp_path, ["one two", "three"]))
    spec = read_spec(MINIMAL | {"sparsity": "0.3", "method": "magnitude"})

    def remove(row: Row | Skipped) -> None:
        corpus.utterances[0].path.unlink(missing_ok=True)

    with pytest.raises(UserError, match="cannot be opened"):
        sweep.sweep(hubert, spec.cells(), corpus, OPTIONS, "none", on_row=remove)


def test_baselines_of_several_seeds_have_several_names(hubert: SpeechModel, corpus: Corpus) -> None:
    rows = rows_of(
        hubert,
        corpus,
        sparsity="0.4",
        seed="0,1,2",
        method="magnitude,cluster:distance=contribution:excitation=sounds",
        allocation="output-error",
    )
    made = [row for row in rows if isinstance(row, Row) and row.cell]
    baselines = [row for row in made if row.cell and row.cell.way.is_magnitude]
    assert len(baselines) == len({tuple(row.n_clusters.values()) for row in made})
    names = [line.name for line in lines_of(made)]
    assert len(names) == len(set(names)) == len(made)


def test_what_cannot_be_is_listed_and_the_rest_goes_on(hubert: SpeechModel, corpus: Corpus) -> None:
    rows = rows_of(
        hubert,
        corpus,
        sparsity="0.5",
        method="magnitude,cluster:engine=ward",
        allocation="uniform,output-error",
    )
    skipped = [row for row in rows if isinstance(row, Skipped)]
    assert [(row.cell.way.name, row.cell.allocation) for row in skipped] == [
        ("magnitude", "output-error"),
        ("cluster, ward", "output-error"),
    ]
    assert len(rows) - len(skipped) == 3
    table = to_markdown(rows)
    assert "Not run: tiny-hubert, magnitude; cluster, ward, output-error, 50%:" in table


def test_a_cancelled_sweep_goes_on_where_it_was(
    hubert: SpeechModel,
    corpus: Corpus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = rows_of(hubert, corpus, sparsity="0.5")
    made: list[str] = []

    def watched(model, plan, **settings):  # type: ignore[no-untyped-def]
        made.append(plan.recipe.method)
        return compress(model, plan, **settings)

    monkeypatch.setattr(sweep, "compress", watched)
    store, seen = ResultStore(tmp_path), []  # type: tuple[ResultStore, list[Row | Skipped]]
    cells = read_spec(MINIMAL | {"sparsity": "0.5"}).cells()
    with pytest.raises(Cancelled):
        sweep.sweep(
            hubert,
            cells,
            corpus,
            OPTIONS,
            "none",
            store=store,
            on_row=seen.append,
            watch=Watch(should_cancel=lambda: len(seen) == 2),
        )
    assert made == ["magnitude"]
    made.clear()
    again = sweep.sweep(hubert, cells, corpus, OPTIONS, "none", store=store)
    assert made == ["cluster", "random"]
    for row, expected in zip(again, whole, strict=True):
        assert isinstance(row, Row)
        assert isinstance(expected, Row)
        assert row.evaluation.total == expected.evaluation.total
        assert row.against_original == expected.against_original


def test_progress_goes_from_nothing_to_one_total(hubert: SpeechModel, corpus: Corpus) -> None:
    """Whether magnitude is needed at another K is known late, and room is kept for it."""
    seen: list[tuple[int, int]] = []
    chosen = {"sparsity": "0.5", "method": "magnitude,random", "allocation": "uniform,distortion"}
    cells = read_spec(MINIMAL | chosen).cells()
    n_tested = sum(not cell.way.is_magnitude for cell in cells)
    sweep.sweep(
        hubert,
        cells,
        corpus,
        OPTIONS,
        watch=Watch(lambda done, total, note: seen.append((done, total))),
    )
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    n_models = 1 + len(cells) + n_tested
    assert {total for _, total in seen} == {n_models * (int(corpus.seconds) + 1)}
    assert seen[-1][0] == seen[-1][1]


def test_demo_model_is_loaded_by_name() -> None:
    """The plan of a cell names the model as the shell does."""
    model = load("demo-hubert")
    [cell, *_] = read_spec(MINIMAL).cells()
    assert Planner(model).prepare(cell.recipe).plan.origin.model == "demo-hubert"
