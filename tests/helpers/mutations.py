"""Files as accidents and hostile hands leave them: each mutation follows from its seed alone."""

import json
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

Draw = np.random.Generator
Mutation = Callable[[bytes, Draw], bytes]

HOSTILE: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 10**400, 0.5, -0.0, 1e308, 1e-320),
    *(float("nan"), float("inf"), float("-inf")),
    *("", "0", "16", "true", "\0", "\ud800", "../../x", "x" * 5000, "<b>&amp;"),
    *([], [[]], [None], [1] * 2000, {}, {"": None}, {"a": {"a": {}}}),
)
"""What stands where something else is awaited."""

_SIZES = (0, 1, 0x7F, 0x7FFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def damaged(content: bytes, draw: Draw) -> bytes:
    """Bytes that a bad disk, a broken download or a bad program changed."""
    ways = (_cut, _flip, _flip, _swap, _drop, _double, _blank, _insert, _size, _size, _size)
    for _ in range(int(draw.integers(1, 4))):
        content = ways[draw.integers(len(ways))](content, draw)
    return content


def rewritten(content: bytes, draw: Draw) -> bytes:
    """JSON with a value or a name that nobody foresaw; now and then text that is none."""
    if draw.random() < 0.2:
        return _otherwise(content, draw)
    values = json.loads(content)
    for _ in range(int(draw.integers(1, 3))):
        holder, key = _place(values, draw)
        if holder is None:
            return json.dumps(HOSTILE[draw.integers(len(HOSTILE))]).encode()
        match draw.integers(8):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[f"{key}_"] = holder.pop(key)
            case 2:
                holder[key] = [holder[key]]
            case 3 if isinstance(holder[key], int | float) and abs(holder[key]) < 2**60:
                holder[key] = holder[key] * 2 + 1
            case 4:
                holder[key] = str(holder[key])
            case _:
                holder[key] = HOSTILE[draw.integers(len(HOSTILE))]
    return json.dumps(values).encode()


def rewritten_line(content: bytes, draw: Draw) -> bytes:
    """JSON lines, one of them changed as `rewritten` does; or bytes damaged."""
    if draw.random() < 0.3:
        return damaged(content, draw)
    lines = content.splitlines()
    place = int(draw.integers(len(lines)))
    lines[place] = rewritten(lines[place], draw)
    return b"\n".join(lines) + b"\n"


def retyped(content: bytes, draw: Draw) -> bytes:
    """Text, for example YAML or CSV, in which a word became another one; or bytes damaged."""
    if draw.random() < 0.4:
        return damaged(content, draw)
    if draw.random() < 0.2:
        return _otherwise(content, draw)
    words = content.decode().split(" ")
    strange = ("!!int ''", "!!bool maybe", "!!timestamp x", "&a [*a, *a]", "{", '"', "\t", "- -")
    hostile = json.dumps(HOSTILE[draw.integers(len(HOSTILE))])[:200]
    words[draw.integers(len(words))] = (hostile, strange[draw.integers(len(strange))])[
        draw.integers(2)
    ]
    return " ".join(words).encode()


def rewritten_header(content: bytes, draw: Draw) -> bytes:
    """A safetensors file whose header says something else; or whose bytes were damaged."""
    (length,) = struct.unpack("<Q", content[:8])
    match draw.integers(4):
        case 0:
            return damaged(content, draw)
        case 1:
            at = int(draw.integers(len(content)))
            return content[:at] + bytes([content[at] ^ (1 << draw.integers(8))]) + content[at + 1 :]
        case 2:
            size = _SIZES[draw.integers(len(_SIZES))] + int(draw.integers(3))
            return struct.pack("<Q", size) + content[8:]
        case _:
            header = rewritten(content[8 : 8 + length], draw)
            return struct.pack("<Q", len(header)) + header + content[8 + length :]


def _place(values: Any, draw: Draw) -> tuple[Any, Any]:
    """Somewhere in nested values: what holds it, and its key or index there."""
    found: list[tuple[Any, Any]] = []
    todo = [values]
    while todo:
        holder = todo.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        for key in keys:
            found.append((holder, key))
            if isinstance(holder[key], dict | list):
                todo.append(holder[key])
    if not found or draw.random() < 0.02:
        return None, None
    top = [place for place in found if place[0] is values]  # large tables would take it all
    among = top if draw.random() < 0.5 and top else found
    return among[draw.integers(len(among))]


def _otherwise(content: bytes, draw: Draw) -> bytes:
    """The same text in another coding, cut, twice, with a name twice, or nested without an end."""
    text = content.decode()
    depth = (300, 900, 1000, 5000, 100_000)[draw.integers(5)]
    deep = "[" * depth + "]" * depth
    ways: tuple[Callable[[], bytes], ...] = (
        lambda: b"\xef\xbb\xbf" + content,
        lambda: text.encode("utf-16"),
        lambda: text.encode("utf-32"),
        lambda: content + content,
        lambda: content + b"\n\0",
        lambda: _cut(content, draw),
        lambda: b"\xff" + content,
        lambda: text.replace("{", '{"x": 1, "x": 2, ', 1).encode(),
        lambda: text.replace("{", f'{{"x": {deep}, ', 1).encode(),
        lambda: text.replace("{", '{"x": ' * 2000, 1).encode(),
        lambda: deep.encode(),
        lambda: b" ",
    )
    return ways[draw.integers(len(ways))]()


def _somewhere(content: bytes, draw: Draw) -> int:
    """A place; headers lie in front, so that places there are likelier."""
    return int(draw.random() ** 2 * max(1, len(content)))


def _cut(content: bytes, draw: Draw) -> bytes:
    return content[: int(draw.integers(len(content) + 1))]


def _flip(content: bytes, draw: Draw) -> bytes:
    changed = bytearray(content)
    for _ in range(int(draw.integers(1, 17)) if changed else 0):
        changed[_somewhere(content, draw)] ^= 1 << int(draw.integers(8))
    return bytes(changed)


def _piece(content: bytes, draw: Draw) -> tuple[int, int]:
    begin = _somewhere(content, draw)
    return begin, begin + int(draw.integers(1, 2000))


def _swap(content: bytes, draw: Draw) -> bytes:
    begin, end = _piece(content, draw)
    size = end - begin
    return content[:begin] + content[end : end + size] + content[begin:end] + content[end + size :]


def _drop(content: bytes, draw: Draw) -> bytes:
    begin, end = _piece(content, draw)
    return content[:begin] + content[end:]


def _double(content: bytes, draw: Draw) -> bytes:
    begin, end = _piece(content, draw)
    return content[:end] + content[begin:end] + content[end:]


def _blank(content: bytes, draw: Draw) -> bytes:
    begin, end = _piece(content, draw)
    end = min(end, len(content))
    return content[:begin] + bytes(max(0, end - begin)) + content[end:]


def _insert(content: bytes, draw: Draw) -> bytes:
    at = _somewhere(content, draw)
    return content[:at] + draw.bytes(int(draw.integers(1, 200))) + content[at:]


def _size(content: bytes, draw: Draw) -> bytes:
    """A number in front that tells a size is another one, of any width and order of bytes."""
    at = int(draw.integers(min(len(content), 200) + 1))
    form = ("<H", ">H", "<I", ">I", "<Q", ">Q")[draw.integers(6)]
    limit = 256 ** struct.calcsize(form) - 1
    number = struct.pack(form, _SIZES[draw.integers(len(_SIZES))] & limit)
    return content[:at] + number + content[at + len(number) :]
