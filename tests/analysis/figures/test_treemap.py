"""The treemap of a model can be read in both themes."""

import pytest

from analysis.figures.palette import contrast_ratio
from analysis.figures.tiles import tiles
from analysis.figures.treemap import parameter_treemap
from analysis.models.anatomy import parameter_parts
from analysis.models.speech_model import SpeechModel


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_treemap_can_be_read_in_both_themes(whisper: SpeechModel, theme: str) -> None:
    parts = parameter_parts(whisper)
    values = {part.group.id: float(i) for i, part in enumerate(parts) if part.group}
    for chart in (
        parameter_treemap(parts, theme=theme),
        parameter_treemap(parts, values, "x", theme=theme),
    ):
        bars = chart.data[0]
        for ink, color in zip(bars.textfont.color, bars.marker.color, strict=True):
            assert contrast_ratio(ink, color) >= 4.5


def test_tiles_fill_the_square_as_the_parameters_do(whisper: SpeechModel) -> None:
    parts = parameter_parts(whisper)
    placed = tiles(parts)
    assert sum(tile.width * tile.height for tile in placed) == pytest.approx(1)
    leaves = [tile for tile in placed if not tile.is_header]
    parents = {part.parent for part in parts}
    assert {tile.part.id for tile in leaves} == {p.id for p in parts if p.id not in parents}
    for tile in leaves:
        for other in leaves:  # siblings have areas as their parameters, and none lies on another
            if other.part.parent == tile.part.parent:
                ratio = other.part.n_parameters / tile.part.n_parameters
                areas = other.width * other.height / (tile.width * tile.height)
                assert areas == pytest.approx(ratio)
            if other is not tile:
                apart = (
                    tile.left + tile.width <= other.left + 1e-9
                    or other.left + other.width <= tile.left + 1e-9
                    or tile.bottom + tile.height <= other.bottom + 1e-9
                    or other.bottom + other.height <= tile.bottom + 1e-9
                )
                assert apart, (tile.part.id, other.part.id)


def test_tile_tells_its_group_and_the_selected_one_is_outlined(whisper: SpeechModel) -> None:
    parts = parameter_parts(whisper)
    groups = [part.group.id for part in parts if part.group]
    bars = parameter_treemap(parts, selected=groups[2]).data[0]
    told = [data[0] for data in bars.customdata]
    assert sorted(filter(None, told)) == sorted(groups)
    widest = max(bars.marker.line.width)
    outlined = [
        name for name, width in zip(told, bars.marker.line.width, strict=True) if width == widest
    ]
    assert outlined == [groups[2]]
