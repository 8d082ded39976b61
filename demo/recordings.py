"""The recordings that ship with the demo models: held-out set, clips, and excitation.

All are synthesised. The held-out set and the clips are spoken by voices that no model heard in
training, and say sentences that no model read; the excitation is spoken by training voices and
says ordinary English, since it serves statistics, not tests.
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

from demo.augmentation import Waveform, babble, coloured_noise, disturb, random_room
from demo.grammar import KINDS, sentences
from demo.synthesis import (
    FLITE_PITCH,
    SAMPLING_RATE,
    TRAIN_ACCENTS,
    TRAIN_FLITE,
    TRAIN_VARIANTS,
    Corpus,
    Utterance,
    Voice,
    draw_voice,
    synthesise,
)

HELD_OUT_SEED = 3
HELD_OUT_SIZE = 200
CLIPS_SEED = 4
EXCITATION_SEED = 5
PADDING = 0.25  # s of silence around a sentence

EXCITATION_SENTENCES = (
    "the old harbour lay quiet beneath a thin grey mist",
    "children were chasing a yellow kite across the meadow",
    "she brewed a strong cup of cocoa and opened her book",
    "a rusty bicycle leaned against the crooked fence",
    "his judgement of character was usually rather sharp",
    "the orchestra tuned their violins before the concert began",
    "we should measure the pressure once the valve is closed",
    "few visitors ever noticed the small fountain behind the chapel",
    "thick smoke rose from the chimney of the bakery",
    "my cousin voyages to norway whenever the fishing is good",
    "beige cloth hung loosely over the polished table",
    "the judge chose her words with unusual care",
    "both brothers thought that the weather would soon improve",
    "an eager puppy jumped into the shallow puddle",
    "fresh oranges and juicy plums were stacked beside the road",
    "the engineer sketched a bridge of steel and glass",
    "several dozen geese flew south before the first heavy frost",
    "please leave the muddy boots outside the kitchen door",
    "the lecture on early medicine lasted longer than expected",
    "a cheerful postman whistled while he sorted the letters",
    "my grandmother keeps her recipes in a small wooden box",
    "the river rose quickly after three days of steady rain",
    "nobody could explain why the museum closed so suddenly",
    "he polished the silver spoons until they shone like mirrors",
    "our train was delayed because of snow on the northern line",
    "the committee rejected the proposal by a narrow margin",
    "sunlight streamed through the dusty windows of the attic",
    "they discovered an ancient map inside the hollow statue",
    "a thousand lanterns floated gently down the canal",
    "she speaks four languages but prefers to write in french",
    "the carpenter measured twice and cut the oak board once",
    "loud thunder woke the baby in the middle of the night",
    "fishermen repaired their nets along the sheltered quay",
    "the pilot announced that we would arrive ahead of schedule",
    "wild strawberries grow beside the path to the old mill",
    "his nephew studies physics at a university in scotland",
    "the choir rehearsed the final chorus again and again",
    "a strange blue light appeared above the frozen lake",
    "most of the villagers had never travelled beyond the valley",
    "the surgeon removed her gloves and smiled with relief",
    "pour the boiling water slowly over the crushed leaves",
    "the jury reached its verdict shortly after midday",
    "an owl watched us silently from the branch of a chestnut tree",
    "the merchant sold carpets and spices from distant countries",
    "every spring the garden fills with tulips and bees",
    "the author refused to reveal how the story would end",
    "two exhausted climbers finally reached the snowy summit",
    "their voices echoed through the empty railway tunnel",
)


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


def excitation_recordings() -> Iterable[Recording]:
    """Nearly three minutes of ordinary English by training voices, for data-free statistics."""
    rng = np.random.default_rng(EXCITATION_SEED)
    for index, text in enumerate(EXCITATION_SENTENCES):
        if index % 4 == 3:
            name = TRAIN_FLITE[index // 4 % len(TRAIN_FLITE)]
            voice = Voice("flite", name, 1.0, FLITE_PITCH[name])
        else:
            accent, variant = str(rng.choice(TRAIN_ACCENTS)), str(rng.choice(TRAIN_VARIANTS))
            pitch = float(rng.integers(25, 75))
            voice = Voice("espeak-ng", f"{accent}+{variant}", 165.0, pitch)
        waveform = pad(synthesise(voice, text))
        yield Recording(f"{index:02d}.ogg", waveform, text, voice.label, "excitation")
