"""Reads whatever sound file a person has and hands the models one thing: mono float32 at 16 kHz.

The content decides how a file is decoded, never its extension or what its header claims. Files are
decoded, mixed down and resampled block by block, so that memory grows with the seconds of speech,
not with channels and sampling rate. What a person should know of the way a file was read, the
`notes` of its `Audio` say.
"""

import os
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np
import soxr

from analysis.errors import UserError
from analysis.progress import UNWATCHED, Watch
from analysis.speech.decoding import (
    Decoder,
    Findings,
    NoSoundTrack,
    Samples,
    TooLong,
    Unreadable,
    decode,
    decoders,
)
from analysis.speech.mixing import Mixer

__all__ = ["Audio", "Samples", "read_audio"]

SAMPLING_RATE = 16_000
"""Samples per second of every `Audio`; what all supported models were trained on."""
READING = "2"
"""To be raised when a file gives other samples than before: what was transcribed is then old."""
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

FAR_BEYOND = 2.0
"""Peak amplitude from which on samples are scaled down: lossy formats and mixing overshoot full
scale by less, and files of floating-point numbers may have any scale."""

_FORMATS_READ = "WAV, FLAC, OGG, OPUS, MP3, AIFF, M4A, AAC, MP4 or WebM"
_LONGEST_NAME = 120
_NOTHING: Samples = np.zeros(0, np.float32)


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
        Hz, in the file; at its beginning, where it changes.
    original_channels : int
        In the file, likewise.
    notes : tuple of str
        Sentences that a person should see beside the sound: what the file lacks, and what was done
        to read it.
    is_whole : bool
        Whether all of the sound is there that the file promises; if not, the first note says why.
    """

    name: str
    samples: Samples
    original_sampling_rate: int
    original_channels: int
    notes: tuple[str, ...] = ()
    is_whole: bool = True

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.samples) / SAMPLING_RATE


def read_audio(
    source: str | Path | bytes,
    *,
    name: str | None = None,
    max_seconds: float = MAX_SECONDS,
    watch: Watch = UNWATCHED,
) -> Audio:
    """Decode a sound file, mix it down to one channel and resample it to 16 kHz.

    Parameters
    ----------
    source : str, Path or bytes
        The path of a file, or the content of one (an upload).
    name : str, optional
        Label; by default the file's name. Directories and control characters are cut off it.
    max_seconds : float
        Longer audio is refused as soon as that much of it has been decoded; WAV and its like
        before that.
    watch : Watch
        Cancelling works between blocks.

    Returns
    -------
    Audio

    Raises
    ------
    UserError
        Where there is no usable sound: no such file, empty, not audio, damaged, no sound track, no
        samples, NaN or infinite samples, too short, too long, silent.
    Cancelled
    """
    if isinstance(source, bytes):
        label = _label(name or "audio")
        return _read(BytesIO(source), label, max_seconds, watch)
    path = Path(os.path.expanduser(source))
    label = _label(name or path.name)
    try:
        with path.open("rb") as stream:
            return _read(stream, label, max_seconds, watch)
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


def _read(stream: BinaryIO, label: str, max_seconds: float, watch: Watch) -> Audio:
    if not stream.read(1):
        raise UserError(
            f"The file “{label}” is empty.", "Check that the recording or upload was complete."
        )
    refusals: list[str] = []
    for decoder in decoders(stream):
        try:
            sound = _join(stream, decoder, Mixer(), max_seconds, watch)
            if sound.mixer.cancels:
                alone = Mixer(sound.mixer.loudest)
                sound = _join(stream, decoder, alone, max_seconds, watch)
        except Unreadable as refusal:
            refusals.append(str(refusal))
        except NoSoundTrack:
            raise UserError(
                f"The file “{label}” has no sound track.", "Choose a file that holds sound."
            ) from None
        except TooLong:
            raise UserError(
                f"The file “{label}” is longer than the limit of {_spoken(max_seconds)}.",
                f"Cut it into pieces of at most {_spoken(max_seconds)}.",
            ) from None
        else:
            return _checked(sound, label)
    raise UserError(
        f"The file “{label}” is not audio that can be read, or it is damaged.",
        f"Convert it to {_FORMATS_READ}; if it is one of these, copy or upload it again.",
        "; ".join(refusals),
    )


@dataclass(frozen=True, slots=True)
class _Sound:
    """All of a file, before anybody has judged it."""

    samples: Samples
    seconds: float
    formats: list[tuple[int, int]]  # sampling rate and channels, from one change to the next
    mixer: Mixer
    findings: Findings

    @property
    def difference(self) -> float:
        """Seconds that it holds more than its headers state; 0 where that is not known, or little.

        Encoders round up to frames, and MP3's state those that they put before and behind.
        """
        stated = self.findings.stated_seconds
        tolerance = max(MIN_SECONDS, 3 * 1152 / self.formats[0][0]) if self.formats else 0.0
        difference = 0.0 if stated is None else self.seconds - stated
        return difference if abs(difference) > tolerance else 0.0


def _join(
    stream: BinaryIO, decoder: Decoder, mixer: Mixer, max_seconds: float, watch: Watch
) -> _Sound:
    """Decode a file, mix its blocks down and resample them as one stream at each rate."""
    findings, seconds = Findings(), 0.0
    formats: list[tuple[int, int]] = []
    resampled = [_NOTHING]
    resampler: soxr.ResampleStream | None = None
    for block in decode(stream, decoder, findings, max_seconds):
        watch.check()
        rate, found = block.sampling_rate, (block.sampling_rate, block.frames.shape[1])
        if not formats or found != formats[-1]:
            if resampler is not None and rate != formats[-1][0]:
                resampled.append(resampler.resample_chunk(_NOTHING, last=True))
                resampler = None
            formats.append(found)
        if resampler is None:
            resampler = soxr.ResampleStream(rate, SAMPLING_RATE, 1, dtype="float32")
        resampled.append(resampler.resample_chunk(mixer.mix(block.frames)))
        seconds += len(block.frames) / rate
    if resampler is not None:
        resampled.append(resampler.resample_chunk(_NOTHING, last=True))
    return _Sound(np.concatenate(resampled), seconds, formats, mixer, findings)


def _checked(sound: _Sound, label: str) -> Audio:
    """Refuse what no model can make words of; note what a person should know of the rest."""
    samples, mixer = sound.samples, sound.mixer
    if not sound.seconds:
        raise UserError(
            f"The file “{label}” holds no samples.", "Check that the recording was complete."
        )
    if sound.seconds < MIN_SECONDS:
        raise UserError(
            f"The file “{label}” lasts only {1000 * sound.seconds:.0f} ms.",
            f"Choose one of at least {MIN_SECONDS} s.",
        )
    if not np.isfinite([mixer.low, mixer.high, samples.min(), samples.max()]).all():
        raise UserError(
            f"The file “{label}” holds samples that are not numbers (NaN or infinite).",
            "Export it again, as 16-bit WAV or FLAC.",
        )
    if mixer.peak > FAR_BEYOND:
        samples = samples / np.float32(mixer.peak)
    lacks = _lacks(sound)
    audio = Audio(label, samples, *sound.formats[0], (*lacks, *_notes(sound)), not lacks)
    # Half the range, not the largest magnitude: a constant offset is silence too, and resampling
    # makes it ring at its ends.
    full_scale = mixer.peak if mixer.peak > FAR_BEYOND else 1.0
    if min(float(np.ptp(samples)), (mixer.high - mixer.low) / full_scale) / 2 < SILENCE_PEAK:
        raise UserError(
            f"The file “{label}” is silent: nothing in it is louder than -80 dB.",
            "Check the microphone, or choose another file.",
        )
    return audio


def _lacks(sound: _Sound) -> list[str]:
    """What is missing of the sound, in sentences."""
    findings, sentences = sound.findings, []
    if findings.is_cut:
        sentences.append("The file was cut short: the end of its stream is missing.")
    elif sound.difference < 0:
        sentences.append(
            f"The file was cut short: its header states {findings.stated_seconds:.1f} s, and it"
            f" holds {sound.seconds:.1f} s."
        )
    if findings.n_damaged:
        sentences.append(
            "Pieces of the file are damaged, missing or in disorder; the others were read."
        )
    return sentences


def _notes(sound: _Sound) -> list[str]:
    """What was done that a person may not expect, in sentences."""
    findings, mixer, sentences = sound.findings, sound.mixer, []
    if findings.n_parts > 1:
        sentences.append(f"The file is {findings.n_parts} recordings in a row; all were read.")
    elif sound.difference > 0:
        sentences.append(
            f"The header of the file states {findings.stated_seconds:.1f} s, but it holds"
            f" {sound.seconds:.1f} s; all of it was read."
        )
    if len(sound.formats) > 1:
        sentences.append(
            "The file changes its sampling rate or its channels midway; all of it was read."
        )
    if mixer.alone:
        taken = " and ".join(f"{n + 1} of {of}" for of, n in sorted(mixer.alone.items()))
        sentences.append(
            f"The channels cancel each other when they are mixed, so channel {taken} was taken"
            " alone."
        )
    if mixer.peak > FAR_BEYOND:
        reach = f"{mixer.peak:,.0f}" if 10 <= mixer.peak < 1e9 else f"{mixer.peak:.2g}"
        sentences.append(
            f"The samples reach {reach}, where 1 is full scale; they were scaled down."
        )
    return sentences


def _spoken(seconds: float) -> str:
    return f"{seconds / 60:g} min" if seconds >= 60 else f"{seconds:g} s"
