"""What layers are worth: cells and curves show the numbers, marks stand where it was measured."""

import math

import numpy as np

from analysis.compression.worth import Worth, losses
from analysis.figures.worth import LEAST, worth_curve, worth_heatmap
from analysis.models.speech_model import SpeechModel


def worths_of(model: SpeechModel) -> dict[str, Worth]:
    """Each unit of a group costs a hundredth times the group's place; the last one most of all."""
    return {
        group.id: Worth(0.01 * (place + 1) * np.arange(group.n_units, dtype=float), (1,))
        for place, group in enumerate(model.groups)
    }


def test_every_group_has_a_cell_per_share_in_its_layer(whisper: SpeechModel) -> None:
    found = losses(whisper.groups, worths_of(whisper))
    figure = worth_heatmap(whisper.groups, found, position="word")
    cells, marks = figure.data
    assert len(cells.x) == len(found) == 4 * len(whisper.groups)
    for loss, data, base, color in zip(
        found, cells.customdata, cells.base, cells.marker.color, strict=True
    ):
        assert data[0] == loss.group.id
        assert round(base + 0.46) == loss.group.layer
        assert math.isclose(color, math.log10(loss.divergence))
        assert f"{loss.divergence:.3g}" == data[4]
    assert len(marks.x) == sum(loss.measured for loss in found)
    assert 0 < len(marks.x) < len(found)
    places = {(loss.group.stack, loss.group.block, loss.share) for loss in found}
    assert len(set(cells.x)) == len(places)


def test_title_names_what_matters_most_at_the_largest_share(whisper: SpeechModel) -> None:
    found = losses(whisper.groups, worths_of(whisper))
    most = max((x for x in found if x.share == 0.4), key=lambda loss: loss.divergence)
    title = worth_heatmap(whisper.groups, found, position="word").layout.title.text
    assert title.startswith(f"{most.group.title} matter most: {most.divergence:.2g} nat per word")


def test_curve_marks_what_was_measured_and_the_k_that_is_set(whisper: SpeechModel) -> None:
    group = whisper.groups[1]
    worths = worths_of(whisper)
    n = group.n_units
    figure = worth_curve(group, worths, position="word", others=whisper.groups, current=n - 3)
    *others, line, measured, mark = figure.data
    assert len(others) == len(whisper.groups) - 1
    assert line.x[0] == n - 1
    assert line.x[-1] == 1
    assert list(measured.x) == [n - 1]
    assert (mark.x[0], mark.y[0]) == (n - 3, worths[group.id].divergence[3])
    assert figure.layout.yaxis.type == "log"
    assert "nat per word" in figure.layout.yaxis.title.text


def test_nothing_gone_has_no_mark_and_nothing_lost_can_be_drawn(whisper: SpeechModel) -> None:
    group = whisper.groups[1]
    silent = {g.id: Worth(np.zeros(g.n_units), (1,)) for g in whisper.groups}
    figure = worth_curve(group, silent, position="frame", current=group.n_units)
    assert len(figure.data) == 2
    assert set(figure.data[0].y) == {LEAST}
    heatmap = worth_heatmap(whisper.groups, losses(whisper.groups, silent), position="frame")
    assert heatmap.layout.coloraxis.cmin < heatmap.layout.coloraxis.cmax
