"""The excitation: half an hour of varied synthesised speech for statistics that need no data.

Any beginning of it is varied: families of voices, conditions and lengths each go round in a cycle
of their own. All about a clip follows from its number, but for the sentences, no two of which are
equal in all clips.
"""

from __future__ import annotations

import csv
import functools
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import soundfile as sf

from analysis.speech.disturbing import change_speed
from demo.augmentation import NoiseBank, Waveform, disturb, random_room
from demo.excitation_voices import (
    CHECK_FAMILIES,
    ESPEAK_LANGUAGES,
    draw_english,
    draw_foreign,
    speak,
)
from demo.foreign_sentences import FOREIGN_SENTENCES
from demo.open_sentences import SentenceMaker
from demo.synthesis import SAMPLING_RATE, Corpus, Utterance, Voice

EXCITATION_SEED = 5
ENGLISH_SECONDS = {"fit": 24 * 60.0, "check": 2.5 * 60.0}
FOREIGN_TURNS = 2  # clips for each other language to fit on; there is one to check on
FOREIGN_SECONDS = 9.5  # from which a clip of another language is long enough
N_BRIEF = 12  # clips at the beginning that are at most about 15 s, for the sake of variety
LONGEST = 27.5  # s, within Whisper's window with the tail of a room
COLUMNS = ("file_name", "transcription", "language", "part", "voice", "condition", "seconds")
VOICE_SEPARATOR = " & "  # between the two voices of one clip
COMPRESSION = 0.92  # of libsndfile's Opus, about 23 kbit/s

FAMILY_CYCLE = (
    "random", "kokoro", "flite", "shipped", "hibari", "kokoro", "random", "festival", "kokoro",
    "shipped", "flite", "kokoro", "random", "hibari", "shipped",
)  # fmt: skip
CONDITION_CYCLE = (
    "clean", "noise", "room", "clean", "room, noise", "telephone", "clean", "noise", "room",
    "noise", "clean",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Clip:
    """One file of the excitation: its sound and its row of ``metadata.csv``."""

    waveform: Waveform
    transcription: str
    language: str
    part: str
    voices: tuple[str, ...]
    condition: str


@dataclass(slots=True)
class Talk:
    """Sentences said one after the other, with pauses between them."""

    rng: np.random.Generator
    pieces: list[Waveform] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    n_samples: int = 0

    def add(self, text: str, waveform: Waveform) -> None:
        """Append a sentence and a pause of 0.2 to 1.5 s."""
        pause = np.zeros(int(self.rng.uniform(0.2, 1.5) * SAMPLING_RATE), np.float32)
        self.pieces += [waveform, pause]
        self.texts.append(text)
        self.n_samples += len(waveform) + len(pause)

    def waveform(self) -> Waveform:
        """Join all, with a little silence in front; the last pause becomes the end."""
        silence = np.zeros(int(self.rng.uniform(0.1, 0.5) * SAMPLING_RATE), np.float32)
        end = self.pieces[-1][: int(self.rng.uniform(0.1, 0.4) * SAMPLING_RATE)]
        return np.concatenate([silence, *self.pieces[:-1], end])


class Speaker:
    """A voice with a loudness and a speed of its own."""

    def __init__(self, voice: Voice, rng: np.random.Generator, cache: Path | None) -> None:
        """Draw the speed (none in two of five) and the loudness."""
        self.voice = voice
        self._speed = float(rng.uniform(0.88, 1.12)) if rng.random() < 0.6 else 1.0
        self._level = float(10 ** (rng.uniform(-4.0, 4.0) / 20))
        self._cache = cache

    def say(self, text: str) -> Waveform:
        """Speak a sentence at the speaker's root mean square."""
        waveform = change_speed(speak(self.voice, text, self._cache), self._speed)
        return waveform * np.float32(0.06 * self._level / (speech_level(waveform) + 1e-9))


def speech_level(waveform: Waveform) -> float:
    """Root mean square of the part that is speech: frames within 30 dB of the loudest."""
    frame = SAMPLING_RATE // 50
    n_frames = max(1, len(waveform) // frame)
    power = np.resize(waveform, n_frames * frame).reshape(n_frames, frame).astype(float) ** 2
    power = power.mean(axis=1)
    return float(np.sqrt(power[power >= power.max() / 1000].mean()))


@functools.cache
def noise_bank() -> NoiseBank:
    """Noises of 30 s: coloured ones, babble, hum, and swelling ones."""
    rng = np.random.default_rng([EXCITATION_SEED, 9])
    maker = SentenceMaker(rng)
    spoken = [
        Speaker(draw_english(rng, "random", check=False), rng, None).say(maker.sentence())
        for _ in range(16)
    ]
    bounds = np.cumsum([0, *(len(waveform) for waveform in spoken)])
    samples = np.round(np.concatenate(spoken).clip(-1, 1) * 32767).astype(np.int16)
    utterances = tuple(Utterance("", "", "", int(a), int(b)) for a, b in pairwise(bounds))
    return NoiseBank(Corpus(samples, utterances), EXCITATION_SEED, n_noises=24, duration=30.0)


def apply_condition(
    waveform: Waveform, condition: str, rng: np.random.Generator
) -> tuple[Waveform, str]:
    """Send a clip through a room, a microphone, noise or a telephone; returns it and its label."""
    if condition == "clean":
        return waveform, condition
    room = random_room(rng, longest=1.0) if condition.startswith("room") else None
    if condition == "telephone" and rng.random() < 0.5:
        room = random_room(rng, longest=0.3)
    n_samples = int((LONGEST + 0.4) * SAMPLING_RATE)
    waveform = disturb(waveform, rng, telephone=condition == "telephone", room=room)[:n_samples]
    level = speech_level(waveform)
    if condition.endswith("noise"):
        snr = float(rng.uniform(5.0, 25.0))
        label = f"{condition} {snr:.0f} dB"
        return noise_bank().add(waveform, rng, level * 10 ** (-snr / 20)), label
    hiss = level * 10 ** (-rng.uniform(30.0, 55.0) / 20)
    return (waveform + hiss * rng.standard_normal(len(waveform))).astype(np.float32), condition


def set_level(waveform: Waveform, rng: np.random.Generator) -> Waveform:
    """Scale the peak to between -30 and -1 dBFS, in three of five clips above -10."""
    peak = rng.uniform(-10.0, -1.0) if rng.random() < 0.6 else rng.uniform(-30.0, -10.0)
    gain = 10 ** (peak / 20) / (np.abs(waveform).max() + 1e-9)
    return (waveform * np.float32(gain)).astype(np.float32)


def english_clips(part: str, cache: Path | None) -> Iterator[Clip]:
    """Yield the English clips of one part, "fit" or "check", in order."""
    check = part == "check"
    maker = SentenceMaker(np.random.default_rng([EXCITATION_SEED, int(check)]))
    families = CHECK_FAMILIES if check else FAMILY_CYCLE
    remaining = ENGLISH_SECONDS[part]
    index = 0
    while remaining > 0:
        rng = np.random.default_rng([EXCITATION_SEED, 2 + int(check), index])
        short = index % 6 == 2
        family = families[index % len(families)]
        speakers = [Speaker(draw_english(rng, family, check=check), rng, cache)]
        if index % 5 == 3 and not short:
            other = families[int(rng.integers(len(families)))]
            speakers.append(Speaker(draw_english(rng, other, check=check), rng, cache))
        talk = _english_talk(maker, speakers, rng, short=short, brief=index < N_BRIEF)
        condition = CONDITION_CYCLE[(index + 2 * int(check)) % len(CONDITION_CYCLE)]
        clip = _finish(talk, "en", part, speakers, condition, rng)
        yield clip
        remaining -= len(clip.waveform) / SAMPLING_RATE
        index += 1


def _english_talk(
    maker: SentenceMaker,
    speakers: list[Speaker],
    rng: np.random.Generator,
    *,
    short: bool,
    brief: bool,
) -> Talk:
    """One sentence of 2 to 6.5 s, or several that fill 12 to 27 s, by the speakers in turn."""
    talk = Talk(rng)
    if short:
        while not 1.6 * SAMPLING_RATE <= talk.n_samples <= 8 * SAMPLING_RATE:
            text = maker.sentence(n_words=(5, 14))
            waveform = speakers[0].say(text)
            if 1.4 * SAMPLING_RATE <= len(waveform) <= 6.2 * SAMPLING_RATE:
                talk.add(text, waveform)
        return talk
    least = int(rng.uniform(12.0, 13.0 if brief else 22.0) * SAMPLING_RATE)
    most = int((17.0 if brief else LONGEST - 0.8) * SAMPLING_RATE)
    source = iter(maker)
    while talk.n_samples < least:
        text = next(source)
        waveform = speakers[len(talk.texts) % len(speakers)].say(text)
        if talk.n_samples + len(waveform) < most:
            talk.add(text, waveform)
    return talk


def foreign_clips(part: str, cache: Path | None) -> Iterator[Clip]:
    """Yield the clips of the other languages, one language after the other, round and round."""
    check = part == "check"
    for turn in range(1 if check else FOREIGN_TURNS):
        for number, language in enumerate(ESPEAK_LANGUAGES):
            rng = np.random.default_rng([EXCITATION_SEED, 4 + int(check), turn, number])
            neural = check or (turn + number) % 2 == 0
            voice = draw_foreign(rng, language, check=check, neural=neural)
            speaker = Speaker(voice, rng, cache)
            talk = Talk(rng)
            *to_fit, last = FOREIGN_SENTENCES[language]
            for text in [last] if check else to_fit[turn::FOREIGN_TURNS]:
                if talk.n_samples < FOREIGN_SECONDS * SAMPLING_RATE:
                    talk.add(text, speaker.say(text))
            condition = CONDITION_CYCLE[(3 * turn + number) % len(CONDITION_CYCLE)]
            yield _finish(talk, language, part, [speaker], condition, rng)


def _finish(
    talk: Talk,
    language: str,
    part: str,
    speakers: list[Speaker],
    condition: str,
    rng: np.random.Generator,
) -> Clip:
    waveform, label = apply_condition(talk.waveform(), condition, rng)
    voices = tuple(speaker.voice.label for speaker in speakers[: len(talk.texts)])
    return Clip(set_level(waveform, rng), " ".join(talk.texts), language, part, voices, label)


def order_rows(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Put clips of voices that recognisers understand well in front.

    The order of the rows is the order in which they are taken where less than all is wanted.
    Whisper understands hardly a word of espeak-ng's voices, and what it writes then is no speech:
    they have every fifth place, as long as there are others.
    """
    plain = [row for row in rows if "espeak-ng" not in row["voice"]]
    robotic = [row for row in rows if "espeak-ng" in row["voice"]]
    ordered: list[dict[str, str]] = []
    while plain or robotic:
        turn = robotic if robotic and (len(ordered) % 5 == 1 or not plain) else plain
        ordered.append(turn.pop(0))
    return ordered


def write_excitation(folder: Path, cache: Path | None = None) -> None:
    """Write the clips and ``metadata.csv``, replacing ``folder``; needs all engines.

    English clips to fit on come first, then those to check on, then the other languages; see
    `order_rows`.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with (folder / "metadata.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for clips, prefix in ((english_clips, "en"), (foreign_clips, "foreign")):
            for part in ("fit", "check"):
                rows = []
                for index, clip in enumerate(clips(part, cache)):
                    name = f"{prefix}-{part}-{index:03d}.opus"
                    sf.write(
                        folder / name, clip.waveform, SAMPLING_RATE, format="OGG", subtype="OPUS",
                        compression_level=COMPRESSION,
                    )  # fmt: skip
                    seconds = f"{len(clip.waveform) / SAMPLING_RATE:.2f}"
                    voices = VOICE_SEPARATOR.join(clip.voices)
                    values = (name, clip.transcription, clip.language, clip.part, voices)
                    rows.append(dict(zip(COLUMNS, (*values, clip.condition, seconds), strict=True)))
                writer.writerows(order_rows(rows))
