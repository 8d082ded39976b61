"""The recordings that ship with the demo models: a held-out set, and clips to play with.

All are synthesised, spoken by voices that no model heard in training, and say sentences that no
model read.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import soundfile as sf

from analysis.speech.disturbing import coloured_noise
from demo.augmentation import Waveform, babble, disturb, random_room
from demo.grammar import KINDS, sentences
from demo.synthesis import (
    SAMPLING_RATE,
    Corpus,
    Utterance,
    Voice,
    draw_voice,
    synthesise,
)

HELD_OUT_SEED = 3
HELD_OUT_SIZE = 200
CLIPS_SEED = 4
PADDING = 0.25  # s of silence around a sentence


@dataclass(frozen=True, slots=True)
class Recording:
    """One file to be written: its name, sound, words and two descriptive columns."""

    file_name: str
    waveform: Waveform
    transcription: str
    voice: str
    note: str


def pad(waveform: Waveform, level: float = 0.7) -> Waveform:
    """Add :data:`PADDING` seconds of silence on both ends and scale the peak to ``level``."""
    silence = np.zeros(int(PADDING * SAMPLING_RATE), np.float32)
    scaled = waveform * np.float32(level / (np.abs(waveform).max() + 1e-9))
    return np.concatenate([silence, scaled, silence])


def add_noise(waveform: Waveform, noise: Waveform, snr_db: float) -> Waveform:
    """Mix ``noise`` (unit variance, at least as long) in at ``snr_db`` below the speech."""
    level = np.sqrt((waveform**2).mean()) * 10 ** (-snr_db / 20)
    noisy = waveform + np.float32(level) * noise[: len(waveform)]
    return noisy * np.float32(0.8 / np.abs(noisy).max())


def write_recordings(folder: Path, recordings: Iterable[Recording], note: str) -> None:
    """Write files and ``metadata.csv`` (audiofolder layout), replacing ``folder``.

    ``note`` names the last column, which holds :attr:`Recording.note`. The file's suffix decides
    its format: FLAC, or Vorbis in ``.ogg``.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with (folder / "metadata.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file_name", "transcription", "voice", note])
        for recording in recordings:
            sf.write(folder / recording.file_name, recording.waveform, SAMPLING_RATE)
            row = (recording.file_name, recording.transcription, recording.voice, recording.note)
            writer.writerow(row)


def held_out_recordings(size: int = HELD_OUT_SIZE) -> Iterable[Recording]:
    """Held-out sentences by held-out voices, all of them different."""
    rng = np.random.default_rng(HELD_OUT_SEED)
    source = sentences(rng, held_out=True)
    seen: set[str] = set()
    while len(seen) < size:
        kind, text = next(source)
        if text in seen:
            continue
        voice = draw_voice(rng, held_out=True)
        name = f"{len(seen):03d}.ogg"
        seen.add(text)
        yield Recording(name, pad(synthesise(voice, text)), text, voice.label, kind)


def clip_recordings() -> Iterable[Recording]:
    """A dozen clips for the pages: one per kind of sentence, disturbed ones, and a long one."""
    rng = np.random.default_rng(CLIPS_SEED)

    def speak(kind: str) -> tuple[Waveform, str, Voice]:
        text = next(sentences(rng, held_out=True, kinds=(kind,)))[1]
        voice = draw_voice(rng, held_out=True, flite_share=0.4)
        return pad(synthesise(voice, text)), text, voice

    clean = {
        "digits": "a digit string",
        "number": "a number",
        "date": "a date",
        "time": "a time of day",
        "set": "a setting",
        "switch": "a command to switch something",
        "people": "a message or call",
        "shopping": "the shopping list",
    }
    for kind, description in clean.items():
        waveform, text, voice = speak(kind)
        yield Recording(f"{kind}.flac", waveform, text, voice.label, description)

    waveform, text, voice = speak("question")
    noise = coloured_noise(rng, len(waveform), 1.0)
    noisy = add_noise(waveform, noise, 8.0)
    yield Recording("noisy.flac", noisy, text, voice.label, "a question in pink noise, 8 dB SNR")

    waveform, text, voice = speak("dial")
    others = [speak("people")[0] for _ in range(12)]
    bounds = np.cumsum([0, *(len(other) for other in others)])
    crowd = Corpus(
        np.round(np.concatenate(others) * 32767).astype(np.int16),
        tuple(Utterance("", "", "", int(start), int(stop)) for start, stop in pairwise(bounds)),
    )
    noisy = add_noise(waveform, babble(rng, len(waveform), crowd, 5), 12.0)
    yield Recording("crowd.flac", noisy, text, voice.label, "digits among five talkers, 12 dB SNR")

    waveform, text, voice = speak("switch")
    distant = pad(disturb(waveform, rng, telephone=True, room=random_room(rng)))
    note = "a command over the telephone, from a reverberant room"
    yield Recording("telephone.flac", distant, text, voice.label, note)

    pieces: list[Waveform] = []
    words: list[str] = []
    voices: list[str] = []
    while sum(len(piece) for piece in pieces) < 44 * SAMPLING_RATE:
        kind = str(rng.choice(list(KINDS)[:-1]))  # fixed phrases are never held out
        waveform, text, voice = speak(kind)
        pieces.append(waveform)
        words.append(text)
        voices.append(voice.label)
    note = f"long: {len(pieces)} sentences by as many voices, several windows"
    yield Recording(
        "long.flac", np.concatenate(pieces), " ".join(words), " ".join(voices), note
    )  # fmt: skip
