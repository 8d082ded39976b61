"""Training examples: windows of a few augmented sentences, with what was said and when.

Synthesised sentences and strings of human digits are placed in a window with pauses, noise and
silence around them. An example depends on nothing but the seed and its index.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr

from analysis.speech.disturbing import change_speed
from demo.augmentation import (
    NoiseBank,
    Waveform,
    disturb,
    random_noise_level,
    random_room,
)
from demo.grammar import DIGITS, is_held_out
from demo.plan import Phase
from demo.synthesis import SAMPLING_RATE, Corpus

TRAIN_SPEAKERS = ("george", "jackson", "lucas", "nicolas")
HELD_OUT_SPEAKERS = ("theo", "yweweler")
HUMAN_SHARE = 0.28  # of all spoken sentences
FLITE_SHARE = 0.25  # of the synthesised ones are by flite, besides those that chance draws

Recordings = dict[str, list[list[Waveform]]]


@dataclass(frozen=True, slots=True)
class Segment:
    """One sentence in a window; times in seconds from the window's start."""

    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Example:
    """A window of 16 kHz audio, and its sentences in order.

    ``cut_off`` is when a last sentence starts that the window's end cuts off, None if there is
    none; its text is not in ``segments``.
    """

    waveform: Waveform
    segments: tuple[Segment, ...]
    cut_off: float | None

    @property
    def text(self) -> str:
        """All words of the window."""
        return " ".join(segment.text for segment in self.segments)


def read_digits(folder: Path, speakers: tuple[str, ...]) -> Recordings:
    """Read the Free Spoken Digit Dataset: ``[speaker][digit]`` -> waveforms at 16 kHz.

    Raises
    ------
    FileNotFoundError
        If ``folder`` holds no recordings of a speaker.
    """
    recordings: Recordings = {}
    for speaker in speakers:
        digits: list[list[Waveform]] = []
        for digit in range(10):
            paths = sorted(folder.glob(f"{digit}_{speaker}_*.wav"))
            if not paths:
                raise FileNotFoundError(
                    f"no recordings {digit}_{speaker}_*.wav in {folder}: get the Free Spoken "
                    "Digit Dataset and name its folder with --digits"
                )
            takes = []
            for path in paths:
                waveform, rate = sf.read(path, dtype="float32")
                resampled = soxr.resample(waveform, rate, SAMPLING_RATE).astype(np.float32)
                takes.append(resampled / (np.abs(resampled).max() + 1e-6))
            digits.append(takes)
        recordings[speaker] = digits
    return recordings


def join_digits(
    digits: list[int],
    takes: list[list[Waveform]],
    rng: np.random.Generator,
    pauses: tuple[float, float] = (0.05, 0.4),
) -> Waveform:
    """Join single spoken digits of one speaker into a string, with random pauses (s) between."""
    pieces: list[Waveform] = []
    for digit in digits:
        if pieces:
            pieces.append(np.zeros(int(rng.uniform(*pauses) * SAMPLING_RATE), np.float32))
        pieces.append(takes[digit][int(rng.integers(len(takes[digit])))])
    return np.concatenate(pieces)


class ExampleSource:
    """Makes training examples from a synthesised corpus and human digits.

    Parameters
    ----------
    corpus
        Synthesised training sentences.
    digits
        Human digits of the training speakers, or None to train without.
    seed
        Together with an example's index, the seed of all its random choices.
    """

    def __init__(self, corpus: Corpus, digits: Recordings | None, seed: int) -> None:
        """Keep the sources and make the noises."""
        self._corpus = corpus
        self._all = np.arange(len(corpus.utterances))
        self._flite = np.array(
            [i for i, u in enumerate(corpus.utterances) if u.voice.startswith("flite:")]
        )
        self._digits = digits
        self._seed = seed
        self._noises = NoiseBank(corpus, seed)

    def _human_string(self, rng: np.random.Generator) -> tuple[Waveform, str]:
        assert self._digits is not None
        takes = self._digits[str(rng.choice(list(self._digits)))]
        while True:
            digits = [int(digit) for digit in rng.integers(0, 10, int(rng.integers(1, 8)))]
            text = " ".join(DIGITS[digit] for digit in digits)
            if not is_held_out(text):
                break
        low = float(rng.choice([0.0, 0.03, 0.1]))
        waveform = join_digits(digits, takes, rng, (low, low + 0.3))
        return change_speed(waveform, float(rng.uniform(0.78, 1.28))), text

    def _sentence(self, rng: np.random.Generator, strength: float) -> tuple[Waveform, str]:
        """One sentence, coloured, in a room, of random loudness."""
        if self._digits is not None and rng.random() < HUMAN_SHARE:
            waveform, text = self._human_string(rng)
            telephone = rng.random() < 0.7
        else:
            pool = self._flite if rng.random() < FLITE_SHARE else self._all
            index = int(pool[rng.integers(len(pool))])
            text = self._corpus.utterances[index].text
            waveform = change_speed(self._corpus.waveform(index), float(rng.uniform(0.8, 1.25)))
            telephone = rng.random() < 0.25
        room = random_room(rng) if rng.random() < 0.4 * strength else None
        waveform = disturb(waveform, rng, telephone=telephone, room=room, strength=strength)
        level = float(np.sqrt((waveform**2).mean())) + 1e-6
        return waveform * np.float32(10 ** (-rng.uniform(0, 6) / 20) / level), text

    def _finish(self, waveform: Waveform, rng: np.random.Generator, strength: float) -> Waveform:
        """Add noise, then set the gain of the whole window."""
        noisy = self._noises.add(waveform, rng, random_noise_level(rng, 0.7, strength))
        if rng.random() < 0.2 * strength:
            noisy = self._noises.add(noisy, rng, random_noise_level(rng, 0.7, strength))
        peak = float(np.abs(noisy).max()) + 1e-6
        return (noisy * np.float32(10 ** (-rng.uniform(0.5, 26.0) / 20) / peak)).astype(np.float32)

    def fixed_window(self, index: int, phase: Phase) -> Example:
        """Make example ``index`` of exactly ``phase.window`` seconds, for Whisper.

        A quarter are one short clip padded with zeros, as the feature extractor pads; most others
        are filled with sentences; some hold only noise, some a sentence that is cut off.
        """
        rng = np.random.default_rng([self._seed, index])
        kind = rng.random()
        if kind < 0.04:
            return self._without_speech(rng, phase, phase.window)
        if kind < 0.3:
            return self._padded(rng, phase)
        n_samples = int(phase.window * SAMPLING_RATE)
        waveform = np.zeros(n_samples, np.float32)
        segments: list[Segment] = []
        cut_off = None
        position = int(rng.uniform(0.0, 1.0) * SAMPLING_RATE)
        allow_cut = rng.random() < 0.5
        while True:
            speech, text = self._sentence(rng, phase.disturbance)
            end = position + len(speech)
            if end > n_samples:
                audible = n_samples - position
                if allow_cut and segments and audible > 0.2 * SAMPLING_RATE:
                    waveform[position:] += speech[:audible]
                    cut_off = position / SAMPLING_RATE
                break
            waveform[position:end] += speech
            segments.append(Segment(text, position / SAMPLING_RATE, end / SAMPLING_RATE))
            position = end + int(rng.choice([0.1, 0.3, 0.8]) * rng.uniform(1, 2) * SAMPLING_RATE)
            if position > n_samples - 0.5 * SAMPLING_RATE:
                break
        if not segments:
            return self._padded(rng, phase)
        waveform = self._finish(waveform, rng, phase.disturbance)
        return Example(waveform, tuple(segments), cut_off)

    def _without_speech(self, rng: np.random.Generator, phase: Phase, duration: float) -> Example:
        n_samples = int(duration * SAMPLING_RATE)
        waveform = np.zeros(n_samples, np.float32)
        if rng.random() < 0.9:
            waveform = self._finish(waveform, rng, phase.disturbance)
            waveform[int(rng.uniform(0.1, 2.0) * n_samples) :] = 0.0
        return Example(waveform, (), None)

    def _padded(self, rng: np.random.Generator, phase: Phase) -> Example:
        n_samples = int(phase.window * SAMPLING_RATE)
        while True:
            example = self._short(rng, phase, 1)
            if len(example.waveform) <= n_samples:
                waveform = np.zeros(n_samples, np.float32)
                waveform[: len(example.waveform)] = example.waveform
                return Example(waveform, example.segments, None)

    def _short(self, rng: np.random.Generator, phase: Phase, n_sentences: int) -> Example:
        """``n_sentences``, or fewer if they do not fit, and a little silence around them."""
        pieces = [np.zeros(int(rng.uniform(0.0, 0.5) * SAMPLING_RATE), np.float32)]
        segments: list[Segment] = []
        position = len(pieces[0])
        for _ in range(n_sentences):
            speech, text = self._sentence(rng, phase.disturbance)
            if segments and position + len(speech) > phase.window * SAMPLING_RATE:
                break
            end = position + len(speech)
            segments.append(Segment(text, position / SAMPLING_RATE, end / SAMPLING_RATE))
            pause = np.zeros(int(rng.uniform(0.05, 0.6) * SAMPLING_RATE), np.float32)
            pieces += [speech, pause]
            position = end + len(pause)
        waveform = self._finish(np.concatenate(pieces), rng, phase.disturbance)
        return Example(waveform, tuple(segments), None)

    def free_window(self, index: int, phase: Phase) -> Example:
        """Make example ``index`` of whatever length its one to three sentences have, for CTC."""
        rng = np.random.default_rng([self._seed, index])
        if rng.random() < 0.02:
            return self._without_speech(rng, phase, float(rng.uniform(0.5, 3.0)))
        return self._short(rng, phase, int(rng.choice(phase.sentence_counts)))
