"""What happens to a recording between mouth and model: rooms, microphones, telephones, noise.

All functions take and return 16 kHz mono float32 waveforms of shape (n_samples,) and draw every
random choice from the generator that they are given.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from analysis.speech.disturbing import TAIL, coloured_noise, room, weakening_above
from demo.synthesis import SAMPLING_RATE, Corpus

Waveform = npt.NDArray[np.float32]

TELEPHONE_CUTOFF = (3300.0, 3950.0)  # Hz; the human digits were recorded at 8 kHz


def random_colouring(
    rng: np.random.Generator, n_frequencies: int, *, telephone: bool, strength: float = 1.0
) -> npt.NDArray[np.float32]:
    """Random microphone: a smooth magnitude response, shape (n_frequencies,), up to 8 kHz.

    Parameters
    ----------
    rng
        Source of randomness.
    n_frequencies
        Number of bins of a real FFT.
    telephone
        Whether everything above a cutoff of 3.3 to 3.95 kHz is removed.
    strength
        Factor on all gains in decibels.
    """
    frequencies = np.linspace(0.0, SAMPLING_RATE / 2, n_frequencies)
    mel = np.log1p(frequencies / 700.0) / np.log1p(SAMPLING_RATE / 2 / 700.0)
    knots = np.linspace(0.0, 1.0, 6)
    gains = rng.normal(0.0, 3.0, len(knots)) + rng.uniform(-9.0, 9.0) * (knots - 0.5)
    response = 10 ** (np.interp(mel, knots, gains) * strength / 20)
    if rng.random() < 0.3:
        response *= frequencies / (frequencies + rng.uniform(50.0, 250.0))
    if telephone:
        cutoff = rng.uniform(*TELEPHONE_CUTOFF)
        response /= weakening_above(frequencies, cutoff)
    return response.astype(np.float32)


def random_room(rng: np.random.Generator, *, longest: float = 0.6) -> Waveform:
    """Random room impulse response: direct sound, then exponentially decaying noise.

    ``longest`` is the longest reverberation time, in seconds until the tail has fallen by 60 dB.
    """
    reverberation_time = rng.uniform(0.1, longest)
    noise = rng.standard_normal(int(reverberation_time * TAIL * SAMPLING_RATE))
    delay = rng.uniform(0.001, 0.01)
    return room(noise, reverberation_time, delay, 10 ** (rng.uniform(0.0, 18.0) / 20))


def disturb(
    waveform: Waveform,
    rng: np.random.Generator,
    *,
    telephone: bool,
    room: Waveform | None,
    strength: float = 1.0,
) -> Waveform:
    """Colour a recording, and put it into ``room`` (which lengthens it by the room's tail)."""
    tail = 0 if room is None else min(len(room), int(0.3 * SAMPLING_RATE))
    n_samples = len(waveform) + tail
    n_fft = 1 << (len(waveform) + (0 if room is None else len(room)) - 1).bit_length()
    spectrum = np.fft.rfft(waveform, n_fft)
    spectrum *= random_colouring(rng, len(spectrum), telephone=telephone, strength=strength)
    if room is not None:
        spectrum *= np.fft.rfft(room, n_fft)
    return np.fft.irfft(spectrum, n_fft)[:n_samples].astype(np.float32)


def babble(rng: np.random.Generator, n_samples: int, corpus: Corpus, n_talkers: int) -> Waveform:
    """Several talkers at once, unit variance, made of ``corpus``."""
    noise = np.zeros(n_samples, np.float32)
    for _ in range(n_talkers):
        position = -int(rng.integers(SAMPLING_RATE))
        while position < n_samples:
            speech = corpus.waveform(int(rng.integers(len(corpus.utterances))))
            begin, end = max(position, 0), min(position + len(speech), n_samples)
            if end > begin:
                noise[begin:end] += speech[begin - position : end - position]
            position += len(speech) + int(rng.integers(SAMPLING_RATE // 2))
    return noise / (noise.std() + 1e-9)


class NoiseBank:
    """Noises made once, to be cropped and scaled many times.

    Parameters
    ----------
    corpus
        Speech for the babble.
    seed
        Seed of everything in the bank.
    n_noises
        How many noises; every fourth is babble, every fourth a mains hum with hiss.
    duration
        Seconds per noise.
    """

    def __init__(
        self, corpus: Corpus, seed: int, n_noises: int = 64, duration: float = 16.0
    ) -> None:
        """Make the noises."""
        n_samples = int(duration * SAMPLING_RATE)
        self._noises: list[Waveform] = []
        seconds = np.arange(n_samples) / SAMPLING_RATE
        for index in range(n_noises):
            rng = np.random.default_rng([seed, index])
            noise = coloured_noise(rng, n_samples, float(rng.uniform(0.0, 2.0)))
            if index % 4 == 1:
                noise = babble(rng, n_samples, corpus, int(rng.integers(3, 9)))
            elif index % 4 == 2:
                mains = float(rng.choice([50.0, 60.0, 100.0, 120.0]))
                hum = sum(
                    np.sin(2 * np.pi * mains * k * seconds + rng.uniform(0, 6.3)) / k
                    for k in range(1, 8)
                )
                noise = (0.5 * noise + hum).astype(np.float32)
            elif index % 4 == 3:
                swell = np.interp(
                    seconds, np.arange(0, duration + 1), rng.random(int(duration) + 1) ** 2 + 0.1
                )
                noise = (noise * swell).astype(np.float32)
            self._noises.append(noise / (noise.std() + 1e-9))

    def add(self, waveform: Waveform, rng: np.random.Generator, level: float) -> Waveform:
        """Add a random noise, scaled to the root mean square ``level``."""
        noise = self._noises[int(rng.integers(len(self._noises)))]
        offset = int(rng.integers(len(noise) - len(waveform)))
        return waveform + np.float32(level) * noise[offset : offset + len(waveform)]


def random_noise_level(
    rng: np.random.Generator, speech_level: float, strength: float = 1.0
) -> float:
    """Root mean square of the noise to mix in: inaudible, or 5 to 45 dB below the speech.

    ``strength`` from 0 to 1 is how often it is audible, in units of three quarters.
    """
    if rng.random() >= 0.75 * strength:
        return speech_level * float(10 ** (-rng.uniform(45.0, 80.0) / 20))
    return speech_level * float(10 ** (-rng.uniform(5.0, 45.0) / 20))
