"""Where the tiles of a treemap lie: stacks side by side, kinds in rows, layers in columns."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from analysis.models.anatomy import Part

HEADER = 0.065
"""Height of the strip that names what lies under it, in heights of the whole."""

_SMALLEST_ROOM = 2.5 * HEADER  # what is lower has no strip, but its parts all the same


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of the model as a rectangle inside the unit square.

    Parameters
    ----------
    part : Part
    left, bottom, width, height : float
        In widths and heights of the whole.
    is_header : bool
        Whether it is the strip that names the parts under it.
    """

    part: Part
    left: float
    bottom: float
    width: float
    height: float
    is_header: bool = False


def tiles(parts: Sequence[Part]) -> tuple[Tile, ...]:
    """Lay out a tree of parts; areas of siblings are as their parameters.

    Parameters
    ----------
    parts : sequence of Part
        Root first, as `parameter_parts` gives them.

    Returns
    -------
    tuple of Tile
        Of every leaf, and the strips of the others; the root has none.
    """
    below: dict[str, list[Part]] = {}
    for part in parts:
        below.setdefault(part.parent, []).append(part)
    whole = Tile(parts[0], 0.0, 0.0, 1.0, 1.0)
    return tuple(_inside(whole, below, across=True))


def _inside(tile: Tile, below: Mapping[str, list[Part]], *, across: bool) -> Iterator[Tile]:
    """Tiles of the parts of a tile: side by side, or one under the other from the top."""
    children = below.get(tile.part.id)
    if not children:
        yield tile
        return
    height = tile.height
    if tile.part.parent and height >= _SMALLEST_ROOM:
        height -= HEADER
        yield Tile(tile.part, tile.left, tile.bottom + height, tile.width, HEADER, True)
    gone = 0.0
    for child in children:
        share = child.n_parameters / tile.part.n_parameters
        if across:
            inner = Tile(
                child, tile.left + gone * tile.width, tile.bottom, share * tile.width, height
            )
        else:
            top = tile.bottom + height * (1 - gone - share)
            inner = Tile(child, tile.left, top, tile.width, share * height)
        gone += share
        yield from _inside(inner, below, across=not across)
