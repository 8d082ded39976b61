"""In a notebook: units over time, heads that write alike, what layers are worth."""

import numpy as np
import pytest

import coalesce
from analysis.errors import UserError
from analysis.models.speech_model import SpeechModel

CLIP = coalesce.CLIPS / "set.flac"


def test_members_and_what_they_become_stand_on_one_time_axis(hubert: SpeechModel) -> None:
    [group] = [group for group in hubert.groups if group.id == "encoder.0.ffn"]
    table = coalesce.activity(hubert, group.id, [1, 2], CLIP)
    assert table.columns.tolist() == ["seconds", "unit 1", "unit 2", "together", "merged"]
    assert table["seconds"].is_monotonic_increasing
    # two vectors together are no longer than one after the other
    assert (table["together"] <= table["unit 1"] + table["unit 2"] + 1e-4).all()

    alone = coalesce.activity(hubert, group.id, 1, CLIP)
    assert alone.columns.tolist() == ["seconds", "unit 1", "together"]
    np.testing.assert_allclose(alone["unit 1"], table["unit 1"])
    np.testing.assert_allclose(alone["unit 1"], alone["together"], rtol=1e-3, atol=1e-5)
    with pytest.raises(UserError, match="no such unit"):
        coalesce.activity(hubert, group.id, group.n_units, CLIP)


def test_heads_are_alike_with_themselves(hubert: SpeechModel) -> None:
    square = coalesce.head_cka(hubert, "encoder.0.self_attention")
    np.testing.assert_allclose(np.diag(square), 1, atol=1e-4)
    np.testing.assert_allclose(square, square.T, atol=1e-5)
    with pytest.raises(UserError, match="no heads"):
        coalesce.head_cka(hubert, "encoder.0.ffn")


def test_what_a_layer_is_worth_is_a_table_of_every_share(hubert: SpeechModel) -> None:
    found = coalesce.worth(hubert, level="quick")
    cells, curves = found["layer-worth"], found["layer-worth-curves"]
    groups = {group.id for group in hubert.groups if group.n_units > 1}
    assert groups <= set(cells["group"]) == set(curves["group"])
    assert set(cells["share"]) == {0.1, 0.2, 0.3, 0.4}
    assert (cells["nats_per_frame"] >= 0).all()
    for name, own in cells.groupby("group"):
        more = own.sort_values("removed")["nats_per_frame"]
        assert more.is_monotonic_increasing, name
    with pytest.raises(UserError, match="level"):
        coalesce.worth(hubert, level="endless")  # type: ignore[arg-type]


def test_a_unit_named_twice_counts_once_and_a_fraction_is_refused(hubert: SpeechModel) -> None:
    twice = coalesce.activity(hubert, "encoder.0.ffn", [1, 1], CLIP)
    assert twice.columns.tolist() == ["seconds", "unit 1", "together"]
    for unit in ([1.5], [True], ["1"]):
        with pytest.raises(UserError, match="names no units"):
            coalesce.moments(hubert, "encoder.0.ffn", unit)  # type: ignore[arg-type]


def test_the_plan_of_another_model_is_not_drawn(hubert: SpeechModel, whisper: SpeechModel) -> None:
    plan = coalesce.plan(whisper, 0.3, method="magnitude")
    for draw in (coalesce.figures.kept_units, coalesce.figures.error_curves):
        with pytest.raises(UserError):
            draw(hubert, plan)
