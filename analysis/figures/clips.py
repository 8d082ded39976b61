"""Pictures of a clip: its waveform and its spectrogram, on one time axis."""

import numpy as np
import plotly.graph_objects as go

from analysis.figures.layout import lay_out
from analysis.figures.palette import NEUTRAL, SEQUENTIAL

WAVEFORM_HEIGHT = 120
"""As high as the choice of a clip and its player together."""

SPECTROGRAM_HEIGHT = 190

SPECTROGRAM_COLUMNS = 600
"""Columns of the spectrogram; one per two pixels of a wide page."""

_TIME_AXIS_LEFT = 64  # pixels before waveform and spectrogram, so that their seconds align

WAVEFORM_BINS = 1200
"""Bins of the waveform; about one per pixel of a wide page."""


def waveform(samples: np.ndarray, sampling_rate: int) -> go.Figure:
    """Envelope of a clip: the least and the greatest sample of each bin.

    Parameters
    ----------
    samples : ndarray of float32, (n,)
        Mono, within -1..1.
    sampling_rate : int
        Samples per second.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    n_bins = max(1, min(WAVEFORM_BINS, len(samples)))
    starts = np.linspace(0, len(samples), n_bins, endpoint=False).astype(np.int64)
    lowest = np.minimum.reduceat(samples, starts)
    highest = np.maximum.reduceat(samples, starts)
    seconds = np.round(starts / sampling_rate, 4)
    figure = go.Figure()
    figure.add_scatter(
        x=np.concatenate([seconds, seconds[::-1]]),
        y=np.round(np.concatenate([highest, lowest[::-1]]), 4),
        fill="toself",
        fillcolor=NEUTRAL,
        line={"color": NEUTRAL, "width": 0.5},
        hovertemplate="%{x:.2f} s<br>amplitude %{y:.2f}<extra></extra>",
    )
    peak = max(float(np.abs(samples).max(initial=0.0)), 1e-3) * 1.05
    figure.update_xaxes(
        title_text="time (s)", title_standoff=8, range=[0, len(samples) / sampling_rate]
    )
    figure.update_yaxes(title_text="amplitude (1)", range=[-peak, peak], nticks=4, zeroline=False)
    lay_out(figure, WAVEFORM_HEIGHT, None)
    _align_times(figure)
    return figure


def spectrogram(decibels: np.ndarray, frequencies: np.ndarray, seconds: float) -> go.Figure:
    """Log-mel spectrogram of a clip, under its waveform.

    Parameters
    ----------
    decibels : ndarray of float32, (bands, columns)
        Below the loudest point; see `analysis.speech.spectrogram.log_mel`.
    frequencies : ndarray of float64, (bands,)
        Centre of each band, in Hz.
    seconds : float
        Length of the clip.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    n_columns = decibels.shape[1]
    bands = [int(np.abs(frequencies - hertz).argmin()) for hertz in (250, 1000, 2000, 4000, 7500)]
    figure = go.Figure(
        go.Heatmap(
            # whole decibels: more could not be seen, and takes four times as long to send
            z=decibels.round().astype(np.int8),
            x0=seconds / n_columns / 2,
            dx=seconds / n_columns,
            colorscale=SEQUENTIAL,
            showscale=False,
            hovertemplate="%{x:.2f} s, mel band %{y}<br>%{z} dB<extra></extra>",
        )
    )
    figure.update_xaxes(title_text="time (s)", title_standoff=8, range=[0, seconds])
    figure.update_yaxes(
        title_text="mel band (kHz)",
        tickvals=bands,
        ticktext=[f"{frequencies[band] / 1000:.2g}" for band in bands],
        showgrid=False,
    )
    lay_out(figure, SPECTROGRAM_HEIGHT, None)
    _align_times(figure)
    return figure


def _align_times(figure: go.Figure) -> None:
    """Start the time axis at the same pixel in every figure of a clip."""
    figure.update_yaxes(automargin=False, title_standoff=6)
    figure.update_layout(margin={"t": 6, "b": 44, "l": _TIME_AXIS_LEFT})
