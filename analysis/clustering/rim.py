"""A map whose far units do not push all others into a corner: its axes are stretched or cut."""

from dataclasses import dataclass

import numpy as np

PERCENTILES = (1, 99)
"""Between these of each axis lies what a map shows at its true place, where an axis is cut."""

FEWEST = 40
"""Of fewer units than this no percentile is told from an extreme, and nothing is cut."""

_CROWDED = 10.0
# an axis is stretched where 98 in 100 units span more than so many times what half of them span

_SPREAD = 1.5  # an axis is cut where all units span more than this many times what the middle spans
_RIM = 0.04  # from the last true place to the rim, in spans


@dataclass(frozen=True, slots=True)
class Stretch:
    """How an axis is stretched: straight around its centre, as a logarithm far from it.

    Parameters
    ----------
    centre, scale : float
        The median of the units, and the span of their middle half.
    """

    centre: float
    scale: float

    def place(self, values: np.ndarray) -> np.ndarray:
        """Where numbers are drawn: arsinh((x - centre) / scale)."""
        placed: np.ndarray = np.arcsinh((values - self.centre) / self.scale)
        return placed


@dataclass(frozen=True, slots=True, eq=False)
class RimmedMap:
    """Places on a map whose far units were moved to its rim, or whose axes were stretched.

    Parameters
    ----------
    coordinates : ndarray of float32, (n, d)
        Where each unit is drawn.
    beyond : ndarray of int8, (n, d)
        -1 or 1 where a unit was moved to the lower or the upper rim of an axis, else 0.
    stretches : tuple of Stretch or None
        Of each axis, None where it is drawn as it is.
    """

    coordinates: np.ndarray
    beyond: np.ndarray
    stretches: tuple[Stretch | None, ...]

    @property
    def at_rim(self) -> np.ndarray:
        """Whether each unit was moved: bool, (n,)."""
        moved: np.ndarray = (self.beyond != 0).sum(axis=1) > 0
        return moved


def cut_at_rim(coordinates: np.ndarray, *, stretches: bool = False) -> RimmedMap:
    """Cut the axes of a map at `PERCENTILES`, where the few units beyond would take up the room.

    Parameters
    ----------
    coordinates : ndarray of float, (n, d)
    stretches : bool
        Whether an axis on which most units would be drawn as one blob is stretched instead.

    Returns
    -------
    RimmedMap
        The same places where nothing lies far out, or of fewer than `FEWEST` units.

    Examples
    --------
    >>> line = np.append(np.arange(99.0), 10_000.0)[:, None]
    >>> cut = cut_at_rim(line)
    >>> np.flatnonzero(cut.at_rim).tolist(), bool(cut.coordinates[99, 0] < 300)
    ([0, 99], True)
    """
    places = np.array(coordinates, dtype=np.float32)
    beyond = np.zeros(places.shape, dtype=np.int8)
    stretched: list[Stretch | None] = [None] * places.shape[1]
    if len(places) < FEWEST:
        return RimmedMap(places, beyond, tuple(stretched))
    # the next unit inward, so that one far unit among few does not set the limit
    lows = np.percentile(places, PERCENTILES[0], axis=0, method="higher")
    highs = np.percentile(places, PERCENTILES[1], axis=0, method="lower")
    for axis, (low, high) in enumerate(zip(lows, highs, strict=True)):
        values = places[:, axis]
        span = float(high - low)
        lower, centre, upper = (float(x) for x in np.percentile(values, (25, 50, 75)))
        if stretches and 0 < _CROWDED * (upper - lower) < span:
            stretch = Stretch(centre, upper - lower)
            stretched[axis] = stretch
            places[:, axis] = stretch.place(values)
            continue
        if float(np.ptp(values)) <= _SPREAD * span:
            continue
        beyond[:, axis] = (values > high).astype(np.int8) - (values < low).astype(np.int8)
        values[beyond[:, axis] < 0] = low - _RIM * span
        values[beyond[:, axis] > 0] = high + _RIM * span
    return RimmedMap(places, beyond, tuple(stretched))
