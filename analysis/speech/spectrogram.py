"""What a Whisper encoder is given: the log-mel spectrogram of a clip, at a page's width."""

import numpy as np
import torch
from transformers.audio_utils import mel_filter_bank

from analysis.speech.audio import SAMPLING_RATE, Samples

N_FFT = 400
"""Samples in a frame: 25 ms."""

HOP = 160
"""Samples from one frame to the next: 10 ms."""

N_MELS = 80

RANGE_DB = 80.0
"""What lies further below the loudest point is drawn as that far below, as Whisper clamps it."""

_SILENT = 1e-10  # power in a band, of samples from -1 to 1: nothing that could be heard
_BLOCK_FRAMES = 12_000  # two minutes, 20 MB


def mel_frequencies() -> np.ndarray:
    """Centre of each mel band in Hz, (`N_MELS`,)."""
    filters = _filters()
    return filters.argmax(axis=0) * SAMPLING_RATE / N_FFT


def log_mel(samples: Samples, n_columns: int) -> np.ndarray:
    """Log-mel spectrogram, as Whisper's feature extractor makes it, thinned to a page's width.

    Parameters
    ----------
    samples : ndarray of float32, (n,)
        Mono at 16 kHz.
    n_columns : int
        Most columns; where there are more frames, each column is the mean power of its own.

    Returns
    -------
    ndarray of float32, (`N_MELS`, columns)
        Decibels below the loudest point, -`RANGE_DB` to 0; of silence all -`RANGE_DB`.

    References
    ----------
    Radford et al., "Robust speech recognition via large-scale weak supervision", 2022, section 2.2.
    """
    padded = np.pad(samples, (N_FFT // 2, N_FFT // 2))
    n_frames = max(1, (len(padded) - N_FFT) // HOP)
    starts = np.unique(np.linspace(0, n_frames, min(n_columns, n_frames), endpoint=False).round())
    filters, window = torch.from_numpy(_filters()).float(), torch.hann_window(N_FFT)
    powers = []
    for first in range(0, n_frames, _BLOCK_FRAMES):
        count = min(_BLOCK_FRAMES, n_frames - first)
        block = torch.from_numpy(padded[first * HOP : (first + count - 1) * HOP + N_FFT])
        spectrum = torch.stft(
            block, N_FFT, HOP, window=window, center=False, return_complex=True
        ).abs()
        powers.append((filters.T @ spectrum.square()).numpy())
    mel = np.concatenate(powers, axis=1)
    edges = starts.astype(np.int64)
    sums = np.add.reduceat(mel, edges, axis=1)
    power = sums / np.diff([*edges, n_frames])
    decibels = 10 * np.log10(np.maximum(power, _SILENT))
    below = np.where(power > _SILENT, decibels - decibels.max(), -RANGE_DB)
    shown: np.ndarray = np.maximum(below, -RANGE_DB).astype(np.float32)
    return shown


def _filters() -> np.ndarray:
    """Mel filters as Whisper's, (frequencies, `N_MELS`)."""
    filters: np.ndarray = mel_filter_bank(
        num_frequency_bins=1 + N_FFT // 2,
        num_mel_filters=N_MELS,
        min_frequency=0.0,
        max_frequency=SAMPLING_RATE / 2,
        sampling_rate=SAMPLING_RATE,
        norm="slaney",
        mel_scale="slaney",
    )
    return filters
