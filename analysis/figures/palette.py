"""The colours that mean something, the same on every page and figure."""

from collections.abc import Mapping

# Okabe and Ito, "Color Universal Design", 2008: told apart under every common colour blindness.
BLUE = "#0072B2"
VERMILLION = "#D55E00"
GREEN = "#009E73"
PURPLE = "#CC79A7"
SKY = "#56B4E9"
ORANGE = "#E69F00"

ORIGINAL = BLUE
"""The uncompressed model, everywhere."""

VARIANTS: tuple[str, ...] = (VERMILLION, GREEN, PURPLE, SKY, ORANGE)
"""Compressed models, in the order in which they were made."""

SEQUENTIAL = "Cividis"
"""Plotly name of the scale for magnitudes; perceptually even, safe under colour blindness."""

DIVERGING = "RdBu_r"
"""Plotly name of the scale for differences, to be centred at zero."""

NEUTRAL = "#7A8794"
"""Marks that belong to no model: at least 3:1 on the light and the dark background."""

DIFFERENCES: Mapping[str, str] = {
    "substitute": "#B86E00",
    "delete": "#D9434B",
    "insert": "#8A63D2",
}
"""Colour of the line around, under or through a changed word, which itself keeps the page's ink.

The third cue after shape and letter; at least 3:1 on every background.
"""

BACKGROUNDS: Mapping[str, tuple[str, ...]] = {
    "light": ("#FFFFFF", "#F4F6F8"),
    "dark": ("#12171D", "#1B222B"),
}
"""Page and panel background by theme, as in ``.streamlit/config.toml``."""

TEXTS: Mapping[str, str] = {"light": "#0E161E", "dark": "#E6EBF0"}
"""Text by theme, as in ``.streamlit/config.toml``."""

INKS: Mapping[str, str] = {"light": "#4A5663", "dark": "#B8C2CC"}
"""Labels of axes by theme: at least 7:1, to be read on a projector."""


def variant_color(index: int) -> str:
    """Colour of the `index`-th compressed model; starts over when all are used.

    Examples
    --------
    >>> variant_color(0) == VERMILLION
    True
    """
    return VARIANTS[index % len(VARIANTS)]


def with_alpha(color: str, alpha: float) -> str:
    """A palette colour made translucent.

    Examples
    --------
    >>> with_alpha("#0072B2", 0.25)
    'rgba(0, 114, 178, 0.25)'
    """
    red, green, blue = _channels(color)
    return f"rgba({red}, {green}, {blue}, {alpha})"


def contrast_ratio(first: str, second: str) -> float:
    """Contrast of two colours after WCAG 2.2, from 1 (equal) to 21 (black on white).

    Examples
    --------
    >>> contrast_ratio("#000000", "#FFFFFF")
    21.0
    """
    lighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _channels(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _luminance(color: str) -> float:
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (channel / 255 for channel in _channels(color))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
