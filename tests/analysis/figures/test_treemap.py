"""The treemap of a model can be read in both themes."""

import pytest

from analysis.figures.palette import contrast_ratio
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
        tiles = chart.data[0]
        for ink, color in zip(tiles.textfont.color, tiles.marker.colors, strict=True):
            assert contrast_ratio(ink, color) >= 4.5
