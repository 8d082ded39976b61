"""A notebook is told where words are lost, by the same numbers as the page."""

import pytest

import coalesce
from analysis.evaluation.outcomes import outcomes_of
from analysis.evaluation.utterances import UtteranceTable
from tests.helpers.heard import rows_heard


@pytest.fixture
def table() -> UtteranceTable:
    said = ["one two three"] * 24
    worse = ["one two three" if place % 3 else "one" for place in range(24)]
    rooms = [{"room": "booth" if place % 3 else "hall"} for place in range(24)]
    return UtteranceTable(outcomes_of(rows_heard(said, {"original": said, "cut": worse}, rooms)))


def test_losses_are_told_by_slice_word_and_error(table: UtteranceTable) -> None:
    found = coalesce.losses(table, table.outcomes.names[1])
    assert found["slices"].iloc[0]["column"] == "room"
    assert found["slices"].iloc[0]["value"] == "hall"
    lost = found["lost-words"].set_index("word")["lost"]
    assert lost.to_dict() == {"one": 0, "two": 8, "three": 8}
    assert found["new-errors"]["n"].sum() == 16
    letters = found["characters"].set_index("name")
    assert letters["errors"].sum() > letters["original_errors"].sum() == 0
    assert "calibration" not in found, "no confidence was kept"


def test_another_model_can_be_the_base(table: UtteranceTable) -> None:
    original, cut = table.outcomes.names
    found = coalesce.losses(table, original, against=cut)
    assert found["lost-words"]["lost"].sum() == 0
    assert found["lost-words"]["regained"].sum() == 16


def test_a_model_that_is_not_there_is_named(table: UtteranceTable) -> None:
    with pytest.raises(coalesce.UserError, match="no model 'tiny'"):
        coalesce.losses(table, "tiny")
