"""Who loses most: WER and what is lost against the original, by speaker, length, pace, any column.

Every slice is tested by itself, so the p-values are corrected for their number (Holm 1979): the
chance that any of those called significant is none stays below the level.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.evaluation.significance import Difference, wer_difference
from analysis.evaluation.utterances import Bound, UtteranceTable, is_numeric

N_BINS = 4
"""Of a column that holds numbers: each with about the same number of utterances."""

FEW_NUMBERS = 12
"""So many different numbers or fewer are values, not a range that is cut into bins."""

MIN_BLOCKS = 5
"""What a bootstrap draws from; smaller slices are left out, since their intervals mean nothing."""

LEAST_SHOWN = 0.0001
"""The least p that is written as a number."""

MOST_VALUES = 100
"""A column with more different values is an id; its most frequent values are taken."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Utterances that have something in common.

    Parameters
    ----------
    bound : Bound
        What it is.
    n_utterances, n_words : int
        Words of the reference.
    wer, original_wer : float
        Of the model, and of the one that it is compared with; fractions.
    difference : Difference
        The model's WER minus the other's; its p is not corrected.
    drawn : str
        What the bootstrap drew, for people: "12 speakers", or "40 utterances" of fewer than ten.
    p_value : float
        Of no difference, corrected for the number of slices.
    from_one : float
        The largest share of the errors that are lost which one utterance has, as a model that goes
        in circles writes hundreds; NaN where none are lost.
    """

    bound: Bound
    n_utterances: int
    n_words: int
    wer: float
    original_wer: float
    difference: Difference
    drawn: str
    p_value: float
    from_one: float

    def p_written(self) -> str:
        """The corrected p, for people: "0.0312", or "below 0.0001"."""
        if math.isnan(self.p_value):
            return "–"
        return f"{self.p_value:.4f}" if self.p_value >= LEAST_SHOWN else f"below {LEAST_SHOWN}"


def slices_of(
    table: UtteranceTable, model: int, columns: Sequence[str] | None = None
) -> list[Slice]:
    """The slices of a corpus, those first that lose most.

    Parameters
    ----------
    table : UtteranceTable
    model : int
        Place of the model; it is compared with the table's base.
    columns : sequence of str, optional
        That utterances are sliced by; by default all that can be.

    Returns
    -------
    list of Slice
        In the order of what is lost, and where equal much is, the longest first.
    """
    outcomes = table.outcomes
    errors, others = outcomes.models[model].errors, outcomes.models[table.base].errors
    found = []
    seen: set[bytes] = set()  # the same utterances by another name are no test more
    for bound, places in _bounds(table, table.filters if columns is None else columns):
        blocks = outcomes.blocks(places.tolist())
        words = outcomes.words[places]
        if len(set(blocks)) < MIN_BLOCKS or not words.sum() or places.tobytes() in seen:
            continue
        seen.add(places.tobytes())
        difference = wer_difference(
            errors[places].tolist(), others[places].tolist(), words.tolist(), blocks
        )
        n_words = int(words.sum())
        wer, original = errors[places].sum() / n_words, others[places].sum() / n_words
        found.append(
            Slice(
                bound,
                len(places),
                n_words,
                float(wer),
                float(original),
                difference,
                outcomes.drawn(places.tolist()),
                difference.p_value,
                _from_one(errors[places] - others[places]),
            )
        )
    corrected = holm([float(one.p_value) for one in found])
    found = [replace(one, p_value=p) for one, p in zip(found, corrected, strict=True)]
    return sorted(found, key=lambda one: (-one.difference.delta, -one.n_words))


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for their number (Holm, Scand. J. Statistics 6, 1979).

    Parameters
    ----------
    p_values : sequence of float
        Those that are not a number are left as they are, and not counted.

    Returns
    -------
    list of float
        In the same order, each at most 1.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(
        (place for place, p in enumerate(p_values) if not math.isnan(p)),
        key=lambda place: p_values[place],
    )
    corrected, highest = list(p_values), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p_values[place]))
        corrected[place] = highest
    return corrected


def slice_values(one: Slice) -> dict[str, object]:
    """A slice as a flat row; rates in per cent, differences in points."""
    bound, difference = one.bound, one.difference
    return {
        "column": bound.column,
        "value": bound.label,
        "utterances": one.n_utterances,
        "words": one.n_words,
        "original_wer": 100 * one.original_wer,
        "wer": 100 * one.wer,
        "difference": 100 * difference.delta,
        "low": 100 * difference.low,
        "high": 100 * difference.high,
        "drawn": one.drawn,
        "p_holm": one.p_value,
        "from_one": 100 * one.from_one,
    }


def _from_one(lost: npt.NDArray[np.int64]) -> float:
    """The largest of some numbers of errors over the sum of those above 0."""
    total = lost.clip(min=0).sum()
    return float(lost.max() / total) if total else math.nan


def _bounds(
    table: UtteranceTable, columns: Sequence[str]
) -> Iterator[tuple[Bound, npt.NDArray[np.int64]]]:
    """All slices, and the utterances in each."""
    for name in columns:
        column = table.frame[name]
        if is_numeric(column) and column.nunique() > FEW_NUMBERS:
            yield from _bins(name, column)
            continue
        texts = column.astype(str).where(column.notna(), "")
        for value in texts[texts != ""].value_counts().index[:MOST_VALUES]:
            yield Bound(name, (str(value),)), np.flatnonzero(texts == value)


def _bins(name: str, column: pd.Series) -> Iterator[tuple[Bound, npt.NDArray[np.int64]]]:
    """Quantiles; the bound of each goes from its least to its greatest value."""
    values = column.to_numpy(dtype=float)
    known = values[np.isfinite(values)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, N_BINS + 1)))
    for number, (low, high) in enumerate(pairwise(edges)):
        above = values >= low if number == 0 else values > low
        places = np.flatnonzero(above & (values <= high))
        if len(places):
            inside = values[places]
            yield Bound(name, low=float(inside.min()), high=float(inside.max())), places
