"""Where words are lost, as tables: slices, words, errors that appear, characters, confidence."""

from collections.abc import Sequence
from dataclasses import asdict

import pandas as pd

from analysis.evaluation.confidence import calibration
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
        "calibration"; rates in per cent, differences in points.
    """
    outcomes, base = table.outcomes, table.base
    found = {
        "slices": pd.DataFrame([slice_values(one) for one in slices_of(table, model)]),
        "lost-words": as_table(lost_words(outcomes, model, base)),
        "new-errors": as_table(new_errors(outcomes, model, base)),
        "characters": letters_table(character_classes(outcomes, model, base)),
    }
    sure = calibration(outcomes.models[model])
    if sure is not None:
        found["calibration"] = pd.DataFrame(sure.rows())
    return found


def as_table(found: Sequence[WordLoss] | Sequence[NewError]) -> pd.DataFrame:
    """One row each, without the places of the utterances."""
    return pd.DataFrame([asdict(one) for one in found]).drop(columns="places", errors="ignore")


def letters_table(classes: Sequence[CharacterClass]) -> pd.DataFrame:
    """One row for each kind of character, with the rates of errors in per cent."""
    table = pd.DataFrame([asdict(one) for one in classes])
    total = table["n"].where(table["n"] > 0)
    return table.assign(
        original_rate=100 * table["original_errors"] / total, rate=100 * table["errors"] / total
    )
