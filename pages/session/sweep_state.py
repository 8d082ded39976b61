"""What a visitor's sweep has found so far; Evaluate fills it and draws it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from analysis.evaluation.blind import Verdict
from analysis.evaluation.corpora import Corpus, Fault
from analysis.evaluation.corpus_evaluation import Evaluation
from analysis.evaluation.outcomes import outcomes_of
from analysis.evaluation.sweep import Row, Skipped
from analysis.evaluation.utterances import UtteranceTable
from analysis.speech.recognition import TranscriptionOptions

T = TypeVar("T")

Upload = tuple[tuple[str, ...], TemporaryDirectory[str], tuple[Fault, ...]]
"""Ids of uploaded files, the folder that they were laid out in, and what was left out."""


@dataclass(slots=True, eq=False)
class SweepState:
    """What the visitor's sweep of one model has found so far.

    Parameters
    ----------
    rows : list of Row or Skipped
        As they come; the job adds to it.
    corpus : Corpus or None
        Once it has been checked.
    upload : tuple or None
        Holds the folder of uploaded clips, for as long as the sweep may read them.
    options : TranscriptionOptions
        With which another model has to hear the corpus, to be compared with these.
    heard_later : dict of str to str
        Names of other models that heard the corpus afterwards, by their ids at hand.
    is_opened : bool
        Whether it comes from a file of results, and not from a sweep of this visitor.
    recordings : str
        Folder in which the clips of an opened file lie on this computer; empty where the file says
        it.
    verdicts : dict of tuple of str to list of Verdict
        Of blind comparisons, by the names of both models.
    colors : dict of str to str
        That the visitor's variants have now, by name.
    """

    rows: list[Row | Skipped] = field(default_factory=list)
    corpus: Corpus | None = None
    upload: Upload | None = None
    options: TranscriptionOptions = field(default_factory=TranscriptionOptions)
    heard_later: dict[str, str] = field(default_factory=dict)
    is_opened: bool = False
    recordings: str = ""
    verdicts: dict[tuple[str, ...], list[Verdict]] = field(default_factory=dict)
    colors: dict[str, str] = field(default_factory=dict)
    _remembered: tuple[int, dict[object, Any]] = field(default_factory=lambda: (0, {}))

    @property
    def evaluated(self) -> list[Row]:
        """The rows with figures; the original first."""
        return [row for row in self.rows if isinstance(row, Row)]

    def table_against(self, base: int) -> UtteranceTable:
        """All utterances and what every model made of them, compared with one of the models."""
        return self.remember(
            ("table", base), lambda: UtteranceTable(outcomes_of(self.evaluated), base)
        )

    def remember(self, key: object, make: Callable[[], T]) -> T:
        """What was computed of the rows that are there, at most once; another row forgets it.

        Parameters
        ----------
        key : hashable
        make : callable
            Computes it.
        """
        n_rows = len(self.rows)
        if self._remembered[0] != n_rows:
            self._remembered = (n_rows, {})
        known = self._remembered[1]
        if key not in known:
            known[key] = make()
        value: T = known[key]
        return value

    @property
    def conditions(self) -> list[str]:
        """Under which the corpus was heard; "" where nothing disturbed it."""
        return list(dict.fromkeys(row.evaluation.corpus.condition for row in self.evaluated))

    def under(self, condition: str) -> list[Row]:
        """The rows of one condition; the original first."""
        return [row for row in self.evaluated if row.evaluation.corpus.condition == condition]

    @property
    def original(self) -> Evaluation:
        """Of the uncompressed model."""
        return self.evaluated[0].evaluation
