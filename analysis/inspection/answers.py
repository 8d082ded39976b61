"""What a unit answers to: how its activity goes with what can be told of the sound or the words."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from analysis.inspection.soundtrack import Soundtrack, Track
from analysis.speech.audio import SAMPLING_RATE, Samples
from analysis.speech.spectrogram import HOP, N_FFT, log_mel, mel_frequencies

CLEAR = 0.5
"""From this correlation on, positive or negative, what a unit answers to is told."""

LEAST_WORDS = 5
"""A word that is said less often is not looked at: one moment of a unit that is strong only there
gives a correlation of at most 1/√5 = 0.45, which is not clear."""

LEAST_POSITIONS = 100
"""Frames or tokens that a claim needs: of two, any two things go together, and 100 frames are no
more than two seconds, in which neighbours are alike."""

BANDS = (0, 300, 700, 1500, 3000, 5000, 8000)
"""Edges of the frequency bands, in Hz."""

SILENT_DB = -45.0
"""A frame further below the loudest of its clip counts as silence."""

_PITCH = 60.0, 400.0  # in Hz
_WINDOW = 640  # samples in which a period is looked for: 40 ms
_SMOOTH = 5  # frames of 10 ms over which an onset is spread

_NUMBERS = frozenset(
    [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
        "twenty",
        "thirty",
        "forty",
        "fifty",
        "sixty",
        "seventy",
        "eighty",
        "ninety",
        "hundred",
        "thousand",
    ]
)
_FUNCTION_WORDS = frozenset(
    [
        "a",
        "an",
        "the",
        "and",
        "or",
        "but",
        "of",
        "to",
        "in",
        "on",
        "at",
        "by",
        "for",
        "from",
        "with",
        "as",
        "is",
        "are",
        "was",
        "were",
        "be",
        "been",
        "it",
        "he",
        "she",
        "they",
        "we",
        "you",
        "i",
        "his",
        "her",
        "their",
        "our",
        "my",
        "your",
        "this",
        "that",
        "these",
        "those",
        "not",
        "no",
        "so",
        "if",
        "than",
        "then",
    ]
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a unit answers to.

    Parameters
    ----------
    feature : str
        For people, e.g. "voiced sound".
    correlation : float
        Pearson's, of the unit's activity with the feature over all positions, from -1 to 1.
    """

    feature: str
    correlation: float

    @property
    def sentence(self) -> str:
        """In one line, with the number."""
        verb = "Works at" if self.correlation > 0 else "Rests at"
        written = f"{self.correlation:.2f}".replace("-", "−")
        return f"{verb} {self.feature} (r = {written})."


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """What can be told of every position.

    Parameters
    ----------
    names : tuple of str
    values : ndarray of float32, (positions, features)
        Of mean 0 and variance 1; a feature that never changes is 0.
    """

    names: tuple[str, ...]
    values: np.ndarray

    def correlations(self, strengths: np.ndarray) -> np.ndarray:
        """Of each unit with each feature: (positions, units) → float32, (units, features)."""
        found: np.ndarray = _standard(strengths).T @ self.values / len(strengths)
        return found.clip(-1, 1)

    def answer(self, correlations: np.ndarray) -> Answer | None:
        """The feature that a unit goes with most, from (features,); None where it is not clear."""
        if len(self.values) < LEAST_POSITIONS:
            return None
        best = int(np.abs(correlations).argmax())
        value = float(correlations[best])
        return Answer(self.names[best], value) if abs(value) >= CLEAR else None


@lru_cache(maxsize=8)  # each click asks for those of the soundtrack on show
def find_features(soundtrack: Soundtrack, stack: str) -> Features:
    """The features of a stack: of the sound for an encoder, of the words for a decoder."""
    if stack == "decoder":
        columns = _of_words(soundtrack.tracks)
    else:
        parts = [sound_features(t.clip.samples, t.frame_seconds) for t in soundtrack.tracks]
        columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    values = np.stack(list(columns.values()), axis=1).astype(np.float32)
    return Features(tuple(columns), _standard(values))


def sound_features(samples: Samples, seconds: np.ndarray) -> dict[str, np.ndarray]:
    """What can be told of the sound around some times.

    Parameters
    ----------
    samples : ndarray of float32, (n,)
        Mono at 16 kHz.
    seconds : ndarray, (positions,)

    Returns
    -------
    dict of str to ndarray, (positions,)
        By name: loudness in dB, silence as 0 or 1, voicing as the height of the autocorrelation's
        peak at a pitch, rise and fall of the mel bands in dB, each band's level in dB beside the
        loudness, and the time within the clip.
    """
    decibels = log_mel(samples, max(1, len(samples) // HOP)).astype(np.float64)
    frames = np.clip((seconds * SAMPLING_RATE / HOP).astype(int), 0, decibels.shape[1] - 1)
    power = 10 ** (decibels / 10)
    level = 10 * np.log10(power.mean(axis=0))
    silent = level < level.max() + SILENT_DB
    change = np.diff(decibels, axis=1, prepend=decibels[:, :1])
    found = {
        "loud sound": level,
        "silence": silent.astype(float),
        "voiced sound": _voicing(samples, decibels.shape[1]) * ~silent,
        "onsets": _smooth(change.clip(min=0).mean(axis=0)),
        "ends of sounds": _smooth((-change).clip(min=0).mean(axis=0)),
    }
    centres = mel_frequencies()
    for low, high in pairwise(BANDS):
        band = power[(centres >= low) & (centres < high)].mean(axis=0)
        relative = np.where(silent, 0.0, 10 * np.log10(band) - level)
        found[f"energy between {low:,} and {high:,} Hz"] = relative
    columns = {name: column[frames] for name, column in found.items()}
    return columns | {"a late place in the clip": seconds.astype(float)}


def _voicing(samples: Samples, n_frames: int) -> np.ndarray:
    """Height of the normalised autocorrelation's peak between the lags of a pitch: (frames,)."""
    padded = np.pad(samples, (_WINDOW // 2, _WINDOW // 2 + N_FFT))
    starts = np.arange(n_frames) * HOP
    frames = padded[starts[:, None] + np.arange(_WINDOW)].astype(np.float64)
    frames -= frames.mean(axis=1, keepdims=True)
    spectrum = np.abs(np.fft.rfft(frames, 2 * _WINDOW, axis=1)) ** 2
    correlation = np.fft.irfft(spectrum, axis=1)[:, :_WINDOW]
    shortest, longest = (round(SAMPLING_RATE / hertz) for hertz in reversed(_PITCH))
    overlap = 1 - np.arange(_WINDOW) / _WINDOW  # fewer samples meet at a longer lag
    peak = (correlation / overlap)[:, shortest:longest].max(axis=1)
    energy = correlation[:, 0]
    return np.divide(peak, energy, out=np.zeros(n_frames), where=energy > 1e-9).clip(0, 1)


def _smooth(values: np.ndarray) -> np.ndarray:
    return np.convolve(values, np.full(_SMOOTH, 1 / _SMOOTH), mode="same")


def _of_words(tracks: Sequence[Track]) -> dict[str, np.ndarray]:
    """Whether each position reads or writes a class of words, or one of the frequent words."""
    read = [_plain(word) for track in tracks for word in track.read]
    written = [_plain(word) for track in tracks for word in track.written]
    raw = [word for track in tracks for word in track.written]
    columns = {}
    for verb, words in (("reading", read), ("writing", written)):
        for name, members in (("a number", _NUMBERS), ("a function word", _FUNCTION_WORDS)):
            columns[f"{verb} {name}"] = [
                w in members or (w.isdigit() and members is _NUMBERS) for w in words
            ]
        counts = Counter(word for word in words if word)
        for word in sorted(word for word, count in counts.items() if count >= LEAST_WORDS):
            columns[f"{verb} “{word}”"] = [own == word for own in words]
    columns["writing the end of a sentence"] = [word[-1:] in (".", "?", "!") for word in raw]
    columns["the first word"] = [word == "" for word in read]
    columns["the end of the text"] = [word == "" for word in written]
    columns["going on with a word"] = [
        own == word != "" for own, word in zip(read, written, strict=True)
    ]
    return {name: np.array(column, float) for name, column in columns.items()}


def _plain(word: str) -> str:
    """A word in small letters, without punctuation around it.

    >>> _plain("Clock,"), _plain("don't")
    ('clock', "don't")
    """
    return word.strip('.,?!:;"“”()-…').lower()


def _standard(values: np.ndarray) -> np.ndarray:
    """Columns of mean 0 and variance 1; those that never change become 0."""
    centred = values - values.mean(axis=0)
    deviation = np.sqrt(np.square(centred).mean(axis=0))
    scale = np.where(deviation > 1e-9, deviation, np.inf)
    standard: np.ndarray = (centred / scale).astype(np.float32)
    return standard
