"""A large JSON document piece by piece, so that reading it can be watched and cancelled."""

import json
import re
from collections.abc import Generator, Iterator
from typing import NamedTuple

_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


class Piece(NamedTuple):
    """A part of a document.

    Parameters
    ----------
    name : str
        Of the member of the outermost object that it is, or belongs to.
    text : str
        As JSON.
    end : int
        Characters of the document up to its end.
    """

    name: str
    text: str
    end: int


def pieces(text: str, listed: str) -> Iterator[Piece]:
    """The members of the outermost object; those of one list come one by one.

    Parameters
    ----------
    text : str
    listed : str
        Name of the member that is a long list.

    Yields
    ------
    Piece

    Raises
    ------
    ValueError
        Where it is no JSON, or no object.

    Examples
    --------
    >>> [piece[:2] for piece in pieces('{"a": {"b": 1}, "rows": [1, [2]]}', "rows")]
    [('a', '{"b": 1}'), ('rows', '1'), ('rows', '[2]')]
    """
    at = _expect(text, _skip(text, 0), "{")
    more = text[at : at + 1] != "}"
    while more:
        name, at = _DECODER.raw_decode(text, at)
        if not isinstance(name, str):
            raise ValueError(f"a name was expected before character {at}")
        at = _expect(text, _skip(text, at), ":")
        if name == listed and text[at : at + 1] == "[":
            at = yield from _elements(text, at, name)
        else:
            at = yield from _value(text, at, name)
        more, at = _comma(text, at)
    at = _expect(text, at, "}")
    if at != len(text):
        raise ValueError(f"nothing was expected at character {at}")


def _elements(text: str, at: int, name: str) -> Generator[Piece, None, int]:
    """Those of a list; gives the place after it."""
    at = _expect(text, at, "[")
    more = text[at : at + 1] != "]"
    while more:
        at = yield from _value(text, at, name)
        more, at = _comma(text, at)
    return _expect(text, at, "]")


def _value(text: str, at: int, name: str) -> Generator[Piece, None, int]:
    """What begins here, as one piece; gives the place after it."""
    start, (_, at) = at, _DECODER.raw_decode(text, at)
    yield Piece(name, text[start:at], at)
    return at


def _comma(text: str, at: int) -> tuple[bool, int]:
    """Whether a comma comes next, and the place of what follows."""
    at = _skip(text, at)
    there = text[at : at + 1] == ","
    return there, _expect(text, at, ",") if there else at


def _expect(text: str, at: int, sign: str) -> int:
    """The place of what follows a sign and the space behind it."""
    if text[at : at + 1] != sign:
        raise ValueError(f"“{sign}” was expected at character {at}")
    return _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at
