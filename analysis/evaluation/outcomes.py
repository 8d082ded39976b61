"""What several models made of the same utterances, side by side: the ground of every closer look.

A sweep gives rows, one model after the other; who asks where words are lost wants utterances, each
with what every model wrote.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from analysis.evaluation.corpora import MIN_SPEAKERS, Utterance
from analysis.evaluation.results import UtteranceResult
from analysis.evaluation.scoring import Score
from analysis.evaluation.significance import errors_by_slot
from analysis.evaluation.sweep import Row

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Heard:
    """What one model made of all utterances.

    Parameters
    ----------
    name : str
        Unique among the models.
    row : Row
        Its first row, which tells how it was made and what it costs.
    results : tuple of UtteranceResult, (n,)
    scores : tuple of Score, (n,)
    """

    name: str
    row: Row
    results: tuple[UtteranceResult, ...]
    scores: tuple[Score, ...]

    @cached_property
    def errors(self) -> Counts:
        """Word errors of each utterance, (n,)."""
        return np.array([score.errors for score in self.scores])


@dataclass(frozen=True)
class Outcomes:
    """Utterances, and every model that heard all of them.

    Parameters
    ----------
    utterances : tuple of Utterance, (n,)
    models : tuple of Heard
        All scored alike; the original first.
    """

    utterances: tuple[Utterance, ...]
    models: tuple[Heard, ...]

    @property
    def names(self) -> list[str]:
        """Of the models."""
        return [model.name for model in self.models]

    @cached_property
    def words(self) -> Counts:
        """Reference words of each utterance, (n,)."""
        return np.array([score.words for score in self.models[0].scores])

    def new_errors(self, model: int, base: int = 0) -> Counts:
        """Errors that a model makes and another one does not, utterance by utterance, (n,).

        Parameters
        ----------
        model, base : int
            Places among `models`.
        """
        own, theirs = self._slots(model), self._slots(base)
        pairs = zip(own, theirs, strict=True)
        return np.array([int(np.maximum(one - other, 0).sum()) for one, other in pairs])

    def blocks(self, chosen: Sequence[int]) -> list[str]:
        """What a bootstrap over some of the utterances draws whole: speakers where there are ten.

        Parameters
        ----------
        chosen : sequence of int
            Places among `utterances`.

        Returns
        -------
        list of str
            A block for each; one utterance under several conditions is one block.
        """
        speakers = [self.utterances[place].speaker for place in chosen]
        if None not in speakers and len(set(speakers)) >= MIN_SPEAKERS:
            return [str(speaker) for speaker in speakers]
        return [self.utterances[place].id for place in chosen]

    def drawn(self, chosen: Sequence[int]) -> str:
        """What a bootstrap over some of the utterances draws, for people; see `blocks`."""
        blocks = set(self.blocks(chosen))
        ids = {self.utterances[place].id for place in chosen}
        return f"{len(blocks)} {'utterances' if blocks == ids else 'speakers'}"

    def _slots(self, model: int) -> list[Counts]:
        if model not in self._known:
            scores = self.models[model].scores
            self._known[model] = [np.array(errors_by_slot(s.alignment)) for s in scores]
        return self._known[model]

    @cached_property
    def _known(self) -> dict[int, list[Counts]]:
        return {}


def outcomes_of(rows: Sequence[Row]) -> Outcomes:
    """Put the rows of a sweep, or of several evaluations, side by side.

    Parameters
    ----------
    rows : sequence of Row
        Of one corpus; the first is what the others are compared with. Where the corpus was heard
        under several conditions, each utterance comes once under each.

    Returns
    -------
    Outcomes
        Models that have not heard all that the first has are left out.

    Raises
    ------
    ValueError
        Where there is no row.
    """
    if not rows:
        raise ValueError("there is no row to look into")
    models: dict[object, dict[str, Row]] = {}
    for row in rows:
        models.setdefault((row.model, row.cell), {})[row.evaluation.corpus.condition] = row
    first, *_ = models.values()
    heard = [
        under
        for under in models.values()
        if all(_same(under.get(condition), row) for condition, row in first.items())
    ]
    names = row_names([next(iter(under.values())) for under in heard])
    return Outcomes(
        tuple(u for row in first.values() for u in row.evaluation.corpus.utterances),
        tuple(
            _heard(name, [under[condition] for condition in first])
            for name, under in zip(names, heard, strict=True)
        ),
    )


def _same(row: Row | None, first: Row) -> bool:
    """Whether a model heard the same utterances as the first one."""
    return row is not None and (
        row.evaluation.corpus.utterances == first.evaluation.corpus.utterances
    )


def row_names(rows: Sequence[Row]) -> list[str]:
    """A name for each row that tells it from the others, as short as that allows.

    Parameters
    ----------
    rows : sequence of Row
    """
    several = len({row.model for row in rows if row.cell is None}) > 1
    names = [_name(row, several, whole=False) for row in rows]
    counts = Counter(names)
    names = [
        _name(row, several, whole=True) if counts[name] > 1 else name
        for row, name in zip(rows, names, strict=True)
    ]
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return unique


def _name(row: Row, several: bool, *, whole: bool) -> str:
    cell = row.cell
    if cell is None:
        return row.model if several else "original"
    parts = [row.model] if several else []
    parts += [cell.way.name]
    if not cell.way.made:
        parts += [cell.allocation] if whole else []
        parts += [f"{cell.sparsity:.0%}"]
        parts += [f"seed {cell.seed}"] if whole and cell.way.uses_seed else []
    return ", ".join(parts)


def _heard(name: str, rows: Sequence[Row]) -> Heard:
    """One model under one condition after the other."""
    results = tuple(result for row in rows for result in row.evaluation.results)
    scores = tuple(score for row in rows for score in row.evaluation.scores)
    return Heard(name, rows[0], results, scores)
