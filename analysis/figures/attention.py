"""Pictures of where heads look: one matrix, over the spectrogram where its keys are sound."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.figures.layout import lay_out
from analysis.figures.moments import spectrogram_trace, write_words
from analysis.figures.palette import SEQUENTIAL
from analysis.inspection.attention import MEASURES, Patterns, distance_unit, thinned
from analysis.inspection.soundtrack import Track
from analysis.models.unit_groups import UnitGroup
from analysis.speech.audio import SAMPLING_RATE

ATTENTION_HEIGHT = 420

MEASURE_UNITS: Mapping[str, str] = {
    "entropy": "entropy (nat)",
    "distance": "distance (s); grey: counted in tokens",
    "diagonality": "diagonality (1)",
}
"""Of each of `MEASURES`, its name and unit beside a colour scale."""

SHOWN_SECONDS = 8.0
"""What is in sight of a long clip at first; the axes can be dragged."""

_MOST_CELLS = 320  # in each direction
_MOST_NAMES = 30
_PLOT_WIDTH = 300  # pixels, where two stand side by side on a projector


def attention_map(patterns: Patterns, track: Track, head: int, name: str) -> go.Figure:
    """Where one head looks.

    Parameters
    ----------
    patterns : Patterns
    track : Track
        The clip.
    head : int
        Of the patterns.
    name : str
        For people, e.g. "Head 3".

    Returns
    -------
    plotly.graph_objects.Figure
        Over sound, the spectrogram with the words stands above the matrix, on one time axis.
    """
    entropy, distance, near = patterns.measures()[head]
    unit = distance_unit(patterns.group)
    title = (
        f"{name}: {near:.0%} near its own place"
        f"<br>entropy {entropy:.2f} nat, distance {distance:.2f} {unit}"
    )
    over_sound = not patterns.looks_at_tokens
    decoder = patterns.group.stack == "decoder"
    figure = make_subplots(
        rows=2 if over_sound else 1,
        cols=1,
        shared_xaxes=True,
        row_heights=[0.3, 0.7] if over_sound else None,
        vertical_spacing=0.04,
    )
    length = len(track.clip.samples) / SAMPLING_RATE
    if over_sound:
        figure.add_trace(spectrogram_trace(track.clip.samples, 0.0), row=1, col=1)
        shown = min(length, SHOWN_SECONDS)
        scale = _PLOT_WIDTH / (length if decoder else shown)
        write_words(figure, track.words, 0.0, length, pixels_per_second=scale, height=80)
        figure.update_yaxes(visible=False, fixedrange=True, row=1)
    weights = patterns.weights[head]
    keys = patterns.places <= length if over_sound else np.ones(len(patterns.places), bool)
    thin, row_step, column_step = thinned(weights[:, keys], _MOST_CELLS)
    column = patterns.places[::column_step][: thin.shape[1]]
    last = 2 if over_sound else 1
    row = np.arange(len(weights))[::row_step] if decoder else patterns.homes[::row_step]
    figure.add_heatmap(
        z=np.sqrt(thin).astype(np.float32).round(3),
        x=column,
        y=row,
        customdata=thin.astype(np.float32).round(4),
        colorscale=SEQUENTIAL,
        showscale=False,
        zmin=0,
        hovertemplate=f"from %{{y:.2f}} to %{{x:.2f}} {unit}<br>weight %{{customdata}}"
        "<extra></extra>",
        row=last,
        col=1,
    )
    if decoder:
        step = 1 + (len(row) - 1) // _MOST_NAMES
        written = [word or "(end)" for word in track.written]
        figure.update_yaxes(
            tickvals=row[::step],
            ticktext=[_short(written[int(place)]) for place in row[::step]],
            title_text="from the word",
            autorange="reversed",
            row=last,
        )
    else:
        figure.update_yaxes(title_text="from (s)", range=[shown, 0], row=last)
    if over_sound:
        figure.update_xaxes(range=[0, length if decoder else shown])
        figure.update_xaxes(title_text="to (s)", minallowed=0, maxallowed=length, row=last)
    else:
        figure.update_xaxes(title_text="to (token)", row=last)
    figure.update_xaxes(showgrid=False)
    figure.update_yaxes(showgrid=False)
    lay_out(figure, ATTENTION_HEIGHT, title)
    figure.update_layout(dragmode="pan", margin_b=44)
    return figure


def how_to_read(patterns: Patterns, track: Track) -> str:
    """What the pictures of a clip show of it, and what their numbers are of, for people."""
    length = len(track.clip.samples) / SAMPLING_RATE
    said = (
        "Colours are square roots of the weights, in each picture from 0 to its own highest;"
        " hovering tells the weight."
    )
    if patterns.looks_at_tokens:
        return said
    if patterns.group.stack != "decoder" and length > SHOWN_SECONDS:
        said += f" The first {SHOWN_SECONDS:g} s are in sight: drag a picture for the rest."
    if patterns.places[-1] > length + 1:
        said += (
            f" The numbers are of the model's whole window of {patterns.places[-1]:.0f} s, the"
            f" silence after the clip's {length:.1f} s included."
        )
    return said


def measured_heads(
    groups: Sequence[UnitGroup], measured: Mapping[str, np.ndarray], name: str
) -> np.ndarray:
    """One of `MEASURES` for every head of some groups, in their order: (heads,)."""
    column = list(MEASURES).index(name)
    return np.concatenate([measured[group.id][:, column] for group in groups])


def on_one_scale(groups: Sequence[UnitGroup], values: np.ndarray, name: str) -> np.ndarray:
    """The same for colours, NaN where a distance is counted in tokens, which are no seconds."""
    tokens = [distance_unit(group) == "tokens" for group in groups for _ in range(group.n_units)]
    return np.where(np.array(tokens) & (name == "distance"), np.nan, values)


def _short(word: str) -> str:
    return word if len(word) <= 12 else f"{word[:11]}…"
