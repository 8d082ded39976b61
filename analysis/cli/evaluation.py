"""The shell's commands that measure: `evaluate` one model, `sweep` what can be made of it."""

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from accelerate import PartialState

from analysis.cli.terminal import print_json, printable, progress_bar
from analysis.compression.allocation import achieved_sparsity
from analysis.errors import UserError
from analysis.evaluation.corpora import Corpus, read_corpus
from analysis.evaluation.corpus_evaluation import Comparison, Evaluation, compare_evaluations
from analysis.evaluation.corpus_evaluation import evaluate as evaluate_model
from analysis.evaluation.hub_corpora import fetch, is_hub_id
from analysis.evaluation.results import ResultStore
from analysis.evaluation.saved_results import RESULTS_FILE, read_results, results_to_json
from analysis.evaluation.significance import LEVEL, LEVEL_SHOWN
from analysis.evaluation.sweep import Evaluations, Row, Skipped
from analysis.evaluation.sweep import sweep as run_sweep
from analysis.evaluation.sweep_spec import SweepCell, SweepSpec, read_spec, read_spec_file
from analysis.evaluation.sweep_tables import table, to_latex, to_markdown
from analysis.files import replace_bytes, replace_text
from analysis.models.footprint import footprint
from analysis.models.loading import load
from analysis.models.speech_model import SpeechModel
from analysis.progress import Progress, Watch, no_progress
from analysis.speech.disturbing import read_conditions
from analysis.speech.excitation import read_calibration
from analysis.speech.recognition import TranscriptionOptions
from analysis.tables import own_name, to_csv, to_parquet
from analysis.wording import number_of

_SWEEP_FIELDS = tuple(SweepSpec.model_fields)
_TABLES = ("table.csv", "table.parquet", "table.md", "table.tex")
_PATIENCE = timedelta(days=7)  # a process may wait long for the one with the slowest clips


def evaluate(options: argparse.Namespace) -> None:
    """Print the WER of models on a corpus, and how they differ."""
    state = processes(options.device)
    if options.out:
        _check_out(Path(options.out))
    conditions = read_conditions(options.stress or ())
    corpus = checked_corpus(options.data, options.limit, state)
    store = ResultStore(Path(options.out), state.process_index) if options.out else None
    settings = recognition_options(options)
    found: list[tuple[SpeechModel, Evaluations]] = []
    for source in [*options.model, *filter(None, (options.against,))]:
        model = load(source, device=options.device, dtype=options.dtype)
        evaluations = []
        for heard in (corpus, *map(corpus.under, conditions)):
            with bar(" ".join(["evaluate", model.name, heard.condition]).rstrip(), state) as shown:
                evaluations.append(
                    evaluate_model(
                        model,
                        heard,
                        settings,
                        options.normaliser,
                        store=store,
                        state=state,
                        watch=Watch(shown),
                    )
                )
        found.append((model, tuple(evaluations)))
    if not state.is_main_process:
        return
    if options.against:  # the one that all are compared with comes first
        found.insert(0, found.pop())
    rows = _rows(found)
    if options.out:
        _keep(Path(options.out), corpus, rows)
    if options.json:
        print_json(_facts(found, rows, corpus, bool(options.against)))
        return
    for row in rows:
        print(summary_line(_heard(row), row.evaluation))
    for row in rows:
        if row.against_original is not None:
            condition, other = row.evaluation.corpus.condition, rows[0].model
            print(difference_line(_name(row), condition, other, row.against_original))


def _facts(
    found: Sequence[tuple[SpeechModel, Evaluations]],
    rows: Sequence[Row],
    corpus: Corpus,
    is_against: bool,
) -> dict[str, Any]:
    """The first model that was named as one flat object, what the others are, the differences.

    What a model does under other conditions stands within its own object.
    """
    facts, differences = [], []
    told = iter(rows)
    for model, (clean, *disturbed) in found:
        facts.append(describe(model, clean))
        differences.append(_difference(next(told)))
        if disturbed:
            facts[-1]["stress"] = [
                {"condition": one.corpus.condition} | describe(model, one) | _difference(next(told))
                for one in disturbed
            ]
    first: dict[str, Any] = {
        "data": corpus.name,
        "faults": [asdict(fault) for fault in corpus.faults],
    }
    n_told = 1
    if is_against:
        first["against"] = facts[0] | differences[1]
        n_told = 2
    others = [fact | own for fact, own in zip(facts[n_told:], differences[n_told:], strict=True)]
    if others:
        first["others"] = others
    return facts[n_told - 1] | first


def report(options: argparse.Namespace) -> None:
    """Write the results of a sweep or an evaluation as one HTML file."""
    from analysis.figures.results_report import results_report

    saved, out = read_results(Path(options.results)), Path(options.out)
    if out.is_file() and out.suffix.lower() not in (".html", ".htm"):
        raise UserError(
            f"{out} is there already, and is no page.", "Name a file that ends in .html."
        )
    replace_text(out, results_report(saved, options.theme))
    print(f"{len(saved.rows)} results are in {options.out}")


def _difference(row: Row) -> dict[str, Any]:
    return describe_difference(row.against_original) if row.against_original else {}


def _rows(found: Sequence[tuple[SpeechModel, Evaluations]]) -> list[Row]:
    """Models that were evaluated, as a sweep has them; each with a name of its own.

    What was made of the first one stands as its variant. Each is compared with the first one under
    the same condition.
    """
    rows: list[Row] = []
    first, originals = found[0]
    for model, evaluations in found:
        name = own_name(model.name, [_name(row) for row in rows])
        row = Row(name, None, 0.0, footprint(model), evaluations[0])
        plan = model.plan
        if rows and plan is not None and plan.origin.weight_hash == first.weight_hash:
            row = replace(
                row,
                model=rows[0].model,
                cell=SweepCell.of_made(name, plan.recipe),
                achieved=achieved_sparsity(first.groups, plan.n_clusters),
                n_clusters=plan.n_clusters,
            )
        compared = evaluations is not originals
        rows += [
            replace(
                row,
                evaluation=evaluation,
                against_original=compare_evaluations(evaluation, original) if compared else None,
            )
            for evaluation, original in zip(evaluations, originals, strict=True)
        ]
    return rows


def _name(row: Row) -> str:
    """What the model of a row is called."""
    return row.cell.way.name if row.cell else row.model


def _heard(row: Row) -> str:
    """The same, with the condition under which it heard."""
    condition = row.evaluation.corpus.condition
    return f"{_name(row)} under {condition}" if condition else _name(row)


def _check_out(folder: Path) -> None:
    """Refuse a folder with somebody's own tables, which those of this command would replace.

    Raises
    ------
    UserError
    """
    found = [name for name in _TABLES if (folder / name).exists()]
    if found and not (folder / RESULTS_FILE).is_file():
        raise UserError(
            f"{folder} holds {', '.join(found)}, and no results: it would be replaced.",
            "Name another folder.",
        )


def _keep(folder: Path, corpus: Corpus, rows: Sequence[Row | Skipped]) -> None:
    """Write what opens on Evaluate, and in `coalesce report`; and the table of it."""
    replace_bytes(folder / RESULTS_FILE, results_to_json(corpus, rows))
    for name, content in tables(rows).items():
        replace_bytes(folder / name, content)


def sweep(options: argparse.Namespace) -> None:
    """Evaluate everything that a sweep describes, keep it in a folder, print the table."""
    options.stress = ",".join(options.stress or ())
    flags = {name: getattr(options, name) for name in _SWEEP_FIELDS if getattr(options, name)}
    spec = read_spec((read_spec_file(Path(options.config)) if options.config else {}) | flags)
    state = processes(options.device)
    out = Path(options.out)
    _check_out(out)
    corpus = checked_corpus(spec.data, options.limit, state)
    store = ResultStore(out / "results", state.process_index)
    calibration = read_calibration(Path(spec.calibrate)) if spec.calibrate else None
    rows: list[Row | Skipped] = []
    names: list[str] = []

    def on_row(row: Row | Skipped) -> None:
        rows.append(replace(row, model=names[-1]))
        if state.is_main_process:
            _keep(out, corpus, rows)

    for source in spec.model:
        model = load(source, device=options.device, dtype=options.dtype)
        names.append(own_name(model.name, names))
        with bar(names[-1], state) as progress:
            run_sweep(
                model,
                spec.cells(),
                corpus,
                recognition_options(options),
                spec.normaliser,
                stress=spec.stress,
                calibration=calibration,
                store=store,
                state=state,
                on_row=on_row,
                watch=Watch(progress),
            )
    if state.is_main_process:
        print(to_markdown(rows))
        print(f"{', '.join([*tables(rows), RESULTS_FILE])} are in {out}")


def tables(rows: Sequence[Row | Skipped]) -> dict[str, bytes]:
    """The files that hold the table of a sweep, or of an evaluation, by name."""
    found = table(rows)
    contents = (
        to_csv(found),
        to_parquet(found),
        to_markdown(rows).encode(),
        to_latex(rows).encode(),
    )
    return dict(zip(_TABLES, contents, strict=True))


def processes(device: str) -> PartialState:
    """This process among those that `accelerate launch` started; mostly the only one."""
    return PartialState(cpu=device == "cpu", timeout=_PATIENCE)


def recognition_options(options: argparse.Namespace) -> TranscriptionOptions:
    """How to decode, as the options of the shell say."""
    return TranscriptionOptions(
        language=options.language,
        num_beams=options.num_beams,
        max_new_tokens=options.max_new_tokens,
        batch_size=options.batch_size,
        word_times=options.confidence,
    )


@contextmanager
def bar(label: str, state: PartialState) -> Iterator[Progress]:
    """A progress bar in the main process."""
    if state.is_main_process:
        with progress_bar(label) as progress:
            yield progress
    else:
        yield no_progress


def checked_corpus(source: str, limit: int | None, state: PartialState) -> Corpus:
    """Read and check a corpus; say on stderr what it holds and what was left out."""
    with bar("check", state) as progress:
        if is_hub_id(source):
            with state.main_process_first():  # the others find it in the cache
                corpus = read_corpus(fetch(source, watch=Watch(progress)), watch=Watch(progress))
        else:
            corpus = read_corpus(Path(source), watch=Watch(progress))
    if limit is not None:
        corpus = corpus.excerpt(limit)
    if state.is_main_process:
        print(printable(f"{corpus.name}: {corpus.describe()}"), file=sys.stderr)
        for fault in corpus.faults:
            print(printable(f"  left out: {fault.where}: {fault.reason}"), file=sys.stderr)
    return corpus


def describe(model: SpeechModel, evaluation: Evaluation) -> dict[str, Any]:
    """One flat object: rates in per cent, counts, cost."""
    total, cost = evaluation.total, footprint(model)
    return {
        "model": model.name,
        "wer": 100 * total.wer,
        "wer_low": 100 * evaluation.interval.low,
        "wer_high": 100 * evaluation.interval.high,
        "confidence": LEVEL,
        "resampled": evaluation.corpus.drawn,
        "cer": 100 * total.cer,
        "substitutions": total.substitutions,
        "insertions": total.insertions,
        "deletions": total.deletions,
        "words": total.words,
        "utterances": len(evaluation.scores),
        "seconds": evaluation.corpus.seconds,
        "real_time_factor": evaluation.real_time_factor,
        "normaliser": total.normaliser,
        "parameters": cost.parameters,
        "bytes": cost.bytes,
        "macs_per_second": cost.macs,
    }


def describe_difference(comparison: Comparison) -> dict[str, Any]:
    """The difference in points of WER, and the two tests of it."""
    difference, pairs = comparison.difference, comparison.matched_pairs
    return {
        "difference": 100 * difference.delta,
        "difference_low": 100 * difference.low,
        "difference_high": 100 * difference.high,
        "probability_of_improvement": difference.improvement,
        "p_permutation": difference.p_value,
        "p_mapsswe": pairs.p_value,
        "z_mapsswe": pairs.z,
        "segments": pairs.n_segments,
    }


def summary_line(name: str, evaluation: Evaluation) -> str:
    """A model's results for people."""
    total, interval = evaluation.total, evaluation.interval
    n = len(evaluation.scores)
    return (
        f"{name}: WER {100 * total.wer:.2f} % "
        f"[{100 * interval.low:.2f}, {100 * interval.high:.2f}], CER {100 * total.cer:.2f} %\n"
        f"  {total.substitutions} S, {total.insertions} I, {total.deletions} D of {total.words} "
        f"words in {number_of(n, 'utterance')}; normaliser: {total.normaliser}\n"
        f"  {LEVEL_SHOWN} interval by bootstrap over {evaluation.corpus.drawn}; "
        f"real-time factor {evaluation.real_time_factor:.3f}"
    )


def difference_line(name: str, condition: str, other: str, comparison: Comparison) -> str:
    """A difference for people."""
    difference, pairs = comparison.difference, comparison.matched_pairs
    both = f", both under {condition}" if condition else ""
    return (
        f"{name} against {other}{both}: {100 * difference.delta:+.2f} points "
        f"[{100 * difference.low:+.2f}, {100 * difference.high:+.2f}], "
        f"{_p(difference.p_value)} (paired permutation), "
        f"{_p(pairs.p_value)} (MAPSSWE, {number_of(pairs.n_segments, 'segment')})"
    )


def _p(value: float) -> str:
    return "no p" if math.isnan(value) else f"p = {value:.2g}"
