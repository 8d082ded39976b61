"""Where the sound of a file lies: files that were joined, headers whose sizes are not true.

A header is a claim. It is written before the sound, often into a pipe, and nobody mends it when a
recorder dies, a download stops or somebody joins two files. So a file is walked from end to end
here, and decoders are given parts whose headers are true.
"""

import io
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

_UNKNOWN_SIZE = {"I": 0x7FFF0000, "Q": 1 << 62}
"""Sizes, of 32 and of 64 bits, from which on a program meant that it did not know the length: SoX,
FFmpeg and GStreamer each write another one into a pipe."""
_WINDOW = 1 << 16
_FARTHEST = 1 << 62
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_AU, _AU_UNKNOWN = b".snd", 0xFFFFFFFF
_TAGS = (b"ID3", b"TAG", b"APETAGEX", b"LYRICSBEGIN")


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a file that is a whole sound file by itself.

    Parameters
    ----------
    start, stop : int
        Of its bytes in the file.
    patch : tuple of int and bytes, optional
        Where, counted from `start`, the header states a wrong size, and the right bytes.
    stated : float or None
        The length that the header states over the one that is there; None where it states none.
    is_cut : bool
        Whether its end is missing, where only the container tells.
    n_lost : int
        Pages within it that are missing, or whose checksum says that they were changed.
    """

    start: int
    stop: int
    patch: tuple[int, bytes] | None = None
    stated: float | None = None
    is_cut: bool = False
    n_lost: int = 0


class _Chunks(NamedTuple):
    """How a container writes its chunks."""

    header: int
    layout: str
    size_counts_header: bool
    sound: bytes
    alignment: int


_RIFF = _Chunks(12, "<4sI", False, b"data", 2)
_CHUNKED = {
    b"RIFF": _RIFF,
    b"RF64": _RIFF,
    b"BW64": _RIFF,
    b"FORM": _Chunks(12, ">4sI", False, b"SSND", 2),
    b"riff": _Chunks(40, "<16sQ", True, b"data", 8),  # W64 names its chunks by 16 bytes
    b"caff": _Chunks(8, ">4sQ", False, b"data", 1),
}

KNOWN_TO_LIBSNDFILE = (*_CHUNKED, b"OggS", b"fLaC", _AU)
"""How the files begin that libsndfile is tried on first."""


def find_parts(stream: BinaryIO) -> list[Part]:
    """Walk through a file and divide it into whole sound files.

    Parameters
    ----------
    stream : binary file, seekable

    Returns
    -------
    list of Part
        In their order; a file of a kind that is not known here is one part.
    """
    end = stream.seek(0, os.SEEK_END)
    start = behind_tags(stream)
    magic = _at(stream, start, 4)
    if magic in _CHUNKED:
        return list(_chunked_parts(stream, start, end))
    if magic == b"OggS":
        return list(_ogg_parts(stream, start, end))
    if magic == _AU:
        return list(_au_parts(stream, start, end))
    if _at(stream, start + 4, 4) == b"ftyp":
        return _mp4_parts(stream, start, end)
    if magic == _EBML:
        return [Part(start, end, is_cut=_matroska_end(stream, start) > end)]
    return [Part(start if magic in KNOWN_TO_LIBSNDFILE else 0, end)]


def behind_tags(stream: BinaryIO) -> int:
    """Where a file begins behind ID3v2 tags, which some programs put before any format."""
    position = 0
    while (head := _at(stream, position, 10))[:3] == b"ID3" and len(head) == 10:
        a, b, c, d = (byte & 0x7F for byte in head[6:])
        position += 10 + (a << 21 | b << 14 | c << 7 | d)
    return position


def begins_as(stream: BinaryIO) -> bytes:
    """The first four bytes of a file behind its tags."""
    return _at(stream, behind_tags(stream), 4)


class PartStream(io.RawIOBase):
    """A part of a file, to read and to seek in, with the right sizes in its header.

    Parameters
    ----------
    stream : binary file, seekable
    part : Part
    """

    def __init__(self, stream: BinaryIO, part: Part) -> None:
        super().__init__()
        self._stream, self._part, self._position = stream, part, 0

    def readable(self) -> bool:
        """Whether it can be read: yes."""
        return True

    def seekable(self) -> bool:
        """Whether its position can be changed: yes."""
        return True

    def tell(self) -> int:
        """Position from the start of the part."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Change the position, as all files do."""
        length = self._part.stop - self._part.start
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: length}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        """Fill a buffer, as far as the part goes."""
        first = self._part.start + self._position
        n_bytes = min(len(buffer), self._part.stop - first)
        if n_bytes <= 0:
            return 0
        self._stream.seek(first)
        content = bytearray(self._stream.read(n_bytes))
        if self._part.patch is not None:
            where, right = self._part.patch
            for index, byte in enumerate(right, where - self._position):
                if 0 <= index < len(content):
                    content[index] = byte
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)


def _at(stream: BinaryIO, position: int, n_bytes: int) -> bytes:
    stream.seek(min(position, _FARTHEST))  # damaged sizes lead beyond what a file can have
    return stream.read(n_bytes)


def _chunked_parts(stream: BinaryIO, start: int, end: int) -> Iterator[Part]:
    """Files of chunks, each with its size: WAV, RF64, W64, AIFF and CAF."""
    while start < end:
        part = _chunked_part(stream, start, end)
        yield part
        start = part.stop


def _chunked_part(stream: BinaryIO, start: int, end: int) -> Part:
    """One file of chunks, to its end or to where the next one begins."""
    magic = _at(stream, start, 4)
    kind = _CHUNKED[magic]
    head = struct.calcsize(kind.layout)
    position = start + kind.header
    long_size: int | None = None  # where RF64 keeps a size that does not fit into 32 bits
    patch: tuple[int, bytes] | None = None
    stated: float | None = None
    while (chunk := _chunk(stream, position, end, kind)) is not None:
        name, size = chunk
        if magic in (b"RF64", b"BW64") and name == b"ds64":
            long_size = position + head + 8
        position += head
        if name[:4] != kind.sound:
            position += size + -(position + size - start) % kind.alignment
            continue
        layout = kind.layout[0] + kind.layout[-1]
        size_at = position - struct.calcsize(layout)
        if long_size is not None and size == 0xFFFFFFFF:
            size_at, layout = long_size, "<Q"
            (size,) = struct.unpack(layout, _at(stream, size_at, 8))
        stop = _end_of_sound(stream, position, size, end, kind)
        held = stop - position
        if held and not (size > held and size >= _UNKNOWN_SIZE[layout[-1]]):
            stated = size / held
        if size < held:
            right = held + (head if kind.size_counts_header else 0)
            most = (1 << 8 * struct.calcsize(layout)) - 1
            patch = (size_at - start, struct.pack(layout, min(right, most)))
        position = stop + -(stop - start) % kind.alignment
    return Part(start, position if _is_start(stream, position) else end, patch, stated)


def _chunk(stream: BinaryIO, position: int, end: int, kind: _Chunks) -> tuple[bytes, int] | None:
    """Name and size of the contents of the chunk here, if there is one."""
    head = struct.calcsize(kind.layout)
    if position + head > end or _is_start(stream, position):
        return None
    name, size = struct.unpack(kind.layout, _at(stream, position, head))
    if not all(0x20 <= byte < 0x7F for byte in name[:4]):
        return None
    return name, max(0, size - head) if kind.size_counts_header else size


def _is_start(stream: BinaryIO, position: int) -> bool:
    """Whether another file begins here."""
    head = _at(stream, position, 12)
    return (head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:12] == b"WAVE") or (
        head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC")
    )


def _end_of_sound(stream: BinaryIO, begin: int, size: int, end: int, kind: _Chunks) -> int:
    """Where the sound ends that a header states to have this size.

    It ends there if a chunk, a tag, another file or nothing follows. Else the header was written
    before the sound was complete, and the sound goes on to the end.
    """
    stop = begin + size
    if stop >= end:
        return end
    behind = stop + -size % kind.alignment
    rest = _at(stream, behind, _WINDOW)
    if not rest.strip(b"\0") or rest.startswith(_TAGS) or _is_start(stream, behind):
        return stop
    chunk = _chunk(stream, behind, end, kind)
    fits = chunk is not None and behind + struct.calcsize(kind.layout) + chunk[1] <= end + 1
    return stop if fits else end


def _au_parts(stream: BinaryIO, start: int, end: int) -> Iterator[Part]:
    """Files of AU: a header that says where the sound begins and how long it is, and the sound."""
    while start < end:
        head = _at(stream, start, 12)
        offset, size = struct.unpack(">4xII", head) if len(head) == 12 else (0, _AU_UNKNOWN)
        begin = start + offset
        held = end - begin
        if size == _AU_UNKNOWN or held <= 0:
            yield Part(start, end)
            return
        stop = begin + size
        rest = _at(stream, stop, _WINDOW)
        is_followed = rest.startswith((_AU, *_TAGS)) or (stop < end and not rest.strip(b"\0"))
        if is_followed:
            yield Part(start, stop, stated=1.0 if size else None)
        else:
            patch = (8, struct.pack(">I", held)) if size < held < _AU_UNKNOWN else None
            yield Part(start, end, patch, stated=size / held)
        start = stop if rest.startswith(_AU) else end


class _OggLink:
    """A link of a chain of Ogg streams: what its pages say of themselves.

    Parameters
    ----------
    start : int
        Of its bytes in the file.
    """

    def __init__(self, start: int) -> None:
        self._start, self._n_lost = start, 0
        self._following: dict[bytes, int] = {}  # stream → the number that its next page should have
        self._reached: dict[bytes, int] = {}  # stream → the position in time at its last page
        self._ended: set[bytes] = set()

    def take(self, page: bytes) -> None:
        """Note what a page tells, and what is wrong about it: RFC 3533, section 6."""
        flags, stream = page[5], page[14:18]
        position, number = struct.unpack("<q4xI", page[6:22])
        is_odd = page[4] != 0 or _ogg_checksum(page) != page[22:26] or stream in self._ended
        is_odd |= stream not in self._following and not flags & 2  # of a stream that never began
        if position != -1:  # some packet ends on the page
            is_odd |= position < self._reached.get(stream, position)
            self._reached[stream] = position
        missing = number - self._following.get(stream, number)
        self._n_lost += max(missing, int(is_odd or missing < 0))
        self._following[stream] = number + 1
        if flags & 4:
            self._ended.add(stream)

    def part(self, stop: int) -> Part:
        """The bytes of the link."""
        return Part(self._start, stop, is_cut=not self._ended, n_lost=self._n_lost)


def _ogg_parts(stream: BinaryIO, start: int, end: int) -> Iterator[Part]:
    """Links of a chain: each begins with pages that say so, and ends with one that says so."""
    link, position, in_head = _OggLink(start), start, True
    while (position := _next_page(stream, position, end)) < end:
        head = _at(stream, position, 27)
        segments = _at(stream, position + 27, head[26]) if len(head) == 27 else b""
        size = 27 + len(segments) + sum(segments)
        page = _at(stream, position, size)
        if len(page) < max(size, 27):  # cut short
            break
        begins = bool(page[5] & 2)
        if begins and not in_head:
            yield link.part(position)
            link = _OggLink(position)
        in_head = begins
        link.take(page)
        position += size
    yield link.part(end)


_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def _ogg_checksum(page: bytes) -> bytes:
    """CRC-32 of a page with zeros in its place, as RFC 3533 (section 6) defines it.

    zlib takes the lowest bit of a byte first and Ogg the highest, so that all bytes are turned;
    Ogg inverts the register neither before nor after.
    """
    turned = (page[:22] + bytes(4) + page[26:]).translate(_REVERSED)
    register = zlib.crc32(turned, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return register.to_bytes(4, "big").translate(_REVERSED)


def _next_page(stream: BinaryIO, position: int, end: int) -> int:
    """The next page from here; the end where there is none."""
    while position < end:
        found = _at(stream, position, _WINDOW).find(b"OggS")
        if found >= 0:
            return position + found
        position += _WINDOW - 3
    return end


def _mp4_parts(stream: BinaryIO, start: int, end: int) -> list[Part]:
    """MP4 files behind each other: each begins with the box `ftyp`."""
    starts, position = [], start
    while position + 8 <= end:
        size, name = struct.unpack(">I4s", _at(stream, position, 8))
        if name == b"ftyp":
            starts.append(position)
        if size == 1:
            (size,) = struct.unpack(">Q", _at(stream, position + 8, 8).ljust(8, b"\0"))
        if size < 8:  # 0: the box goes on to the end
            break
        position += size
    stops = [*starts[1:], end]
    return [Part(a, b, is_cut=b == end < position) for a, b in zip(starts, stops, strict=True)]


def _matroska_end(stream: BinaryIO, start: int) -> int:
    """Where a Matroska or WebM file says that it ends; 0 where a recorder did not know it."""
    size, content = _ebml_size(stream, start + len(_EBML))
    segment = content + (size or 0)
    if size is None or _at(stream, segment, 4) != _SEGMENT:
        return 0
    size, content = _ebml_size(stream, segment + len(_SEGMENT))
    return 0 if size is None else content + size


def _ebml_size(stream: BinaryIO, position: int) -> tuple[int | None, int]:
    """A size, as many bytes long as its first one has leading zeros and one more; what follows it.

    All bits set mean that the size is not known.
    """
    first = int.from_bytes(_at(stream, position, 1), "big")
    length = 9 - first.bit_length()
    bits = (1 << 7 * length) - 1
    size = int.from_bytes(_at(stream, position, length), "big") & bits
    return (size if first and size != bits else None), position + length
