"""The command that transcribes clips: every model hears each, and a bad clip stops no other."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis.cli.terminal import print_json, printable, progress_bar, say_notes
from analysis.errors import UserError
from analysis.evaluation.references import read_references
from analysis.evaluation.scoring import Score, score
from analysis.files import absolute
from analysis.models.finding import is_model
from analysis.models.footprint import footprint
from analysis.models.foreign import MODEL_FILES
from analysis.models.loading import DEMO_MODELS, load
from analysis.speech.audio import SUPPORTED_EXTENSIONS, Audio, read_audio
from analysis.speech.transcription import Transcript, TranscriptionOptions
from analysis.speech.transcription import transcribe as transcribe_audio


def transcribe(options: argparse.Namespace) -> None:
    """Transcribe clips through every model; score them where a reference is given."""
    sources, paths = _split_inputs(options.inputs)
    references = None if options.reference is None else read_references(options.reference, paths)
    clips = _read_clips(paths)
    settings = TranscriptionOptions(language=options.language, task=options.task)
    rows: list[dict[str, Any]] = []
    with progress_bar("transcribe") as progress:
        for source in sources:
            model = load(
                source, revision=options.revision, device=options.device, dtype=options.dtype
            )
            say_notes(model)
            n_bytes = footprint(model).bytes
            for index, clip in clips.items():
                transcript = transcribe_audio(model, clip, settings)
                result = (
                    score(references[index], transcript.text, options.normaliser)
                    if references
                    else None
                )
                row = _row(source, str(paths[index]), clip, transcript, result)
                rows.append(row | {"model_bytes": n_bytes})
                progress(len(rows), len(sources) * len(clips), clip.name)
    if options.json:
        print_json(rows)
    else:
        _print_rows(rows)
    if n_refused := len(paths) - len(clips):
        raise UserError(
            f"{n_refused} of {len(paths)} clips could not be read.", "What is wrong stands above."
        )


def _read_clips(paths: Sequence[Path]) -> dict[int, Audio]:
    """The clips that can be read, by their place in the list; what is wrong with the others.

    It is said on stderr, as is what a person should know of those that were read.
    """
    clips: dict[int, Audio] = {}
    refusals: list[UserError] = []
    for index, path in enumerate(paths):
        try:
            clips[index] = read_audio(path)
        except UserError as error:
            refusals.append(error)
            continue
        for note in clips[index].notes:
            print(printable(f"coalesce transcribe: {path}: {note}"), file=sys.stderr)
    if not clips:
        raise refusals[0]
    for refusal in refusals:
        print(printable(f"coalesce transcribe: {refusal}"), file=sys.stderr)
    return clips


def _print_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    for row in rows:
        size = f"{row['model_bytes'] / 1e6:.1f} MB"
        speed = f"RTF {row['real_time_factor']:.3f}"
        print(printable(f"{row['audio']}  [{row['model']}, {size}]  {speed}"))
        print(printable(f"  {row['text']}"))
        for note in row["notes"]:
            print(f"  ({note})")
        if "wer" in row:
            words = "word" if row["words"] == 1 else "words"
            print(
                f"  WER {_percent(row['wer'])}, CER {_percent(row['cer'])} "
                f"({row['substitutions']} S, {row['insertions']} I, {row['deletions']} D "
                f"of {row['words']} {words}; normaliser: {row['normaliser']})"
            )


def _split_inputs(inputs: list[str]) -> tuple[list[str], list[Path]]:
    """Tell models from audio files: what is a file or is called like one is audio."""
    models, paths = [], []
    for text in inputs:
        absolute(text)  # refuses links that lead in a circle
        path = Path(text).expanduser()
        if path.is_file() and path.suffix.lower() in MODEL_FILES:
            models.append(text)  # as which it is refused, with what to do instead
        elif path.is_file():
            paths.append(path)
        elif text == "-" or (path.exists() and not path.is_dir()):
            raise UserError(
                f"{text} is no file that can be read twice.", "Write it to a file and name that."
            )
        elif path.suffix.lower() in SUPPORTED_EXTENSIONS and not path.is_dir():
            raise UserError(f"There is no audio file {text}.", "Check the path.")
        else:
            models.append(text)
    if not models:
        raise UserError("No model was given.", f"Start with {', '.join(DEMO_MODELS)} or a folder.")
    if not paths:
        folders = [text for text in models if Path(text).is_dir() and not is_model(Path(text))]
        if folders:
            raise UserError(
                f"{folders[0]} is a folder without a model, and clips are given file by file.",
                f"Name the clips in it ({folders[0]}/*), or take evaluate for all of a corpus.",
            )
        raise UserError("No audio file was given.", "Name one or more after the model.")
    return models, paths


def _row(
    source: str, path: str, clip: Audio, transcript: Transcript, result: Score | None
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "audio": path,
        "model": source,
        "text": transcript.text,
        "real_time_factor": transcript.real_time_factor,
        "duration": transcript.duration,
        "processing_time": transcript.processing_time,
        "peak_memory": transcript.peak_memory,
        "notes": list(transcript.notes),
        "audio_notes": list(clip.notes),
    }
    if result is not None:
        row |= {
            "wer": result.wer,
            "cer": result.cer,
            "substitutions": result.substitutions,
            "insertions": result.insertions,
            "deletions": result.deletions,
            "words": result.words,
            "normaliser": result.normaliser,
        }
    return row


def _percent(rate: float) -> str:
    return "undefined (empty reference)" if rate != rate else f"{rate:.1%}"
