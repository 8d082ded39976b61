"""The clips that ship with the demo models; it loads no model library, for the first page waits."""

import csv
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from analysis.files import PROJECT
from analysis.speech.audio import read_audio

BUNDLED_FOLDER = PROJECT / "demo" / "clips"

FIRST_CLIP = "shopping.flac"
"""Short, and at half of the units the bundled Whisper still reads it where the pruned one fails."""


@dataclass(frozen=True, slots=True)
class BundledClip:
    """A clip that ships with the demo models."""

    path: Path
    reference: str
    voice: str
    description: str
    duration: float


@st.cache_data(show_spinner=False)
def bundled_clips() -> list[BundledClip]:
    """The clips in `demo/clips`, as its metadata.csv lists them."""
    table = BUNDLED_FOLDER / "metadata.csv"
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    clips = []
    for row in rows:
        path = BUNDLED_FOLDER / row["file_name"]
        clips.append(
            BundledClip(
                path,
                row["transcription"],
                row["voice"],
                row["description"],
                read_audio(path).duration,
            )
        )
    return clips


def first_clip() -> BundledClip:
    """The one that is heard where nobody chose: words that every normaliser leaves as they are."""
    return next(clip for clip in bundled_clips() if clip.path.name == FIRST_CLIP)


def short_title(clip: BundledClip) -> str:
    """The title up to its first comma: what fits a list on a phone."""
    return title_of(clip).split(",")[0]


def title_of(clip: BundledClip) -> str:
    """A bundled clip's name for people."""
    return clip.description[:1].upper() + clip.description[1:]
