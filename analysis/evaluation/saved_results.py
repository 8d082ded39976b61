"""The results of a sweep as one file that opens again, on another machine too."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter
from pydantic_core import to_json

from analysis.errors import UserError
from analysis.evaluation.corpora import Corpus
from analysis.evaluation.corpus_evaluation import Evaluation
from analysis.evaluation.json_pieces import pieces
from analysis.evaluation.scoring import NORMALISERS, Score
from analysis.evaluation.significance import Difference, Interval
from analysis.evaluation.sweep import Row, Skipped
from analysis.files import read_bytes
from analysis.progress import UNWATCHED, Watch

RESULTS_FILE = "results.json"
"""What the file is called in the folder of a run."""

FORMAT = 1

_CLOSE = 1e-6  # of sums and products of fractions


@dataclass(frozen=True, slots=True)
class SavedResults:
    """Rows and what they were measured on.

    Parameters
    ----------
    corpus : Corpus
        Without a condition.
    rows : list of Row or Skipped
        As `analysis.evaluation.sweep.sweep` gives them.
    """

    corpus: Corpus
    rows: list[Row | Skipped]


@dataclass(frozen=True, slots=True)
class _File:
    """What is written: the corpus stands once, and the rows without it."""

    format: int
    corpus: Corpus
    rows: list[Row | Skipped]


def results_to_json(corpus: Corpus, rows: Sequence[Row | Skipped]) -> bytes:
    """Everything that a sweep found, as JSON.

    Parameters
    ----------
    corpus : Corpus
        That the sweep was given.
    rows : sequence of Row or Skipped
    """
    return to_json(_File(FORMAT, corpus, without_corpus(rows)), inf_nan_mode="constants")


def read_results(source: Path | bytes, *, watch: Watch = UNWATCHED) -> SavedResults:
    """Read what `results_to_json` wrote.

    Parameters
    ----------
    source : Path or bytes
        A file, the folder of a run that holds it, or a file's content.
    watch : Watch
        Reports the characters that were read, row by row.

    Returns
    -------
    SavedResults

    Raises
    ------
    UserError
        Where it cannot be read, is something else, or does not fit together.
    Cancelled
    """
    name = "The file" if isinstance(source, bytes) else str(source)
    try:
        if isinstance(source, Path):
            source = read_bytes(source / RESULTS_FILE if source.is_dir() else source)
        found = _read(source.decode(), watch)
    except OSError as error:
        raise UserError(
            f"{name} holds no {RESULTS_FILE} that can be read.",
            "Give the folder that coalesce sweep or evaluate wrote with --out.",
            str(error),
        ) from error
    except (ValueError, RecursionError) as error:  # a ValidationError is a ValueError
        raise UserError(
            f"{name} holds no results of a sweep, or is damaged.",
            f"Give a {RESULTS_FILE}; a sweep into the same folder writes it again.",
            str(error),
        ) from error
    if found.format != FORMAT:
        raise UserError(
            f"{name} has format {found.format}, and this version reads {FORMAT}.",
            "Update Coalesce, or run the sweep again.",
        )
    durations = [utterance.duration for utterance in found.corpus.utterances]
    # "not" of what holds: a duration that is no number is refused, too
    lasts = all(0 <= seconds < math.inf for seconds in durations)
    lasts = lasts and (not durations or sum(durations) > 0)
    ids = [utterance.id for utterance in found.corpus.utterances]
    disturbed = found.corpus.condition or any(one.condition for one in found.corpus.utterances)
    if disturbed or not lasts or len(set(ids)) < len(ids):
        raise UserError(
            f"{name} does not fit together: its clips have no durations, a condition already, or"
            " one name twice.",
            f"Give the {RESULTS_FILE} as coalesce wrote it.",
        )
    rows = with_corpus(found.rows, found.corpus)
    n_utterances = len(found.corpus.utterances)
    evaluated = [row.evaluation for row in rows if isinstance(row, Row)]
    whole = all(
        [result.utterance for result in e.results] == ids and len(e.scores) == n_utterances
        for e in evaluated
    )
    if not evaluated or not n_utterances or not whole:
        raise UserError(f"{name} holds no whole results.", "Run the sweep to its end again.")
    for row in rows:
        watch.check()
        if isinstance(row, Row):
            _require_fitting(name, row, evaluated[0])
    return SavedResults(found.corpus, rows)


def _read(text: str, watch: Watch) -> _File:
    """What is written, row by row: all of it at once could not be cancelled.

    Raises
    ------
    ValueError
        Where it is something else.
    Cancelled
    """
    watch.progress(0, len(text), "reading")
    row_type: TypeAdapter[Row | Skipped] = TypeAdapter(Row | Skipped)
    members, rows = dict[str, str](), list[Row | Skipped]()
    for name, piece, end in pieces(text, "rows"):
        watch.check()
        if name == "rows":
            rows.append(row_type.validate_json(piece))
        else:
            members[name] = piece
        watch.progress(end, len(text), "reading")
    if missing := {"format", "corpus"} - members.keys():
        raise ValueError(f"there is no {' and no '.join(sorted(missing))}")
    corpus = TypeAdapter(Corpus).validate_json(members["corpus"])
    return _File(TypeAdapter(int).validate_json(members["format"]), corpus, rows)


def _require_fitting(name: str, row: Row, first: Evaluation) -> None:
    """Refuse alignments that are none, or not of the words that the first model was scored on.

    What was counted must add up, too, and no size, share or time is less than nothing.

    Raises
    ------
    UserError
    """
    if not (_adds_up(row.evaluation) and _can_be(row)):
        raise UserError(
            f"{name} does not fit together: what {row.model} was measured to be cannot be.",
            "Run the sweep again; what was transcribed is kept.",
        )
    pairs = zip(row.evaluation.results, row.evaluation.scores, first.scores, strict=True)
    for result, own, other in pairs:
        if not (_is_aligned(own) and _said(own) == _said(other)):
            raise UserError(
                f"{name} does not fit together: the words of {result.utterance} under {row.model}"
                " are not those of its alignment.",
                "Run the sweep again; what was transcribed is kept.",
            )


def _adds_up(evaluation: Evaluation) -> bool:
    """Whether rates are what was counted, and the corpus is the sum of its utterances."""
    scores, total = evaluation.scores, evaluation.total
    summed = [sum(column) for column in zip(*map(_counts, scores), strict=True)]
    rules = {score.normaliser for score in (*scores, total)}
    return (
        summed == _counts(total)
        and all(score.adds_up for score in (*scores, total))
        and len(rules) == 1
        and rules <= set(NORMALISERS)
        and _characters_add_up(scores, total)
    )


def _counts(score: Score) -> list[int]:
    return [score.words, score.characters, score.substitutions, score.insertions, score.deletions]


def _characters_add_up(scores: Sequence[Score], total: Score) -> bool:
    """Whether the corpus's CER is that of its utterances, as far as theirs is known."""
    known = [score.cer * score.characters for score in scores if score.characters]
    if not all(map(math.isfinite, known)):
        return False
    if not total.characters:
        return True
    least = sum(known) / total.characters
    if any(math.isnan(score.cer) for score in scores):  # something was put in where nothing is said
        return least - _CLOSE <= total.cer < math.inf
    return math.isclose(total.cer, least, rel_tol=0, abs_tol=_CLOSE)


def _can_be(row: Row) -> bool:
    """Whether sizes, shares and times are such that a model can have them."""
    cost, results = row.cost, row.evaluation.results
    sizes = (cost.parameters, cost.bytes, cost.saved_bytes, cost.encoder_macs)
    return (
        all(0 < size < math.inf for size in sizes)
        and 0 <= cost.decoder_macs < math.inf
        and 0 <= cost.mergeable_parameters <= cost.parameters
        and 0 <= row.achieved <= 1
        and all(0 <= result.seconds < math.inf for result in results)
        and all(0 <= sure <= 1 + _CLOSE for result in results for _, sure in result.words)
        and all(k >= 1 for k in row.n_clusters.values())
        and _is_interval(row.evaluation.interval)
        and all(
            _is_chance(comparison.difference.p_value)
            and _is_chance(comparison.matched_pairs.p_value)
            and _is_difference(comparison.difference)
            for comparison in (row.against_original, row.against_magnitude)
            if comparison is not None
        )
    )


def _is_difference(found: Difference) -> bool:
    """Finite, with its ends in their order; or NaN, where there were no words."""
    numbers = (found.low, found.high, found.delta)
    unknown = all(math.isnan(number) for number in numbers)
    return unknown or (all(map(math.isfinite, numbers)) and found.low <= found.high)


def _is_interval(interval: Interval) -> bool:
    """Its ends in their order; or NaN, where there were no words."""
    unknown = math.isnan(interval.low) and math.isnan(interval.high)
    return interval.n_blocks >= 0 and (unknown or 0 <= interval.low <= interval.high < math.inf)


def _is_chance(p: float) -> bool:
    return math.isnan(p) or 0 <= p <= 1


def _said(own: Score) -> list[str]:
    return [word for span in own.alignment for word in span.reference]


def _is_aligned(own: Score) -> bool:
    """Whether spans are what their kinds say, and add up to what was counted."""
    counts = dict.fromkeys(("equal", "substitute", "insert", "delete"), 0)
    for span in own.alignment:
        said, written = len(span.reference), len(span.hypothesis)
        fits = {
            "equal": span.reference == span.hypothesis,
            "substitute": said == written,
            "insert": not said,
            "delete": not written,
        }
        if not fits[span.kind]:
            return False
        counts[span.kind] += max(said, written)
    found = (counts["substitute"], counts["insert"], counts["delete"])
    return len(_said(own)) == own.words and found == (
        own.substitutions,
        own.insertions,
        own.deletions,
    )


def without_corpus(rows: Sequence[Row | Skipped]) -> list[Row | Skipped]:
    """The rows without the utterances that they all share; their conditions stay."""
    return [
        replace(
            row,
            n_clusters=dict(row.n_clusters),
            evaluation=replace(
                row.evaluation, corpus=Corpus("", (), (), (), row.evaluation.corpus.condition)
            ),
        )
        if isinstance(row, Row)
        else row
        for row in rows
    ]


def with_corpus(rows: Sequence[Row | Skipped], corpus: Corpus) -> list[Row | Skipped]:
    """The rows with the corpus that they were measured on, each under its condition."""
    conditions = {row.evaluation.corpus.condition for row in rows if isinstance(row, Row)}
    under = {condition: corpus.under(condition) for condition in conditions}
    return [
        replace(
            row,
            evaluation=replace(row.evaluation, corpus=under[row.evaluation.corpus.condition]),
        )
        if isinstance(row, Row)
        else row
        for row in rows
    ]
