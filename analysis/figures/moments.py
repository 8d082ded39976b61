"""Pictures of what units hear: a snippet of sound, and members of a cluster over time."""

import io
from base64 import b64encode
from collections.abc import Iterator, Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go
from PIL import Image
from plotly.colors import get_colorscale, hex_to_rgb
from plotly.subplots import make_subplots

from analysis.figures.layout import lay_out
from analysis.figures.palette import NEUTRAL, ORIGINAL, SEQUENTIAL, VERMILLION
from analysis.inspection.moments import SNIPPET_SECONDS, Moment
from analysis.inspection.soundtrack import Track
from analysis.speech.audio import SAMPLING_RATE, Samples
from analysis.speech.recognition import Word
from analysis.speech.spectrogram import N_MELS, RANGE_DB, log_mel, mel_frequencies

SNIPPET_WIDTH, SNIPPET_HEIGHT = 190, 110
"""Of the picture of a moment, in its own units: about pixels, where five stand in a row."""

TOGETHER_HEIGHT = 520

MOST_MEMBERS = 24
"""Members of a cluster whose activity is drawn, the strongest on the clip."""

SHOWN_SECONDS = 6.0
"""What is in sight around a moment; the time axis can be dragged."""

_COLUMNS_PER_SECOND = 50
_SCALE = np.array([hex_to_rgb(color) for _, color in get_colorscale(SEQUENTIAL)], dtype=float)
_LETTER_WIDTH, _WORD_HEIGHT, _WORD_LANES = 6.5, 15, 3  # pixels, pixels, one above the other


def snippet(moment: Moment) -> str:
    """The spectrogram of a moment, with the words that are said and the moment marked.

    It is a picture and no Plotly figure: ten of those take a page half a second.

    Parameters
    ----------
    moment : Moment

    Returns
    -------
    str
        SVG.
    """
    length = len(moment.samples) / SAMPLING_RATE
    shown = max(SNIPPET_SECONDS, length)
    scale = SNIPPET_WIDTH / shown
    encoded = b64encode(_spectrogram_png(moment.samples)).decode()
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SNIPPET_WIDTH} {SNIPPET_HEIGHT}"'
        ' font-family="Helvetica, Arial, sans-serif" font-size="11">',
        f'<image href="data:image/png;base64,{encoded}" width="{length * scale:.1f}"'
        f' height="{SNIPPET_HEIGHT}" preserveAspectRatio="none"/>',
    ]
    mark = (moment.seconds - moment.start) * scale
    parts.append(
        f'<line x1="{mark:.1f}" x2="{mark:.1f}" y2="{SNIPPET_HEIGHT}" stroke="white"'
        ' stroke-width="1.5" stroke-dasharray="2 2"/>'
    )
    for left, lane, text in _places(
        moment.words,
        moment.start,
        moment.start + shown,
        pixels_per_second=scale,
        height=SNIPPET_HEIGHT,
    ):
        x, y = (left - moment.start) * scale, lane * _WORD_HEIGHT
        room = len(text) * _LETTER_WIDTH
        parts.append(
            f'<rect x="{x:.1f}" y="{y}" width="{room:.1f}" height="{_WORD_HEIGHT - 1}"'
            f' fill-opacity="0.55"/><text x="{x + 1:.1f}" y="{y + 11}" fill="white"'
            f' textLength="{room - 2:.1f}" lengthAdjust="spacingAndGlyphs">{escape(text)}</text>'
        )
    return "".join([*parts, "</svg>"])


def _spectrogram_png(samples: Samples) -> bytes:
    """Decibels as colours, low bands at the bottom."""
    decibels = log_mel(samples, max(1, round(len(samples) / SAMPLING_RATE * _COLUMNS_PER_SECOND)))
    stops = np.linspace(-RANGE_DB, 0.0, len(_SCALE))
    colors = np.stack([np.interp(decibels[::-1], stops, band) for band in _SCALE.T], axis=-1)
    file = io.BytesIO()
    Image.fromarray(colors.astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def members_over_time(
    track: Track,
    times: np.ndarray,
    strengths: np.ndarray,
    units: Sequence[int],
    *,
    together: np.ndarray,
    merged: np.ndarray | None,
    around: float,
    unit: str,
) -> go.Figure:
    """The members of a cluster side by side on one time axis, and the merged unit beside them.

    Parameters
    ----------
    track : Track
        The clip.
    times : ndarray, (positions,)
        In seconds.
    strengths : ndarray, (positions, members)
        How hard each works.
    units : sequence of int, (members,)
        Their indices.
    together : ndarray, (positions,)
        How hard they work together.
    merged : ndarray or None, (positions,)
        How hard the unit works that they become; None for one unit by itself.
    around : float
        The moment that is shown, in seconds.
    unit : str
        "channel" or "head".

    Returns
    -------
    plotly.graph_objects.Figure
    """
    figure = make_subplots(
        rows=3, cols=1, shared_xaxes=True, row_heights=[0.3, 0.35, 0.35], vertical_spacing=0.04
    )
    figure.add_trace(spectrogram_trace(track.clip.samples, 0.0), row=1, col=1)
    length = len(track.clip.samples) / SAMPLING_RATE
    start = max(0.0, min(around - SHOWN_SECONDS / 2, length - SHOWN_SECONDS))
    write_words(figure, track.words, 0.0, length, pixels_per_second=120, height=110)
    chosen = np.sort(np.argsort(-strengths.max(axis=0), kind="stable")[:MOST_MEMBERS])
    names = [f"{units[place]}" for place in chosen]
    figure.add_heatmap(
        x=times,
        y=names,
        z=strengths[:, chosen].T.round(4),
        colorscale=SEQUENTIAL,
        showscale=False,
        hovertemplate=f"{unit} %{{y}}, %{{x:.2f}} s<br>activity %{{z:.3g}}<extra></extra>",
        row=2,
        col=1,
    )
    who = "the members together" if len(units) > 1 else f"{unit} {units[0]}"
    lines = {who: (together, ORIGINAL, "solid")}
    if merged is not None:
        lines["the merged unit"] = (merged, VERMILLION, "dash")
    for name, (values, color, dash) in lines.items():
        figure.add_scatter(
            x=times,
            y=values,
            mode="lines",
            line={"color": color, "width": 2, "dash": dash},
            hovertemplate=f"{name}, %{{x:.2f}} s<br>activity %{{y:.3g}}<extra></extra>",
            row=3,
            col=1,
        )
    figure.add_vline(x=around, line={"color": NEUTRAL, "width": 1.5, "dash": "dot"})
    bands = [int(np.abs(mel_frequencies() - hertz).argmin()) for hertz in (250, 1000, 4000)]
    figure.update_yaxes(title_text="kHz", tickvals=bands, ticktext=["0.25", "1", "4"], row=1)
    figure.update_yaxes(title_text=f"{unit} (index)", type="category", nticks=12, row=2)
    figure.update_yaxes(title_text="activity (norm)", rangemode="tozero", nticks=5, row=3)
    figure.update_yaxes(showgrid=False, row=1)
    figure.update_xaxes(range=[start, min(length, start + SHOWN_SECONDS)], showgrid=False)
    figure.update_xaxes(title_text="time (s)", minallowed=0, maxallowed=length, row=3)
    key = "   ".join(
        f"<span style='color:{color}'>■</span> {name}" for name, (_, color, _) in lines.items()
    )
    lay_out(figure, TOGETHER_HEIGHT, f"{_finding(together, merged)}<br>{key}")
    figure.update_layout(dragmode="pan", margin_b=44)
    return figure


def _finding(together: np.ndarray, merged: np.ndarray | None) -> str:
    if merged is None:
        return "One unit by itself stays as it is"
    if len(together) < 2 or together.std() == 0 or merged.std() == 0:
        return "On this clip one of them never changes"
    agreement = float(np.corrcoef(together, merged)[0, 1])
    share = float(merged.mean() / together.mean()) if together.mean() else float("nan")
    return (
        f"The merged unit follows its members with r = {agreement:.2f}, at {share:.0%} of their"
        " strength"
    )


def spectrogram_trace(samples: Samples, start: float) -> go.Heatmap:
    """A sound from `start` seconds on, as a trace of time and mel bands."""
    seconds = max(len(samples), 1) / SAMPLING_RATE
    decibels = log_mel(samples, max(1, round(seconds * _COLUMNS_PER_SECOND)))
    step = seconds / decibels.shape[1]
    return go.Heatmap(
        z=decibels.round().astype(np.int8),
        x0=start + step / 2,
        dx=step,
        colorscale=SEQUENTIAL,
        showscale=False,
        hovertemplate="%{x:.2f} s, mel band %{y}<br>%{z} dB<extra></extra>",
    )


def write_words(
    figure: go.Figure,
    words: Sequence[Word],
    start: float,
    stop: float,
    *,
    pixels_per_second: float,
    height: float,
) -> None:
    """Words at their places over a spectrogram; one that has no room is left out.

    Parameters
    ----------
    figure : Figure
    words : sequence of Word
    start, stop : float
        What is drawn, in seconds; what is said across a border is written within it.
    pixels_per_second, height : float
        About how large the spectrogram is drawn.
    """
    lane_bands = N_MELS * _WORD_HEIGHT / height
    places = _places(words, start, stop, pixels_per_second=pixels_per_second, height=height)
    notes = [
        {
            "x": left,
            "xanchor": "left",
            "y": N_MELS - (lane + 0.5) * lane_bands,
            "text": escape(text),
            "showarrow": False,
            "font": {"color": "white", "size": 11},
            "bgcolor": "rgba(0, 0, 0, 0.55)",
            "borderpad": 1,
        }
        for left, lane, text in places
    ]
    # all at once: `add_annotation` looks at all that are there again for each
    figure.layout.annotations = [*figure.layout.annotations, *notes]


def _places(
    words: Sequence[Word], start: float, stop: float, *, pixels_per_second: float, height: float
) -> Iterator[tuple[float, int, str]]:
    """Where each word that has room begins, in seconds, its lane from the top, and its text."""
    ends = [-np.inf] * max(1, min(_WORD_LANES, int(height / 2 / _WORD_HEIGHT)))
    for word in words:
        room = (len(word.text) * _LETTER_WIDTH + 4) / pixels_per_second
        middle = (max(word.start, start) + min(word.stop, stop)) / 2
        left = max(start, min(middle, stop - room / 2) - room / 2)
        lane = next((place for place, end in enumerate(ends) if end <= left), None)
        if lane is None:
            continue
        ends[lane] = left + room
        yield left, lane, word.text
