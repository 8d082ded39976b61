"""Where words are lost, as tables: slices, words, errors that appear, characters, confidence."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields

import pandas as pd

from analysis.evaluation.confidence import Calibration, calibration
from analysis.evaluation.lost_words import (
    CharacterClass,
    NewError,
    WordLoss,
    character_classes,
    lost_words,
    new_errors,
)
from analysis.evaluation.slices import slice_values, slices_of
from analysis.evaluation.utterances import UtteranceTable

SLICE_TITLES: Mapping[str, str] = {
    "column": "Column",
    "value": "Value",
    "utterances": "Utterances",
    "difference": "Lost (points)",
    "p": "p",
    "from_one": "From one (%)",
    "low": "from",
    "high": "to",
    "original_wer": "WER, other (%)",
    "wer": "WER (%)",
    "words": "Words",
    "drawn": "Drawn",
}
"""Columns of the slices and what people read above them, in their order."""

WORD_TITLES: Mapping[str, str] = {
    "word": "Word",
    "lost": "Lost",
    "n": "Said",
    "errors": "Wrong",
    "original_errors": "Other's",
    "regained": "Regained",
}
"""The same of the words that are lost."""

ERROR_TITLES: Mapping[str, str] = {"said": "Said", "written": "Written", "n": "Times"}
"""The same of the errors that appear."""


def loss_tables(table: UtteranceTable, model: int) -> dict[str, pd.DataFrame]:
    """Everything that Evaluate tells of one model beside the one that it is compared with.

    Parameters
    ----------
    table : UtteranceTable
        Its `base` is what is compared with.
    model : int
        Place of the model.

    Returns
    -------
    dict of str to DataFrame
        "slices", "lost-words", "new-errors", "characters", and where confidence was kept,
        "calibration" of both; rates in per cent, differences in points.
    """
    outcomes, base = table.outcomes, table.base
    found = {
        "slices": pd.DataFrame([slice_values(one) for one in slices_of(table, model)]),
        "lost-words": as_table(lost_words(outcomes, model, base), WordLoss),
        "new-errors": as_table(new_errors(outcomes, model, base), NewError),
        "characters": letters_table(character_classes(outcomes, model, base)),
    }
    sure = {
        outcomes.names[place]: own
        for place in dict.fromkeys((base, model))
        if (own := calibration(outcomes.models[place])) is not None
    }
    if sure:
        found["calibration"] = calibration_table(sure)
    return found


def calibration_table(found: Mapping[str, Calibration]) -> pd.DataFrame:
    """One row for each model and tenth of the scale; see `Calibration.rows`."""
    return pd.DataFrame(
        [{"model": name, **row} for name, own in found.items() for row in own.rows()]
    )


def as_table(
    found: Sequence[WordLoss] | Sequence[NewError], kind: type[WordLoss] | type[NewError]
) -> pd.DataFrame:
    """One row each, without the places of the utterances; all columns of the kind if empty."""
    columns = [field.name for field in fields(kind) if field.name != "places"]
    return pd.DataFrame([asdict(one) for one in found], columns=columns)


def letters_table(classes: Sequence[CharacterClass]) -> pd.DataFrame:
    """One row for each kind of character, with the rates of errors in per cent."""
    table = pd.DataFrame([asdict(one) for one in classes])
    total = table["n"].where(table["n"] > 0)
    return table.assign(
        original_rate=100 * table["original_errors"] / total, rate=100 * table["errors"] / total
    )
