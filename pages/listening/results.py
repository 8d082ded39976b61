"""All transcripts of a session as rows: shown as a table, taken along as files."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import pandas as pd

from analysis.evaluation.scoring import Score, corpus_score, score
from analysis.speech.transcription import Transcript
from analysis.tables import from_records
from pages.session.session import Clip


@dataclass(frozen=True, slots=True)
class ScoredTranscript:
    """What one model made of one clip, compared with a text.

    Parameters
    ----------
    clip : Clip
    model : str
        Name for people.
    transcript : Transcript
    against : {"reference", "original", ""}
        What it was compared with: "" where there is nothing to compare with.
    compared_with : str
        That text.
    score : Score or None
    """

    clip: Clip
    model: str
    transcript: Transcript
    against: str
    compared_with: str
    score: Score | None


def score_transcripts(
    clip: Clip, model: str, transcript: Transcript, original: Transcript | None, normaliser: str
) -> ScoredTranscript:
    """Score against the reference where there is one, else against the original's words.

    Parameters
    ----------
    clip : Clip
    model : str
        Name of the model that wrote `transcript`.
    transcript : Transcript
    original : Transcript or None
        Of the uncompressed model; None for the original itself.
    normaliser : str
        Key of `analysis.plan.choices.NORMALISERS`.
    """
    if clip.reference.strip():
        against, text = "reference", clip.reference
    elif original is not None:
        against, text = "original", original.text
    else:
        return ScoredTranscript(clip, model, transcript, "", "", None)
    return ScoredTranscript(
        clip, model, transcript, against, text, score(text, transcript.text, normaliser)
    )


def overall(results: Sequence[ScoredTranscript], normaliser: str) -> dict[str, Score]:
    """Corpus-level score of each model over the clips that have a reference.

    Parameters
    ----------
    results : sequence of ScoredTranscript
    normaliser : str

    Returns
    -------
    dict of str to Score
        By model name, in order of appearance.
    """
    by_model: dict[str, list[ScoredTranscript]] = {}
    for result in results:
        if result.against == "reference":
            by_model.setdefault(result.model, []).append(result)
    return {
        model: corpus_score(
            [r.compared_with for r in own], [r.transcript.text for r in own], normaliser
        )
        for model, own in by_model.items()
    }


def row(result: ScoredTranscript) -> dict[str, object]:
    """One flat row, with units in the names; empty where there was nothing to compare with."""
    values = asdict(result.transcript)
    own = result.score
    rates = {
        "wer": None if own is None or not math.isfinite(own.wer) else own.wer,
        "cer": None if own is None or not math.isfinite(own.cer) else own.cer,
        "substitutions": own.substitutions if own else None,
        "insertions": own.insertions if own else None,
        "deletions": own.deletions if own else None,
        "compared_words": own.words if own else None,
        "normaliser": own.normaliser if own else None,
    }
    return {
        "clip": result.clip.audio.name,
        "model": result.model,
        "text": result.transcript.text,
        "compared_with": result.against or None,
        "comparison_text": result.compared_with or None,
        **rates,
        "duration_seconds": values["duration"],
        "windows": values["n_windows"],
        "notes": " ".join((*result.clip.audio.notes, *values["notes"])) or None,
    }


def table_of(results: Iterable[ScoredTranscript]) -> pd.DataFrame:
    """The rows as a table, for files."""
    return from_records([row(result) for result in results])


def to_json(results: Iterable[ScoredTranscript]) -> str:
    """The rows as JSON, with the alignment of each, and when its words are said."""
    rows = [
        row(result)
        | {"alignment": [asdict(span) for span in result.score.alignment] if result.score else []}
        | {"words": [asdict(word) for word in result.transcript.words]}
        for result in results
    ]
    return json.dumps(rows, indent=2, ensure_ascii=False) + "\n"
