"""What a visitor's sweep has found so far; Evaluate fills it and draws it."""

from dataclasses import dataclass, field
from tempfile import TemporaryDirectory

from analysis.evaluation.corpora import Corpus
from analysis.evaluation.corpus_evaluation import Evaluation
from analysis.evaluation.sweep import Row, Skipped

Upload = tuple[tuple[str, ...], TemporaryDirectory[str]]
"""Ids of uploaded files, and the folder that they were laid out in."""


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
    """

    rows: list[Row | Skipped] = field(default_factory=list)
    corpus: Corpus | None = None
    upload: Upload | None = None

    @property
    def evaluated(self) -> list[Row]:
        """The rows with figures; the original first."""
        return [row for row in self.rows if isinstance(row, Row)]

    @property
    def original(self) -> Evaluation:
        """Of the uncompressed model."""
        return self.evaluated[0].evaluation
