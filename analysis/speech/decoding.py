"""Decodes the parts of a sound file block by block, whatever their headers claim.

libsndfile (through soundfile) is tried first on WAV, AIFF, FLAC and Ogg; FFmpeg (through PyAV) on
everything else, MP3 among it, whose end libsndfile takes from the header. What the first refuses
goes to the second.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple, cast

import av
import numpy as np
import numpy.typing as npt
import soundfile

from analysis.speech.containers import (
    KNOWN_TO_LIBSNDFILE,
    Part,
    PartStream,
    begins_as,
    behind_tags,
    find_parts,
)

Samples = npt.NDArray[np.float32]

# FFmpeg also "demuxes" playlists (HLS, concat, DASH, SDP), which name other files and addresses for
# it to open. A stranger's upload must not be able to do that, so only self-contained formats pass.
_FFMPEG_FORMATS = "aac,ac3,aiff,amr,asf,avi,caf,flac,matroska,mov,mp3,mp4,ogg,w64,wav,webm"
_BLOCK_FRAMES = 1 << 18
_BLOCK_SAMPLES = 1 << 21
"""Of all channels together, whatever their number."""
_GATHERED_FRAMES = 1 << 15
_UNKNOWN_LENGTH = 1 << 60  # libsndfile says 2**63 - 1 where a header holds no length
_HIGHEST_RATE = 3_000_000  # of DSD; a filter for a rate of gigahertz would take seconds to design
_MP3_HEAD = 1 << 12
_WITH_LENGTH = ("flac", "matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2", "asf", "avi", "caf")


class Unreadable(Exception):
    """A decoder can make nothing, or not all, of a file."""


class NoSoundTrack(Exception):
    """A film has no sound."""


class TooLong(Exception):
    """A file lasts longer than was asked for."""


class Block(NamedTuple):
    """A stretch of decoded sound.

    Parameters
    ----------
    frames : ndarray of float32, shape (n, channels)
        Full scale is ±1.
    sampling_rate : int
        Hz.
    """

    frames: Samples
    sampling_rate: int


@dataclass(slots=True)
class Findings:
    """What decoding finds out about a file beside its sound; filled in as the blocks come.

    Parameters
    ----------
    n_parts : int
        Sound files in the file.
    stated_seconds : float or None
        Length by the headers; None where one states none.
    is_cut : bool
        Whether the end of a stream is missing.
    n_damaged : int
        Packets and pages that could not be decoded and were left out.
    """

    n_parts: int = 1
    stated_seconds: float | None = 0.0
    is_cut: bool = False
    n_damaged: int = 0

    def state(self, seconds: float | None) -> None:
        """Add what the header of one part states."""
        known = self.stated_seconds is not None and seconds is not None
        self.stated_seconds = self.stated_seconds + seconds if known else None  # type: ignore[operator]


Decoder = Callable[[PartStream, Part, Findings, float], Iterator[Block]]


def decoders(stream: BinaryIO) -> tuple[Decoder, Decoder]:
    """Both decoders, the better one for this file first."""
    is_known = begins_as(stream) in KNOWN_TO_LIBSNDFILE
    return (_libsndfile, _ffmpeg) if is_known else (_ffmpeg, _libsndfile)


def decode(
    stream: BinaryIO, decoder: Decoder, findings: Findings, max_seconds: float
) -> Iterator[Block]:
    """Decode all parts of a file, one after the other.

    Parameters
    ----------
    stream : binary file, seekable
    decoder : Decoder
        One of `decoders`.
    findings : Findings
        Is filled in; complete when the last block has come.
    max_seconds : float
        Of all parts together. Lengths that headers state count for nothing here.

    Yields
    ------
    Block

    Raises
    ------
    Unreadable
        Where this decoder does not give all of the sound that is there.
    NoSoundTrack, TooLong
    """
    parts = find_parts(stream)
    findings.n_parts = len(parts)
    n_blocks, seconds = 0, 0.0
    for part in parts:
        findings.is_cut |= part.is_cut
        findings.n_damaged += part.n_lost
        try:
            for block in decoder(PartStream(stream, part), part, findings, max_seconds):
                if not 1 <= block.sampling_rate <= _HIGHEST_RATE:
                    raise Unreadable(f"it states a sampling rate of {block.sampling_rate} Hz")
                n_blocks += 1
                seconds += len(block.frames) / block.sampling_rate
                if seconds > max_seconds + 1e-6:  # sums of fractions are not exact
                    raise TooLong
                yield block
        except (soundfile.SoundFileError, av.error.FFmpegError, ValueError, RuntimeError) as error:
            # The other decoder has not been tried, or nothing came before.
            if decoder is _libsndfile or not n_blocks:
                raise Unreadable(str(error)) from error
            findings.n_damaged += 1


def _libsndfile(
    stream: PartStream, part: Part, findings: Findings, max_seconds: float
) -> Iterator[Block]:
    if part.n_lost:
        raise Unreadable("libsndfile plays on behind a lost page, and its end twice")
    with soundfile.SoundFile(stream) as file:
        rate, n_frames = file.samplerate, 0
        if file.subtype.startswith("MPEG"):
            raise Unreadable("the length of an MP3 is only known when it has been decoded")
        if part.stated is not None and file.frames / rate > max_seconds:  # by its bytes
            raise TooLong
        size = max(1, min(_BLOCK_FRAMES, _BLOCK_SAMPLES // file.channels))
        while len(frames := file.read(size, dtype="float32", always_2d=True)):
            n_frames += len(frames)
            yield Block(frames, rate)
        if file.format == "FLAC":
            if stream.tell() < part.stop - part.start:
                raise Unreadable("the file goes on behind the end that its header states")
            is_stated = file.frames < _UNKNOWN_LENGTH
            findings.state(file.frames / rate if is_stated else None)
        else:
            findings.state(None if part.stated is None else part.stated * n_frames / rate)


def _ffmpeg(
    stream: PartStream, part: Part, findings: Findings, max_seconds: float
) -> Iterator[Block]:
    n_mp3_frames = _mp3_frames(stream)
    stream.seek(0)
    options = {"format_whitelist": _FFMPEG_FORMATS}
    with av.open(stream, "r", metadata_errors="replace", options=options) as container:
        if not container.streams.audio:
            raise NoSoundTrack
        seconds, rate = 0.0, 1
        for block in _gathered(_frames(container, findings)):
            rate = block.sampling_rate
            seconds += len(block.frames) / rate
            yield block
        if part.stated is not None:
            findings.state(part.stated * seconds)
        elif container.format.name == "mp3" and n_mp3_frames:
            findings.state(n_mp3_frames * (1152 if rate >= 32_000 else 576) / rate)
        else:
            findings.state(_stated_seconds(container))


def _stated_seconds(container: av.container.InputContainer) -> float | None:
    """Length of the sound track by the header, where it has one that FFmpeg has not guessed."""
    track = container.streams.audio[0]
    if container.format.name not in _WITH_LENGTH:
        return None
    if track.duration is not None and track.time_base is not None:
        return float(track.duration * track.time_base)
    if container.duration is None or container.streams.video:  # the film may be longer
        return None
    return container.duration / av.time_base


def _mp3_frames(stream: PartStream) -> int | None:
    """Frames by the header that encoders put into the first frame of an MP3 (Xing, Info, VBRI)."""
    stream.seek(behind_tags(cast(BinaryIO, stream)))
    head = stream.read(_MP3_HEAD) or b""
    for mark, count in ((b"Xing", 8), (b"Info", 8), (b"VBRI", 14)):
        at = head.find(mark)
        if at >= 0 and len(head) >= at + 18:
            has_count = mark == b"VBRI" or head[at + 7] & 1
            return int.from_bytes(head[at + count :][:4], "big") if has_count else None
    return None


def _frames(container: av.container.InputContainer, findings: Findings) -> Iterator[Block]:
    """What FFmpeg decodes, packet by packet; packets that it cannot decode are counted."""
    packets = container.demux(container.streams.audio[0])
    # Where two MP3s meet, the first frames lean on bits that are not there; that is no damage.
    patience = 2 if container.format.name == "mp3" else 0
    n_whole = n_damaged = n_in_a_row = 0
    refusal: av.error.FFmpegError | None = None
    kind: tuple[object, ...] | None = None
    while True:
        try:
            packet = next(packets, None)
            frames = packet.decode() if packet is not None else []
        except av.error.FFmpegError as error:
            n_damaged, n_in_a_row, refusal = n_damaged + 1, n_in_a_row + 1, error
            findings.n_damaged += n_in_a_row > patience
            continue
        if packet is None:
            break
        if frames:
            n_whole, n_in_a_row = n_whole + 1, 0
        for frame in frames:
            assert isinstance(frame, av.AudioFrame)
            channels = frame.layout.nb_channels
            if (found := (frame.sample_rate, frame.layout.name, frame.format.name)) != kind:
                to_float = av.AudioResampler(format="flt")  # it changes the sample format alone
                kind = found
            for part in to_float.resample(frame):
                floats = part.to_ndarray().astype(np.float32, copy=False)
                yield Block(floats.reshape(-1, channels), frame.sample_rate)
    if refusal is not None and n_damaged >= n_whole:
        raise refusal


def _gathered(blocks: Iterator[Block]) -> Iterator[Block]:
    """The same sound in fewer blocks: FFmpeg's frames last some 20 ms."""
    held: list[Block] = []
    n_frames = 0
    for block in blocks:
        if held and (n_frames >= _GATHERED_FRAMES or not _alike(held[0], block)):
            yield Block(np.concatenate([b.frames for b in held]), held[0].sampling_rate)
            held, n_frames = [], 0
        held.append(block)
        n_frames += len(block.frames)
    if held:
        yield Block(np.concatenate([b.frames for b in held]), held[0].sampling_rate)


def _alike(one: Block, other: Block) -> bool:
    return (one.sampling_rate, one.frames.shape[1]) == (other.sampling_rate, other.frames.shape[1])
