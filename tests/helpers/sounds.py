"""Tones, and the files that programs make of them, the odd ones too."""

import struct
from collections.abc import Mapping
from fractions import Fraction
from io import BytesIO

import av
import numpy as np
import numpy.typing as npt
import soundfile

from analysis.speech.audio import SAMPLING_RATE, Audio

Signal = npt.NDArray[np.floating]


def tone(hertz: float, rate: int, seconds: float = 2.0, amplitude: float = 0.5) -> Signal:
    """A sine, shape (n,)."""
    return amplitude * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)


def written(
    signal: Signal,
    rate: int,
    kind: str = "WAV",
    subtype: str | None = None,
    endian: str | None = None,
) -> bytes:
    """What libsndfile writes of samples of shape (n,) or (n, channels)."""
    buffer = BytesIO()
    soundfile.write(buffer, signal, rate, format=kind, subtype=subtype, endian=endian)
    return buffer.getvalue()


def encoded(
    signal: Signal,
    rate: int,
    container: str,
    codec: str,
    *,
    xing: bool = True,
    options: Mapping[str, str] | None = None,
) -> bytes:
    """What FFmpeg writes of samples of shape (n,) or (channels, n)."""
    buffer = BytesIO()
    rows = np.ascontiguousarray(np.atleast_2d(signal).astype(np.float32))
    layout = "mono" if len(rows) == 1 else "stereo"
    muxing = {"write_xing": str(int(xing))} if container == "mp3" else {}
    with av.open(buffer, "w", format=container, options=muxing) as output:
        stream = output.add_stream(codec, rate=rate, options=dict(options or {}))
        assert isinstance(stream, av.AudioStream)
        stream.layout = layout
        frame = av.AudioFrame.from_ndarray(rows, "fltp", layout)
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            output.mux(packet)
    return buffer.getvalue()


def film(signal: Signal, rate: int, container: str, *, seconds: int = 4) -> bytes:
    """A film of noise that long, with samples of shape (n,) as its sound track."""
    buffer = BytesIO()
    with av.open(buffer, "w", format=container) as output:
        picture = output.add_stream("mpeg4", rate=10)
        track = output.add_stream("aac", rate=rate)
        assert isinstance(picture, av.VideoStream)
        assert isinstance(track, av.AudioStream)
        picture.width = picture.height = 32
        track.layout = "mono"
        generator = np.random.default_rng(0)
        for _ in range(10 * seconds):
            pixels = generator.integers(0, 255, (32, 32, 3)).astype(np.uint8)
            output.mux(picture.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        frame = av.AudioFrame.from_ndarray(signal.astype(np.float32)[None], "fltp", "mono")
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        output.mux([*picture.encode(None), *track.encode(frame), *track.encode(None)])
    return buffer.getvalue()


def mp3(signal: Signal, rate: int, *, xing: bool = True, variable: bool = False) -> bytes:
    """An MP3, with or without the header that counts its frames, of constant or variable rate."""
    quality = {"flags": "+qscale", "global_quality": "236"} if variable else {}
    return encoded(signal, rate, "mp3", "libmp3lame", xing=xing, options=quality)


def claiming(wav: bytes, size: int) -> bytes:
    """A WAV whose header states another size of its samples, in bytes."""
    at = wav.index(b"data") + 4
    whole = min(size + 36, 0xFFFFFFFF)
    return wav[:4] + struct.pack("<I", whole) + wav[8:at] + struct.pack("<I", size) + wav[at + 4 :]


def counting(flac: bytes, n_samples: int) -> bytes:
    """A FLAC whose header states another number of samples, below 2**32; 0 for unknown."""
    assert flac[:4] == b"fLaC"
    return flac[:21] + bytes([flac[21] & 0xF0]) + struct.pack(">I", n_samples) + flac[26:]


def id3v2(n_bytes: int = 500) -> bytes:
    """A tag as programs put it before a file of any format."""
    size = bytes([(n_bytes >> shift) & 0x7F for shift in (21, 14, 7, 0)])
    return b"ID3\x03\0\0" + size + bytes(n_bytes)


ID3V1 = b"TAG" + b"x" * 125
"""A tag as programs put it behind a file."""


def pitches(audio: Audio, seconds: float = 0.5) -> list[int]:
    """The loudest frequency of each stretch that long, in Hz, without the last one."""
    n = round(seconds * SAMPLING_RATE)
    stretches = [audio.samples[i : i + n] for i in range(0, len(audio.samples) - n + 1, n)]
    spectra = [np.abs(np.fft.rfft(part * np.hanning(n))) for part in stretches]
    return [round(float(np.argmax(spectrum)) / seconds) for spectrum in spectra]
