"""Reads whatever sound file a person has and hands the models one thing: mono float32 at 16 kHz.

The content decides how a file is decoded, never its extension. libsndfile (through soundfile) reads
WAV, FLAC, Ogg, MP3 and AIFF; FFmpeg (through PyAV) reads M4A, AAC, MP4 and WebM and is the second
try for anything that libsndfile refuses. Files are decoded, mixed down and resampled block by
block, so that memory grows with the seconds of speech, not with channels and sampling rate.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

import av
import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from analysis.errors import UserError

SAMPLING_RATE = 16_000
"""Samples per second of every `Audio`; what all supported models were trained on."""
MAX_SECONDS = 3600.0
"""Longest file read by default: one hour, 230 MB of samples."""
MIN_SECONDS = 0.1
"""Shortest file read; a phone lasts about this long."""
SILENCE_PEAK = 10 ** (-80 / 20)
"""Peak amplitude below which audio counts as silent: -80 dB of full scale, 3 steps of 16 bits."""

SUPPORTED_EXTENSIONS: tuple[str, ...] = (
    *(".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif"),
    *(".m4a", ".mp4", ".aac", ".webm", ".mka", ".mkv", ".mov"),
)
"""What a file chooser offers. Reading does not look at it."""

_FORMATS_READ = "WAV, FLAC, OGG, OPUS, MP3, AIFF, M4A, AAC, MP4 or WebM"
# FFmpeg also "demuxes" playlists (HLS, concat, DASH, SDP), which name other files and addresses for
# it to open. A stranger's upload must not be able to do that, so only self-contained formats pass.
_FFMPEG_FORMATS = "aac,ac3,aiff,amr,asf,avi,caf,flac,matroska,mov,mp3,mp4,ogg,w64,wav,webm"
_BLOCK_FRAMES = 1 << 18
_UNKNOWN_LENGTH = 1 << 60  # libsndfile says 2**63 - 1 where a header holds no length
_LONGEST_NAME = 120

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Audio:
    """Sound, ready for a model.

    Parameters
    ----------
    name : str
        Label, for people; never a path to open.
    samples : ndarray of float32, shape (n,)
        Mono at `SAMPLING_RATE`, full scale ±1.
    original_sampling_rate : int
        Hz, in the file.
    original_channels : int
        In the file.
    """

    name: str
    samples: Samples
    original_sampling_rate: int
    original_channels: int

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.samples) / SAMPLING_RATE


def read_audio(
    source: str | Path | bytes, *, name: str | None = None, max_seconds: float = MAX_SECONDS
) -> Audio:
    """Decode a sound file, mix it down to one channel and resample it to 16 kHz.

    Parameters
    ----------
    source : str, Path or bytes
        The path of a file, or the content of one (an upload).
    name : str, optional
        Label; by default the file's name. Directories and control characters are cut off it.
    max_seconds : float
        Longer audio is refused, before it is decoded wherever the file states its length.

    Returns
    -------
    Audio

    Raises
    ------
    UserError
        Where there is no usable sound: no such file, empty, not audio, damaged, no sound track, no
        samples, NaN or infinite samples, too short, too long, silent.
    """
    if isinstance(source, bytes):
        label = _label(name or "audio")
        return _read(BytesIO(source), label, max_seconds)
    path = Path(os.path.expanduser(source))
    label = _label(name or path.name)
    try:
        with path.open("rb") as stream:
            return _read(stream, label, max_seconds)
    except OSError as error:
        raise UserError(
            f"The file “{label}” cannot be opened.",
            "Check that it exists and that you may read it.",
            str(error),
        ) from error


def _label(name: str) -> str:
    """Cut a client's file name down to something that is safe to show."""
    last = PurePosixPath(name.replace("\\", "/")).name
    return "".join(c for c in last if c.isprintable())[:_LONGEST_NAME] or "audio"


class _Block(NamedTuple):
    """A stretch of decoded sound, already mixed down."""

    mono: Samples
    sampling_rate: int
    channels: int


def _read(stream: BinaryIO, label: str, max_seconds: float) -> Audio:
    if not stream.read(1):
        raise UserError(
            f"The file “{label}” is empty.", "Check that the recording or upload was complete."
        )
    stream.seek(0)
    try:
        audio = _join(_soundfile_blocks(stream, label, max_seconds), label, max_seconds)
    except soundfile.SoundFileError as refusal:
        stream.seek(0)
        try:
            audio = _join(_ffmpeg_blocks(stream, label, max_seconds), label, max_seconds)
        except av.error.FFmpegError as error:
            raise UserError(
                f"The file “{label}” is not audio that can be read, or it is damaged.",
                f"Convert it to {_FORMATS_READ}; if it is one of these, copy or upload it again.",
                f"libsndfile: {refusal}; FFmpeg: {error}",
            ) from error
    _check_heard(audio)
    return audio


def _soundfile_blocks(stream: BinaryIO, label: str, max_seconds: float) -> Iterator[_Block]:
    with soundfile.SoundFile(stream) as file:
        rate = file.samplerate
        if file.frames < _UNKNOWN_LENGTH:
            _check_not_too_long(file.frames / rate, label, max_seconds)
        while len(frames := file.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)):
            yield _Block(frames.mean(axis=1), rate, file.channels)


def _ffmpeg_blocks(stream: BinaryIO, label: str, max_seconds: float) -> Iterator[_Block]:
    options = {"format_whitelist": _FFMPEG_FORMATS}
    with av.open(stream, "r", metadata_errors="replace", options=options) as container:
        if not container.streams.audio:
            raise UserError(
                f"The file “{label}” has no sound track.", "Choose a file that holds sound."
            )
        if container.duration is not None:  # a browser's own recording (WebM) does not say
            _check_not_too_long(container.duration / av.time_base, label, max_seconds)
        to_float = av.AudioResampler(format="flt")  # changes the sample format, nothing else
        for frame in container.decode(audio=0):
            channels = frame.layout.nb_channels
            for part in to_float.resample(frame):
                interleaved = part.to_ndarray().reshape(-1, channels)
                yield _Block(interleaved.mean(axis=1), frame.sample_rate, channels)


def _join(blocks: Iterator[_Block], label: str, max_seconds: float) -> Audio:
    """Check the blocks, resample them as one stream and put them together."""
    first: _Block | None = None
    n_frames = 0
    resampled: list[Samples] = []
    for block in blocks:
        if first is None:
            first = block
            stream = soxr.ResampleStream(first.sampling_rate, SAMPLING_RATE, 1, dtype="float32")
        elif (block.sampling_rate, block.channels) != (first.sampling_rate, first.channels):
            raise UserError(
                f"The file “{label}” changes its sampling rate or its channels midway.",
                "Convert it to WAV first.",
            )
        if not np.isfinite(block.mono).all():
            raise UserError(
                f"The file “{label}” holds samples that are not numbers (NaN or infinite).",
                "Export it again, as 16-bit WAV or FLAC.",
            )
        n_frames += len(block.mono)
        # Again while decoding: headers are missing, and headers lie.
        _check_not_too_long(n_frames / block.sampling_rate, label, max_seconds)
        resampled.append(stream.resample_chunk(block.mono))
    if first is None:
        raise UserError(
            f"The file “{label}” holds no samples.", "Check that the recording was complete."
        )
    resampled.append(stream.resample_chunk(np.zeros(0, np.float32), last=True))
    return Audio(label, np.concatenate(resampled), first.sampling_rate, first.channels)


def _check_not_too_long(seconds: float, label: str, max_seconds: float) -> None:
    if seconds > max_seconds:
        raise UserError(
            f"The file “{label}” is longer than the limit of {_spoken(max_seconds)}.",
            f"Cut it into pieces of at most {_spoken(max_seconds)}.",
            f"{seconds:.1f} s against {max_seconds:.1f} s",
        )


def _check_heard(audio: Audio) -> None:
    """Refuse what no model can make words of: a click, or silence."""
    if audio.duration < MIN_SECONDS:
        raise UserError(
            f"The file “{audio.name}” lasts only {1000 * audio.duration:.0f} ms.",
            f"Choose one of at least {MIN_SECONDS} s.",
        )
    # Half the range, not the largest magnitude: a constant offset is silence too.
    if np.ptp(audio.samples) / 2 < SILENCE_PEAK:
        raise UserError(
            f"The file “{audio.name}” is silent: nothing in it is louder than -80 dB.",
            "Check the microphone, or choose another file.",
        )


def _spoken(seconds: float) -> str:
    return f"{seconds / 60:g} min" if seconds >= 60 else f"{seconds:g} s"
