"""A comparison on one clip as a file that opens anywhere: player, words, scores, plans, figures."""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import plotly.graph_objects as go
import soundfile

from analysis.evaluation.scoring import Score
from analysis.figures.marked_words import (
    legend,
    marked_transcript,
    plain_transcript,
    reference_text,
)
from analysis.figures.palette import BACKGROUNDS, INKS, TEXTS
from analysis.speech.audio import SAMPLING_RATE, Audio

Theme = Literal["light", "dark"]

MOST_SECONDS = 600.0
"""What the file's player holds of a long clip; ten minutes are about 12 MB."""

# The file asks nothing of anybody, and says so to the browser; its scripts are Plotly's and ours.
_POLICY = (
    "default-src 'none'; img-src data: blob:; media-src data:; style-src 'unsafe-inline';"
    " script-src 'unsafe-inline'"
)

_STYLE = """
:root {{ color-scheme: {theme}; }}
body {{ margin: 0 auto; padding: 2rem 1.25rem; max-width: 72rem; background: {page}; color: {text};
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }}
h1 {{ font-size: 1.75rem; margin: 0; }} h2 {{ font-size: 1.2rem; margin: 2rem 0 0.5rem; }}
small, figcaption, summary {{ color: {ink}; }}
audio {{ width: 100%; margin: 1rem 0; }}
.cards {{ display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); }}
.card {{ background: {panel}; border-radius: 0.4rem; padding: 0.75rem 1rem; margin-bottom: 1rem; }}
pre {{ white-space: pre-wrap; font-size: 0.8rem; }}
"""

# A click on a word in the lanes plays it; {plot_id} is filled in by Plotly.
_PLAY_WORD = """
const player = document.querySelector('audio');
let end = Infinity;
player.addEventListener('timeupdate', () => {
  if (player.currentTime >= end) { player.pause(); end = Infinity; }
});
document.getElementById('{plot_id}').on('plotly_click', event => {
  const [, , start, stop] = event.points[0].customdata;
  player.currentTime = Math.max(0, start - 0.25);
  end = stop + 0.25;
  player.play();
});
"""


@dataclass(frozen=True, slots=True)
class Compared:
    """One model of a comparison.

    Parameters
    ----------
    name, color : str
    text : str
        As it wrote it.
    score : Score or None
        Against the reference, or the original's words; None where there was nothing to compare.
    against : str
        "reference", "original" or "".
    cost : str
        One line on its size.
    notes : tuple of str
        Sentences that belong beside the text.
    plan : str
        How it was compressed, as JSON; empty for the original.
    """

    name: str
    color: str
    text: str
    score: Score | None
    against: str
    cost: str
    notes: tuple[str, ...] = ()
    plan: str = ""

    @property
    def rate(self) -> str:
        """Its error, named for what it was measured against."""
        if self.score is None:
            return ""
        label = "WER" if self.against == "reference" else "Divergence from the original"
        own = self.score
        value = f"{100 * own.wer:.1f} %" if own.wer == own.wer else "–"
        return (
            f"{label} {value} · S {own.substitutions} · I {own.insertions} · D {own.deletions}"
            f" of {own.words} · {own.normaliser}"
        )


def comparison_report(
    clip: Audio,
    reference: str,
    models: Sequence[Compared],
    *,
    lanes: go.Figure | None = None,
    figures: Mapping[str, go.Figure] | None = None,
    theme: Theme = "light",
) -> str:
    """One self-contained HTML file, which asks the network for nothing.

    Parameters
    ----------
    clip : Audio
        Its first `MOST_SECONDS` are played.
    reference : str
        What is said; may be empty.
    models : sequence of Compared
        The original first.
    lanes : Figure, optional
        Of `analysis.figures.words`; a word that is clicked is played.
    figures : mapping of str to Figure, optional
        Others, by their headings.
    theme : {"light", "dark"}

    Returns
    -------
    str
        HTML; all foreign text in it is escaped.
    """
    page, panel = BACKGROUNDS[theme]
    style = _STYLE.format(theme=theme, page=page, panel=panel, text=TEXTS[theme], ink=INKS[theme])
    pictures = {"Word by word": lanes} if lanes else {}
    parts = [
        f"<h1>{html.escape(clip.name)}</h1>",
        f"<small>{clip.duration:.1f} s, heard by {len(models)} models; made with Coalesce.</small>",
        f"<audio controls src='{_sound(clip)}'></audio>",
        _card("Reference", "", reference_text(reference)) if reference.strip() else "",
        f"<div class='cards'>{''.join(map(_model, models))}</div>",
        legend(),
    ]
    for number, (heading, chart) in enumerate((pictures | dict(figures or {})).items()):
        drawn = _figure(chart, theme, first=not number, playing=chart is lanes)
        parts.append(f"<h2>{html.escape(heading)}</h2>{drawn}")
    plans = [_plan(model) for model in models if model.plan]
    if plans:
        parts += ["<h2>How the variants were made</h2>", *plans]
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{html.escape(clip.name)}</title><style>{style}</style></head>"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _model(model: Compared) -> str:
    """A card: words with marks where they were compared, else as they were written."""
    words = (
        marked_transcript(model.score.alignment) if model.score else plain_transcript(model.text)
    )
    notes = "".join(f"<br>{html.escape(note)}" for note in model.notes)
    rate = f"{html.escape(model.rate)}<br>" if model.score else ""
    return _card(
        model.name, model.color, f"{words}<small>{rate}{html.escape(model.cost)}{notes}</small>"
    )


def _card(title: str, color: str, content: str) -> str:
    square = f"<span style='color:{color}'>■</span> " if color else ""
    return f"<div class='card'>{square}<strong>{html.escape(title)}</strong>{content}</div>"


def _plan(model: Compared) -> str:
    return (
        f"<details><summary>{html.escape(model.name)}</summary>"
        f"<pre>{html.escape(model.plan)}</pre></details>"
    )


def _sound(clip: Audio) -> str:
    """The clip as a data URI, in FLAC, which every browser plays."""
    file = io.BytesIO()
    played = clip.samples[: int(MOST_SECONDS * SAMPLING_RATE)]
    soundfile.write(file, played.clip(-1, 1), SAMPLING_RATE, format="FLAC", subtype="PCM_16")
    return f"data:audio/flac;base64,{base64.b64encode(file.getvalue()).decode()}"


def _figure(chart: go.Figure, theme: Theme, *, first: bool, playing: bool) -> str:
    """A figure; the first brings Plotly along for all."""
    copy = go.Figure(chart)
    copy.update_layout(
        template="plotly_dark" if theme == "dark" else "plotly_white",
        paper_bgcolor=BACKGROUNDS[theme][0],
        plot_bgcolor=BACKGROUNDS[theme][0],
        font_color=INKS[theme],
    )
    drawn: str = copy.to_html(
        include_plotlyjs=first,
        full_html=False,
        config={
            "displaylogo": False,
            "responsive": True,
            "modeBarButtonsToRemove": ["select2d", "lasso2d", "zoomIn2d", "zoomOut2d"],
        },
        post_script=_PLAY_WORD if playing else None,
    )
    return drawn
