"""The function of `coalesce` that tells where a model loses words."""

import pandas as pd

from analysis.errors import UserError
from analysis.evaluation.loss_tables import loss_tables
from analysis.evaluation.utterances import UtteranceTable

__all__ = ["losses"]


def losses(
    results: UtteranceTable, model: str, *, against: str | None = None
) -> dict[str, pd.DataFrame]:
    """Where a model loses words: by slice, word, error and kind of character.

    Parameters
    ----------
    results : UtteranceTable
        What `coalesce.results` read.
    model : str
        One of ``results.outcomes.names``.
    against : str, optional
        Another of them, that it is compared with; by default the first, which is the original.

    Returns
    -------
    dict of str to DataFrame
        "slices", "lost-words", "new-errors", "characters", and where confidence was kept,
        "calibration" of both; rates in per cent, differences in points.

    Raises
    ------
    UserError
        Where there is no such model.

    Examples
    --------
    >>> import coalesce
    >>> table = coalesce.results("sweep")  # doctest: +SKIP
    >>> coalesce.losses(table, table.outcomes.names[1])["slices"]  # doctest: +SKIP
    """
    base = results.base if against is None else _place(results, against)
    return loss_tables(UtteranceTable(results.outcomes, base), _place(results, model))


def _place(results: UtteranceTable, name: str) -> int:
    names = results.outcomes.names
    if name not in names:
        raise UserError(f"The results have no model {name!r}.", f"Theirs are {', '.join(names)}.")
    return names.index(name)
