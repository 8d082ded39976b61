"""Divides what is too much for one pass of a model: long audio into windows, clips into batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from analysis.speech.audio import SAMPLING_RATE, Samples

_HOP = SAMPLING_RATE // 100  # cuts fall on multiples of 10 ms
_PAUSE_HOPS = 30  # a cut wants 300 ms of quiet around it, a pause between phrases
_SHORTEST_TAIL = SAMPLING_RATE  # a last window of under a second makes models invent words


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of audio that goes through the model in one piece; all numbers are samples.

    Parameters
    ----------
    start, stop : int
        What the model hears.
    keep_start, keep_stop : int
        The part whose output counts; the rest is context. The kept parts of all windows follow
        each other without a gap and cover the audio exactly once.
    """

    start: int
    stop: int
    keep_start: int
    keep_stop: int


def quiet_windows(samples: Samples, longest: int) -> tuple[Window, ...]:
    """Cut audio into windows without overlap, each time at the quietest point near the end.

    A cut through a word would lose it; overlapping windows would say it twice, since a decoder's
    words carry no times to reconcile.

    Parameters
    ----------
    samples : ndarray of float32, shape (n,)
        Mono at `SAMPLING_RATE`.
    longest : int
        Samples in the longest window. Cuts are looked for in its last fifth.

    Returns
    -------
    tuple of Window
        Of `longest` samples at most; all of each is kept.
    """
    n_samples = len(samples)
    n_hops = n_samples // _HOP
    squares = np.square(samples[: n_hops * _HOP], dtype=np.float64).reshape(n_hops, _HOP)
    energy_before = np.concatenate([[0.0], np.cumsum(squares.sum(axis=1))])
    edges = [0]
    while n_samples - edges[-1] > longest:
        latest = edges[-1] + longest
        earliest = latest - longest // 5
        latest = max(min(latest, n_samples - _SHORTEST_TAIL), earliest)
        # Rounded up and down, so that a cut lies inside the range it was looked for in.
        hops = np.arange(-(-earliest // _HOP), latest // _HOP + 1)
        if not len(hops):
            edges.append(latest)
            continue
        left = np.maximum(hops - _PAUSE_HOPS // 2, 0)
        right = np.minimum(hops + _PAUSE_HOPS // 2, n_hops)
        loudness = (energy_before[right] - energy_before[left]) / (right - left)
        quietest = len(hops) - 1 - int(np.argmin(loudness[::-1]))  # the last of equals
        edges.append(int(hops[quietest]) * _HOP)
    edges.append(n_samples)
    return tuple(Window(start, stop, start, stop) for start, stop in pairwise(edges))


def overlapping_windows(
    n_samples: int, longest: int, overlap: int, align: int
) -> tuple[Window, ...]:
    """Cover audio with windows that share context on both sides.

    Parameters
    ----------
    n_samples : int
        To cover.
    longest : int
        Samples in a window; more than twice `overlap`.
    overlap : int
        Samples of context on each inner side of a window, heard but not kept.
    align : int
        Samples per output frame of the model. Windows start and are cut on multiples of it, so
        that frame j of a window is frame ``start / align + j`` of the whole.

    Returns
    -------
    tuple of Window
    """
    longest, overlap = longest // align * align, overlap // align * align
    windows = []
    for start in range(0, n_samples, longest - 2 * overlap):
        last = start + longest >= n_samples
        stop = n_samples if last else start + longest
        keep_start = start + overlap if start else 0
        windows.append(Window(start, stop, keep_start, stop if last else stop - overlap))
        if last:
            break
    return tuple(windows)


def batches(
    lengths: Sequence[int], batch_size: int, most_samples: int, *, equal: bool
) -> list[list[int]]:
    """Put clips of like length together.

    Parameters
    ----------
    lengths : sequence of int
        Samples per clip.
    batch_size : int
        Clips in a batch, at most.
    most_samples : int
        Samples in a batch, padding included, at most; a batch of one may exceed it.
    equal : bool
        Whether a batch may hold only clips of equal length.

    Returns
    -------
    list of list of int
        Indices into `lengths`, each once, shortest clips first.

    Examples
    --------
    >>> batches([50, 10, 11, 10], batch_size=2, most_samples=1000, equal=False)
    [[1, 3], [2, 0]]
    >>> batches([50, 10, 11, 10], batch_size=2, most_samples=1000, equal=True)
    [[1, 3], [2], [0]]
    """
    groups: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        length = lengths[index]
        group = groups[-1] if groups else []
        if (
            group
            and len(group) < batch_size
            and (len(group) + 1) * length <= most_samples
            and not (equal and length != lengths[group[0]])
        ):
            group.append(index)
        else:
            groups.append([index])
    return groups
