"""Colours are distinct, and the original's stands alone."""

from analysis.figures import palette


def test_palette_is_distinct_and_the_original_stands_alone() -> None:
    colors = [palette.ORIGINAL, *palette.VARIANTS]
    assert len(set(colors)) == len(colors)
    assert palette.variant_color(len(palette.VARIANTS)) == palette.VERMILLION
    for backgrounds in palette.BACKGROUNDS.values():
        assert palette.contrast_ratio(palette.NEUTRAL, backgrounds[0]) >= 3
        assert palette.contrast_ratio(palette.ORIGINAL, backgrounds[0]) >= 3
