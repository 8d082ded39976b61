"""Sweep rows out of texts alone, for what looks into them and needs no model."""

import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from analysis.evaluation.corpora import Corpus, Utterance
from analysis.evaluation.corpus_evaluation import Evaluation
from analysis.evaluation.outcomes import Outcomes, outcomes_of
from analysis.evaluation.results import UtteranceResult
from analysis.evaluation.scoring import Score, corpus_score, score
from analysis.evaluation.significance import Interval
from analysis.evaluation.sweep import Row
from analysis.evaluation.sweep_spec import NamedRecipe, SweepCell
from analysis.models.footprint import Footprint
from analysis.plan.recipe import Recipe

COST = Footprint(2_000_000, 1_000_000, 8_000_000, 8_000_000, 1e9, 1e9)


def utterances_of(
    references: Sequence[str], columns: Sequence[Mapping[str, str]] = (), *, n_speakers: int = 2
) -> tuple[Utterance, ...]:
    """Utterances without sound; speakers in turn, half a second a word."""
    return tuple(
        Utterance(
            f"{place:05}.wav",
            Path(f"/nowhere/{place:05}.wav"),
            text,
            f"s{place % n_speakers}",
            0.5 * max(1, len(text.split())),
            f"{place:064x}",
            tuple(columns[place].items()) if columns else (),
        )
        for place, text in enumerate(references)
    )


def rows_heard(
    references: Sequence[str],
    texts: Mapping[str, Sequence[str]],
    columns: Sequence[Mapping[str, str]] = (),
    *,
    n_speakers: int = 2,
) -> list[Row]:
    """A row for each model, the first the original, the others 20 % smaller each."""
    corpus = Corpus(
        "made", ("manifest",), utterances_of(references, columns, n_speakers=n_speakers), ()
    )
    rows = []
    for number, (name, written) in enumerate(texts.items()):
        results = [
            UtteranceResult(u.id, u.digest, text, 0.1)
            for u, text in zip(corpus.utterances, written, strict=True)
        ]
        way = NamedRecipe(name=name, recipe=Recipe())
        cell = SweepCell(way, 0.2 * number, "uniform", 0) if number else None
        evaluation = _evaluation(corpus, results)
        rows.append(Row("tiny", cell, 0.2 * number, COST, evaluation))
    return rows


def _evaluation(corpus: Corpus, results: Sequence[UtteranceResult]) -> Evaluation:
    """As `summarise` has it, without an interval; sentences that come again are scored once."""
    scores = tuple(
        _score(text, result.text) for text, result in zip(corpus.references, results, strict=True)
    )
    total = corpus_score(corpus.references, [result.text for result in results], "basic")
    return Evaluation(corpus, tuple(results), scores, total, Interval(math.nan, math.nan, 0))


@cache
def _score(reference: str, text: str) -> Score:
    return score(reference, text, "basic")


def heard(
    references: Sequence[str],
    texts: Mapping[str, Sequence[str]],
    columns: Sequence[Mapping[str, str]] = (),
    *,
    n_speakers: int = 2,
) -> Outcomes:
    """The same, side by side."""
    return outcomes_of(rows_heard(references, texts, columns, n_speakers=n_speakers))
