"""A comparison on one clip as a file that opens anywhere: player, words, scores, plans, figures."""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go
import soundfile

from analysis.evaluation.scoring import Score
from analysis.figures.document import Theme, card, document, embedded
from analysis.figures.marked_words import (
    legend,
    marked_transcript,
    plain_transcript,
    reference_text,
)
from analysis.speech.audio import SAMPLING_RATE, Audio

MOST_SECONDS = 600.0
"""What the file's player holds of a long clip; ten minutes are about 12 MB."""

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
    pictures = {"Word by word": lanes} if lanes else {}
    parts = [
        f"<h1>{html.escape(clip.name)}</h1>",
        f"<small>{clip.duration:.1f} s, heard by {len(models)} models; made with Coalesce.</small>",
        f"<audio controls src='{_sound(clip)}'></audio>",
        card("Reference", "", reference_text(reference)) if reference.strip() else "",
        f"<div class='cards'>{''.join(map(_model, models))}</div>",
        legend(),
    ]
    for number, (heading, chart) in enumerate((pictures | dict(figures or {})).items()):
        script = _PLAY_WORD if chart is lanes else None
        drawn = embedded(chart, theme, first=not number, script=script)
        parts.append(f"<h2>{html.escape(heading)}</h2>{drawn}")
    plans = [_plan(model) for model in models if model.plan]
    if plans:
        parts += ["<h2>How the variants were made</h2>", *plans]
    return document(clip.name, parts, theme)


def _model(model: Compared) -> str:
    """A card: words with marks where they were compared, else as they were written."""
    words = (
        marked_transcript(model.score.alignment) if model.score else plain_transcript(model.text)
    )
    notes = "".join(f"<br>{html.escape(note)}" for note in model.notes)
    rate = f"{html.escape(model.rate)}<br>" if model.score else ""
    return card(
        model.name, model.color, f"{words}<small>{rate}{html.escape(model.cost)}{notes}</small>"
    )


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
