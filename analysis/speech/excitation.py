"""Sound that sets a model's units in motion, so that what they do can be measured without data."""

import csv
import hashlib
import os
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from analysis.errors import UserError
from analysis.files import PROJECT, files_below
from analysis.plan.choices import DATA_FREE, Level
from analysis.speech.audio import SAMPLING_RATE, SUPPORTED_EXTENSIONS, Audio, Samples, read_audio

SOUND_SECONDS = 60.0
"""Length of the generated sounds, in clips of `_CLIP_SECONDS`."""

LEVEL_SECONDS: dict[Level, float] = {"quick": 120.0, "standard": 300.0, "thorough": float("inf")}
"""Of English speech at each level."""

MOST_CLIP_SECONDS = 28.0
"""Of one clip: within Whisper's window."""

_FOLDER = PROJECT / "demo" / "excitation"

_CLIP_SECONDS = 4.0

_MOST_SECONDS = 120.0  # of a person's clips: beyond that the statistics hardly move


@dataclass(frozen=True, slots=True, eq=False)
class Excitation:
    """Clips that a model's statistics are taken on.

    Parameters
    ----------
    kind : {"speech", "sounds", "calibrated"}
        See `EXCITATIONS`.
    clips : tuple of ndarray of float32, (n,)
        Mono at 16 kHz, each within a model's window.
    voices : tuple of str
        Who speaks each clip; empty where that is unknown, and every clip is then a voice of its
        own.
    languages : tuple of str
        Code of the language of each clip; empty where that is unknown.
    files : tuple of Path
        Where each clip lies; empty where it was made on the spot.
    identity : str
        SHA-256 over the samples, hexadecimal.
    """

    kind: str
    clips: tuple[Samples, ...]
    voices: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    identity: str = field(init=False)

    def __post_init__(self) -> None:
        """Hash the samples once."""
        digest = hashlib.sha256()
        for clip in self.clips:
            digest.update(len(clip).to_bytes(8, "little"))
            digest.update(np.ascontiguousarray(clip, dtype="<f4").tobytes())
        object.__setattr__(self, "identity", digest.hexdigest())

    @property
    def seconds(self) -> float:
        """Length of all clips."""
        return sum(len(clip) for clip in self.clips) / SAMPLING_RATE

    @property
    def data_free(self) -> bool:
        """Whether no data set is behind it."""
        return self.kind in DATA_FREE


def make_excitation(
    kind: str,
    *,
    seed: int = 0,
    level: Level = "standard",
    languages: Collection[str] = ("en",),
) -> Excitation:
    """The data-free excitations.

    Parameters
    ----------
    kind : {"speech", "sounds"}
        An installation without the demo folder has no shipped speech, and refuses it.
    seed : int
        Of the generated sounds.
    level : {"quick", "standard", "thorough"}
        How much of the shipped speech; see `analysis.plan.choices.LEVELS`.
    languages : collection of str
        Codes of the languages that the model knows. English is always spoken; of the others that
        ship, the same share as of the English.

    Returns
    -------
    Excitation

    Raises
    ------
    UserError
        When the shipped speech is not there, or the kind needs a person's own clips.
    """
    if kind == "sounds":
        count = round(SOUND_SECONDS / _CLIP_SECONDS)
        generator = np.random.default_rng(seed)
        return Excitation(kind, tuple(speech_like(generator, _CLIP_SECONDS) for _ in range(count)))
    if kind == "speech":
        return _shipped("fit", languages, LEVEL_SECONDS[level])
    raise UserError(
        f"The excitation {kind!r} needs clips of your own.", "Name their folder with --calibrate."
    )


def shipped_seconds(level: Level, languages: Collection[str] = ("en",)) -> float:
    """How much speech a level holds, told without reading any of it; 0 where none is installed.

    Parameters
    ----------
    level : {"quick", "standard", "thorough"}
    languages : collection of str
        See `make_excitation`.
    """
    return sum(shipped_lengths(level, languages))


def shipped_lengths(level: Level, languages: Collection[str] = ("en",)) -> list[float]:
    """Seconds of each clip of `shipped_seconds`."""
    return _lengths("fit", languages, LEVEL_SECONDS[level])


def check_seconds(languages: Collection[str] = ("en",)) -> float:
    """How much speech there is to check on, told without reading any of it."""
    return sum(_lengths("check", languages, float("inf")))


def _lengths(part: str, languages: Collection[str], most_seconds: float) -> list[float]:
    try:
        return [float(row["seconds"]) for row in _chosen(part, languages, most_seconds)]
    except UserError:
        return []


def check_excitation(
    languages: Collection[str] = ("en",), *, seconds: float = float("inf")
) -> Excitation:
    """Shipped speech by voices that no other excitation holds, to check a compressed model on.

    Parameters
    ----------
    languages : collection of str
        See `make_excitation`.
    seconds : float
        Of English; by default all that ships, some 150 s.

    Returns
    -------
    Excitation

    Raises
    ------
    UserError
        When the shipped speech is not there.
    """
    return _shipped("check", languages, seconds)


def _shipped(part: str, languages: Collection[str], most_seconds: float) -> Excitation:
    """Clips of one part, read."""
    chosen = _chosen(part, languages, most_seconds)
    files = tuple(_FOLDER / row["file_name"] for row in chosen)
    return Excitation(
        "speech",
        _read(files),
        tuple(row["voice"] for row in chosen),
        tuple(row["language"] for row in chosen),
        files,
    )


@lru_cache(maxsize=2)  # what is fitted to, and what is checked on
def _read(files: tuple[Path, ...]) -> tuple[Samples, ...]:
    with ThreadPoolExecutor() as readers:
        return tuple(audio.samples for audio in readers.map(read_audio, files))


def _chosen(part: str, languages: Collection[str], most_seconds: float) -> list[dict[str, str]]:
    """Clips of one part: English ones up to a length, others up to the same share of theirs."""
    try:
        with (_FOLDER / "metadata.csv").open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["part"] == part]
    except OSError as error:
        raise UserError(
            "The speech that ships with Coalesce is not installed.",
            "Choose the excitation “sounds”, or install Coalesce with its demo folder.",
            str(error),
        ) from error
    english = [row for row in rows if row["language"] == "en"]
    others = [row for row in rows if row["language"] != "en" and row["language"] in languages]
    share = min(1.0, most_seconds / sum(float(row["seconds"]) for row in english))
    return _first(english, share) + _first(others, share)


def _first(rows: list[dict[str, str]], share: float) -> list[dict[str, str]]:
    """The first rows that hold a share of the seconds of all."""
    wanted = share * sum(float(row["seconds"]) for row in rows)
    chosen: list[dict[str, str]] = []
    for row in rows:
        if wanted <= 0:
            break
        chosen.append(row)
        wanted -= float(row["seconds"])
    return chosen


def default_excitation() -> str:
    """The kind that is taken where none is asked for: the shipped speech, if it is installed."""
    return "speech" if (_FOLDER / "metadata.csv").is_file() else "sounds"


def calibrate_on(audios: list[Audio]) -> Excitation:
    """A person's own clips as an excitation: the first two minutes, each clip cut to a window.

    Raises
    ------
    UserError
        When there is none.
    """
    clips: list[Samples] = []
    room = round(_MOST_SECONDS * SAMPLING_RATE)
    for audio in audios:
        clip = audio.samples[: min(room, round(MOST_CLIP_SECONDS * SAMPLING_RATE))]
        if len(clip) < SAMPLING_RATE // 10:
            break
        clips.append(clip)
        room -= len(clip)
    if not clips:
        raise UserError("There is no clip to calibrate on.", "Give one clip of speech or more.")
    return Excitation("calibrated", tuple(clips))


def read_calibration(folder: str | Path) -> Excitation:
    """All sound files below a folder, in the order of their paths, as an excitation.

    Raises
    ------
    UserError
        When there is no such folder or no sound in it.
    """
    return calibrate_on(read_recordings(folder, _MOST_SECONDS))


def read_recordings(folder: str | Path, seconds: float) -> list[Audio]:
    """Sound files below a folder, in the order of their paths, until they last longer than that.

    Raises
    ------
    UserError
        When there is no such folder.
    """
    folder = Path(os.path.expanduser(folder))
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}.", "Name a folder with clips of speech.")
    paths = [p for p in files_below(folder) if p.suffix.lower() in SUPPORTED_EXTENSIONS]
    audios: list[Audio] = []
    for path in paths:
        audios.append(read_audio(path))
        if sum(audio.duration for audio in audios) > seconds:
            break
    return audios


def speech_like(generator: np.random.Generator, seconds: float) -> Samples:
    """Syllable-like sound: voiced harmonics whose pitch and formants move, hiss, bursts, pauses.

    Parameters
    ----------
    generator : numpy.random.Generator
    seconds : float

    Returns
    -------
    ndarray of float32, (n,)
        Peak 0.5.
    """
    total = round(seconds * SAMPLING_RATE)
    pitch = generator.uniform(80, 250)
    sound = np.zeros(total)
    start = 0
    while start < total:
        length = min(total - start, round(generator.uniform(0.06, 0.3) * SAMPLING_RATE))
        kind = generator.choice(["voiced", "voiced", "hiss", "burst", "pause"])
        window = np.hanning(length + 2)[1:-1] ** 0.5
        if kind == "voiced":
            sound[start : start + length] = window * _voiced(generator, length, pitch)
        elif kind == "hiss":
            sound[start : start + length] = 0.3 * window * _hiss(generator, length)
        elif kind == "burst":
            decay = np.exp(-np.arange(length) / (0.008 * SAMPLING_RATE))
            sound[start : start + length] = 0.7 * decay * _hiss(generator, length)
        start += length
    sound += 1e-4 * generator.standard_normal(total)
    return (0.5 * sound / np.abs(sound).max()).astype(np.float32)


def _voiced(generator: np.random.Generator, length: int, pitch: float) -> np.ndarray:
    """Harmonics of a gliding pitch under three gliding formants, of unit peak."""
    start, stop = generator.uniform(0.8, 1.25, size=2)
    glide = np.linspace(start, stop, length)
    phase = 2 * np.pi * np.cumsum(pitch * glide) / SAMPLING_RATE
    lows, highs = np.array([250, 800, 2000]), np.array([850, 2400, 3400])
    first, last = generator.uniform(lows, highs, size=(2, 3))
    formants = np.linspace(first, last, length)
    sound = np.zeros(length)
    for harmonic in range(1, int(4000 / pitch)):
        frequency = harmonic * pitch * glide[:, None]
        envelope = (1 / (1 + ((frequency - formants) / [80, 110, 160]) ** 2)).sum(axis=1)
        sound += envelope / harmonic**0.5 * np.sin(harmonic * phase)
    return sound / np.abs(sound).max()


def _hiss(generator: np.random.Generator, length: int) -> np.ndarray:
    """Noise around a random centre frequency, of unit peak."""
    spectrum = np.fft.rfft(generator.standard_normal(length))
    frequency = np.fft.rfftfreq(length, 1 / SAMPLING_RATE)
    centre, width = generator.uniform(1500, 6500), generator.uniform(500, 2000)
    sound = np.fft.irfft(spectrum * np.exp(-(((frequency - centre) / width) ** 2)), length)
    return sound / np.abs(sound).max()
