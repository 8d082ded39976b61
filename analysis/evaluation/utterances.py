"""Utterances as a table that is searched, filtered and sorted, and as the files that leave it."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.evaluation.outcomes import Outcomes
from analysis.evaluation.scoring import normalise

Which = Literal["all", "wrong", "new"]
"""All utterances, those that a model gets wrong, or those with errors that are new."""

FACTS = ("utterance", "speaker", "duration", "words", "words_per_second")
"""Columns that every table has; `duration` is in seconds."""

_NUMBER = re.compile(r"[+-]?(0|[1-9][0-9]*)?(\.[0-9]+)?(?<=[0-9])([eE][+-]?[0-9]+)?")
_MOST_EXACT = 2.0**53  # from here on a float skips whole numbers

_TITLES = {"duration": "Duration (s)", "words_per_second": "Words per second"}


def column_title(name: str) -> str:
    """A column's name, for people.

    Examples
    --------
    >>> column_title("words_per_second"), column_title("room")
    ('Words per second', 'Room')
    """
    return _TITLES.get(name, f"{name[:1].upper()}{name[1:]}")


@dataclass(frozen=True, slots=True)
class Bound:
    """What a column has to be.

    Parameters
    ----------
    column : str
    values : tuple of str
        One of these; empty where the column holds numbers.
    low, high : float
        From one to the other, both included; for numbers.
    """

    column: str
    values: tuple[str, ...] = ()
    low: float = -math.inf
    high: float = math.inf

    @property
    def label(self) -> str:
        """Its values, for people.

        Examples
        --------
        >>> Bound("seconds", low=1.92308, high=14.25).label
        '1.92 to 14.2'
        """
        return " or ".join(self.values) or f"{self.low:.3g} to {self.high:.3g}"


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for among the utterances, and in which order it comes.

    Parameters
    ----------
    text : str
        Words in a row, in the reference or in what any model wrote; normalised as they are.
    which : {"all", "wrong", "new"}
    model : int
        Place of the model that `which` asks about.
    bounds : tuple of Bound
        All of them have to hold.
    only : tuple of int or None
        Places of the utterances that are looked among.
    order : str
        A column; "" leaves the order of the corpus.
    descending : bool
    """

    text: str = ""
    which: Which = "all"
    model: int = 0
    bounds: tuple[Bound, ...] = ()
    only: tuple[int, ...] | None = None
    order: str = ""
    descending: bool = True


@dataclass(frozen=True)
class UtteranceTable:
    """The utterances of some models as a table.

    Parameters
    ----------
    outcomes : Outcomes
    base : int
        Place of the model whose errors are not new.
    """

    outcomes: Outcomes
    base: int = 0
    _lower: dict[str, pd.Series] = field(default_factory=dict, repr=False)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """A row per utterance: facts, the table's own columns, errors of each model, reference.

        A column that holds numbers everywhere holds them as such.
        """
        outcomes = self.outcomes
        utterances, words = outcomes.utterances, outcomes.words
        duration = np.array([utterance.duration for utterance in utterances])
        columns: dict[str, object] = {
            "utterance": [utterance.id for utterance in utterances],
            "speaker": [utterance.speaker or "" for utterance in utterances],
            "duration": duration,
            "words": words,
            "words_per_second": words / np.maximum(duration, 1e-9),
        }
        conditions = [utterance.condition or "clean" for utterance in utterances]
        if len(set(conditions)) > 1:
            columns["condition"] = conditions
        columns |= self._own_columns({*columns, "condition", "reference", *self._told})
        for place, model in enumerate(outcomes.models):
            columns[errors_of(model.name)] = model.errors
            if place != self.base:
                columns[new_errors_of(model.name)] = outcomes.new_errors(place, self.base)
        columns["reference"] = [utterance.text for utterance in utterances]
        return pd.DataFrame(columns)

    @cached_property
    def short_names(self) -> pd.Series:
        """Of each utterance its id without folders, where no two are alike then."""
        ids: pd.Series = self.frame["utterance"]
        short = ids.str.rsplit("/", n=1).str[-1]
        # one recording may stand there under several conditions
        return short if short.nunique() == ids.nunique() else ids

    @property
    def _told(self) -> list[str]:
        """Columns that tell of models, in the frame and in files."""
        names = self.outcomes.names
        counts = ("substitutions", "insertions", "deletions", "errors", "new errors")
        kinds = ("text", "confidence", *counts)
        return [f"{kind}: {name}" for kind in kinds for name in names]

    @property
    def filters(self) -> list[str]:
        """Columns that utterances can be chosen by."""
        frame = self.frame
        counted = {errors_of(name) for name in self.outcomes.names}
        counted |= {new_errors_of(name) for name in self.outcomes.names}
        return [
            name
            for name in frame.columns
            if name not in ("utterance", "reference", *counted)
            and frame[name].nunique() > 1
            and (is_numeric(frame[name]) or frame[name].nunique() < max(2, len(frame)))
        ]

    def find(self, search: Search) -> npt.NDArray[np.int64]:
        """Places of the utterances that are looked for, in order.

        Parameters
        ----------
        search : Search

        Returns
        -------
        ndarray of int64, (found,)
        """
        frame = self.frame
        found = np.ones(len(frame), dtype=bool)
        if search.only is not None:
            found[:] = False
            found[list(search.only)] = True
        words = normalise(search.text, self.outcomes.models[0].scores[0].normaliser)
        if words:
            found &= self._spoken.str.contains(f" {words} ", regex=False).to_numpy()
        elif search.text.strip():  # signs alone are nowhere once they are normalised
            found[:] = False
        name = self.outcomes.names[search.model]
        if search.which == "wrong" or (search.which == "new" and search.model == self.base):
            found &= frame[errors_of(name)].to_numpy() > 0
        elif search.which == "new":
            found &= frame[new_errors_of(name)].to_numpy() > 0
        for bound in search.bounds:
            found &= _holds(frame[bound.column], bound)
        places = np.flatnonzero(found)
        if search.order:
            column = frame[search.order].iloc[places]
            order = column.reset_index(drop=True).sort_values(
                ascending=not search.descending, kind="stable", na_position="last"
            )
            places = places[order.index.to_numpy()]
        return places

    def found(self, places: Sequence[int] | npt.NDArray[np.int64]) -> pd.DataFrame:
        """Everything about some utterances: the frame's columns, and each model's words.

        With how sure a model was of them, in the mean, where that was kept.

        Parameters
        ----------
        places : sequence of int
            Places among the utterances; as `find` gives them.
        """
        models = self.outcomes.models
        columns: dict[str, list[object]] = {}
        for model in models:
            scores = [model.scores[place] for place in places]
            columns[f"text: {model.name}"] = [model.results[place].text for place in places]
            columns[f"substitutions: {model.name}"] = [own.substitutions for own in scores]
            columns[f"insertions: {model.name}"] = [own.insertions for own in scores]
            columns[f"deletions: {model.name}"] = [own.deletions for own in scores]
            if any(result.words for result in model.results):
                columns[f"confidence: {model.name}"] = [
                    model.results[place].confidence for place in places
                ]
        return self.frame.iloc[list(places)].reset_index(drop=True).assign(**columns)

    @cached_property
    def _spoken(self) -> pd.Series:
        """All words of each utterance, normalised, between spaces: the reference and all texts."""
        sides = [
            (
                " | ".join(
                    [
                        " ".join(word for span in said.alignment for word in span.reference),
                        *(
                            " ".join(word for span in own.alignment for word in span.hypothesis)
                            for own in scores
                        ),
                    ]
                )
            )
            for said, *scores in zip(
                self.outcomes.models[0].scores,
                *(model.scores for model in self.outcomes.models),
                strict=True,
            )
        ]
        return pd.Series([f" {text} " for text in sides])

    def _own_columns(self, taken: set[str]) -> dict[str, object]:
        """What the corpus's tables say beside, a column each, numbers where all are."""
        tables: list[Mapping[str, str]] = [dict(u.columns) for u in self.outcomes.utterances]
        names = dict.fromkeys(name for row in tables for name in row)
        found: dict[str, object] = {}
        for name in names:
            values = pd.Series([row.get(name, "") for row in tables])
            numbers = values.map(_number).astype(float)
            whole = bool((numbers.notna() | (values == "")).all()) and bool(numbers.notna().any())
            title = name
            while title in taken:  # both are kept, and the name says whose it is
                title += " (table)"
            taken.add(title)
            if whole and bool((numbers % 1 == 0).all()):  # and none is missing
                numbers = numbers.astype("int64")
            found[title] = numbers if whole else values
        return found


def errors_of(name: str) -> str:
    """The column with the word errors of a model."""
    return f"errors: {name}"


def new_errors_of(name: str) -> str:
    """The column with the errors of a model that the one it is compared with does not make."""
    return f"new errors: {name}"


def is_numeric(column: pd.Series) -> bool:
    """Whether a column holds numbers."""
    return bool(pd.api.types.is_numeric_dtype(column))


def _number(text: str) -> float:
    """The number that a text is; NaN where it is none, or would not be the same any more.

    An id such as "00007", or of more digits than a float holds, stays a text.
    """
    if not _NUMBER.fullmatch(text):
        return math.nan
    number = float(text)
    return number if abs(number) < _MOST_EXACT else math.nan


def _holds(column: pd.Series, bound: Bound) -> npt.NDArray[np.bool_]:
    if bound.values or not is_numeric(column):
        chosen: npt.NDArray[np.bool_] = column.astype(str).isin(bound.values).to_numpy()
        return chosen
    within: npt.NDArray[np.bool_] = column.between(bound.low, bound.high).to_numpy()
    return within
