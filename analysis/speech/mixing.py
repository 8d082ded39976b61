"""Mixes the channels of a sound down to one, and notices where that loses what was said."""

from collections.abc import Mapping

import numpy as np

from analysis.speech.decoding import Samples

CANCELLED = 0.1
"""Share of the energy that unrelated channels would leave in their mix; what leaves less cancels.
Equal channels leave as many times that energy as there are channels."""
_LOST = 0.1  # of the energy of a file, in stretches that cancel
_STRETCH = 1 << 14  # frames that cancel or do not: a second at 16 kHz
_COMPARED = 1 << 14  # samples of a stretch that are compared; more would not be surer


class Mixer:
    """Averages channels block by block.

    A microphone that was wired the wrong way round, or a stereo effect, gives two channels of
    opposite sign. Their mean is silence, or the noise in which they differ.

    Parameters
    ----------
    alone : mapping of int to int, optional
        The channel to take instead of the mean, for each number of channels.

    Attributes
    ----------
    low, high : float
        The least and the greatest sample of the mix; NaN where one is not a number.
    """

    def __init__(self, alone: Mapping[int, int] | None = None) -> None:
        self.alone = dict(alone or {})
        self.low, self.high = float("inf"), float("-inf")
        self._energies: dict[int, np.ndarray] = {}
        self._unrelated = self._lost = 0.0

    def mix(self, frames: Samples) -> Samples:
        """One block.

        Parameters
        ----------
        frames : ndarray of float32, shape (n, channels)

        Returns
        -------
        ndarray of float32, shape (n,)
        """
        channels = frames.shape[1]
        if channels == 1:
            mono = frames[:, 0]
        elif channels in self.alone:
            mono = np.ascontiguousarray(frames[:, self.alone[channels]])
        else:
            mono = frames @ np.full(channels, 1 / channels, np.float32)
            for start in range(0, len(frames), _STRETCH):
                stretch = slice(start, start + _STRETCH)
                self._compare(frames[stretch], mono[stretch])
        if len(mono):
            self.low = float(np.minimum(self.low, mono.min()))
            self.high = float(np.maximum(self.high, mono.max()))
        return mono

    @property
    def peak(self) -> float:
        """The greatest magnitude."""
        return max(abs(self.low), abs(self.high))

    @property
    def cancels(self) -> bool:
        """Whether the channels cancelled each other where a good part of the energy is."""
        return self._lost > _LOST * self._unrelated

    @property
    def loudest(self) -> dict[int, int]:
        """The first of the loudest channels, for each number of channels that was mixed."""
        return {n: int(np.argmax(e >= 0.9 * e.max())) for n, e in self._energies.items()}

    def _compare(self, frames: Samples, mono: Samples) -> None:
        """Hold the energy of the mix against that of its channels; constant offsets count none."""
        channels, step = frames.shape[1], max(1, frames.size // _COMPARED)
        with np.errstate(all="ignore"):  # infinite samples are refused later, with a sentence
            energies = len(frames) * frames[::step].var(axis=0, dtype=np.float64)
            left = len(mono) * float(mono[::step].var(dtype=np.float64))
        unrelated = float(energies.sum()) / channels**2
        self._energies[channels] = self._energies.get(channels, np.zeros(channels)) + energies
        self._unrelated += unrelated
        if left < CANCELLED * unrelated:
            self._lost += unrelated
