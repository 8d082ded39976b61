"""Speech synthesis for the demo corpus: which voices exist, which are held out, and how they speak.

espeak-ng (many accents x voice variants) and flite run as child processes. Every setting of an
utterance follows from a seed and its index, so a corpus can be remade bit for bit.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile as sf
import soxr

from demo.grammar import sentences
from demo.random_voices import RANDOM_VARIANTS, espeak_environment

SAMPLING_RATE = 16_000  # Hz

# "en" is British English by the name under which espeak-ng heeds the variant: it ignores the
# variant of "en-gb", so that all of those are one voice.
TRAIN_ACCENTS = (
    "en-us", "en", "en-gb-x-rp", "en-gb-scotland", "en-gb-x-gbclan", "en-029", "en-us-nyc",
)  # fmt: skip
HELD_OUT_ACCENTS = (*TRAIN_ACCENTS, "en-gb-x-gbcwmd")  # West Midlands is in no training voice
TRAIN_VARIANTS = (
    "m1", "m2", "m3", "m4", "m6", "m7", "f1", "f2", "f4", "klatt", "klatt2", "klatt3", "Alex",
    "Alicia", "Andy", "Annie", "Denis", "Diogo", "Gene", "Henrique", "Hugo", "Jacky", "Lee",
    "Marco", "Mario", "Michael", "Mike", "Nguyen", "RicishayMax", "adam", "anika", "antonio",
    "aunty", "belinda", "benjamin", "boris", "caleb", "david", "ed", "edward", "grandma",
    "grandpa", "john", "linda", "marcelo", "max", "michel", "miguel", "norbert", "pablo", "paul",
    "pedro", "quincy", "rob", "robert", "sandro", "shelby", "travis", "victor", "zac",
)  # fmt: skip
HELD_OUT_VARIANTS = (
    "m5", "m8", "f3", "f5", "Andrea", "announcer", "gustave", "iven", "iven2", "iven3", "iven4",
    "kaukovalta", "steph", "steph2", "steph3",
)  # fmt: skip
RANDOM_VARIANT_SHARE = 0.6  # of the training sentences that espeak-ng speaks
TRAIN_FLITE = ("kal", "kal16", "awb", "slt")
HELD_OUT_FLITE = ("rms",)
FLITE_PITCH = {"kal": 105.0, "kal16": 105.0, "awb": 120.0, "slt": 180.0, "rms": 100.0}  # Hz


Spoken = tuple[npt.NDArray[np.int16], str, str, str]  # samples, text, kind, voice


@dataclass(frozen=True, slots=True)
class Voice:
    """One way to speak: an engine, its voice, and the prosody asked of it.

    ``rate`` is words per minute for espeak-ng and a duration stretch for flite; ``pitch`` is
    0 to 99 for espeak-ng and hertz for flite.
    """

    engine: str
    name: str
    rate: float
    pitch: float

    @property
    def label(self) -> str:
        """Engine and voice as one word, e.g. ``espeak-ng:en-us+f3``."""
        return f"{self.engine}:{self.name}"


@dataclass(frozen=True, slots=True)
class Utterance:
    """One synthesised sentence in a corpus; ``start``/``stop`` are sample indices."""

    text: str
    kind: str
    voice: str
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Corpus:
    """Synthesised sentences: one flat int16 array at 16 kHz and where each sentence lies in it."""

    samples: npt.NDArray[np.int16]
    utterances: tuple[Utterance, ...]

    def waveform(self, index: int) -> npt.NDArray[np.float32]:
        """Return utterance ``index`` as float32 in [-1, 1), shape (n_samples,)."""
        utterance = self.utterances[index]
        return self.samples[utterance.start : utterance.stop].astype(np.float32) / 32768.0


def draw_voice(rng: np.random.Generator, *, held_out: bool, flite_share: float = 0.25) -> Voice:
    """Draw a random voice from one side of the voice split; random variants only train."""
    if rng.random() < flite_share:
        name = str(rng.choice(HELD_OUT_FLITE if held_out else TRAIN_FLITE))
        pitch = FLITE_PITCH[name] * float(rng.uniform(0.75, 1.35))
        return Voice("flite", name, round(float(rng.uniform(0.8, 1.3)), 2), round(pitch, 1))
    accent = str(rng.choice(HELD_OUT_ACCENTS if held_out else TRAIN_ACCENTS))
    variants: tuple[str, ...] = HELD_OUT_VARIANTS if held_out else TRAIN_VARIANTS
    if not held_out and rng.random() < RANDOM_VARIANT_SHARE:
        variants = RANDOM_VARIANTS
    variant = str(rng.choice(variants))
    rate, pitch = float(rng.integers(115, 216)), float(rng.integers(20, 81))
    return Voice("espeak-ng", f"{accent}+{variant}", rate, pitch)


def _command(voice: Voice, text: str, target: str) -> list[str]:
    if voice.engine == "espeak-ng":
        options = ["-v", voice.name, "-s", f"{voice.rate:.0f}", "-p", f"{voice.pitch:.0f}"]
        return ["espeak-ng", *options, "-w", target, text]
    stretch = f"duration_stretch={voice.rate}"
    pitch = f"int_f0_target_mean={voice.pitch}"
    options = ["-voice", voice.name, "--setf", stretch, "--setf", pitch]
    return ["flite", *options, "-t", text, "-o", target]


def trim_silence(
    waveform: npt.NDArray[np.float32], *, floor_db: float = -42.0, margin: float = 0.02
) -> npt.NDArray[np.float32]:
    """Cut silence off both ends of ``waveform`` (16 kHz, shape (n_samples,)).

    Ten-millisecond frames under ``floor_db`` relative to the loudest frame count as silence;
    ``margin`` seconds are kept on both sides.
    """
    frame = SAMPLING_RATE // 100
    n_frames = len(waveform) // frame
    if n_frames == 0:
        return waveform
    power = (waveform[: n_frames * frame].reshape(n_frames, frame) ** 2).mean(axis=1)
    loud = np.flatnonzero(power > power.max() * 10 ** (floor_db / 10))
    if len(loud) == 0 or power.max() == 0:
        return waveform
    keep = int(margin * SAMPLING_RATE)
    return waveform[max(0, loud[0] * frame - keep) : (loud[-1] + 1) * frame + keep]


def read_spoken(path: str) -> npt.NDArray[np.float32]:
    """Read what an engine wrote: 16 kHz mono, silence trimmed, shape (n_samples,)."""
    waveform, rate = sf.read(path, dtype="float32")
    if rate != SAMPLING_RATE:
        waveform = soxr.resample(waveform, rate, SAMPLING_RATE).astype(np.float32)
    return trim_silence(waveform)


def synthesise(voice: Voice, text: str) -> npt.NDArray[np.float32]:
    """Speak ``text``: 16 kHz mono float32 in [-1, 1], silence trimmed, shape (n_samples,).

    Raises
    ------
    RuntimeError
        If the engine is not installed or fails.
    """
    with tempfile.NamedTemporaryFile(suffix=".wav") as target:
        try:
            command = _command(voice, text, target.name)
            environment = espeak_environment() if voice.engine == "espeak-ng" else None
            subprocess.run(command, check=True, capture_output=True, env=environment)
        except (OSError, subprocess.CalledProcessError) as error:
            raise RuntimeError(
                f"{voice.label} could not speak {text!r}: install espeak-ng and flite "
                "(apt-get install espeak-ng flite)"
            ) from error
        return read_spoken(target.name)


def _synthesise_shard(job: tuple[int, int], *, seed: int, held_out: bool) -> list[Spoken]:
    """Speak ``job[1]`` random sentences; ``job[0]`` is the shard's number and part of its seed."""
    shard, count = job
    rng = np.random.default_rng([seed, shard])
    source = sentences(rng, held_out=held_out)
    spoken: list[Spoken] = []
    while len(spoken) < count:
        kind, text = next(source)
        voice = draw_voice(rng, held_out=held_out)
        waveform = synthesise(voice, text)
        peak = float(np.abs(waveform).max(initial=0.0))
        if peak > 0.01:
            samples = np.round(waveform / peak * 0.9 * 32767).astype(np.int16)
            spoken.append((samples, text, kind, voice.label))
    return spoken


def synthesise_corpus(
    n_utterances: int, *, seed: int, held_out: bool, n_processes: int, shard_size: int = 250
) -> Iterator[list[Spoken]]:
    """Speak ``n_utterances`` random sentences in parallel; yields shards in order."""
    starts = range(0, n_utterances, shard_size)
    jobs = [(i, min(shard_size, n_utterances - start)) for i, start in enumerate(starts)]
    work = partial(_synthesise_shard, seed=seed, held_out=held_out)
    with ProcessPoolExecutor(n_processes) as pool:
        yield from pool.map(work, jobs)


def write_corpus(
    folder: Path, n_utterances: int, *, seed: int, held_out: bool, n_processes: int = 2
) -> None:
    """Synthesise a corpus into ``folder``: ``samples.npy`` (int16) and ``utterances.jsonl``."""
    folder.mkdir(parents=True, exist_ok=True)
    utterances: list[Utterance] = []
    pieces: list[npt.NDArray[np.int16]] = []
    position = 0
    shards = synthesise_corpus(n_utterances, seed=seed, held_out=held_out, n_processes=n_processes)
    for shard in shards:
        for samples, text, kind, voice in shard:
            stop = position + len(samples)
            utterances.append(Utterance(text, kind, voice, position, stop))
            pieces.append(samples)
            position = stop
        print(f"{len(utterances)} utterances, {position / SAMPLING_RATE / 3600:.2f} h", flush=True)
    np.save(folder / "samples.npy", np.concatenate(pieces))
    lines = [json.dumps(asdict(utterance)) for utterance in utterances]
    (folder / "utterances.jsonl").write_text("\n".join(lines) + "\n")


def read_corpus(folder: Path) -> Corpus:
    """Open the corpus that :func:`write_corpus` wrote; samples stay on disk (memory-mapped)."""
    lines = (folder / "utterances.jsonl").read_text().splitlines()
    utterances = tuple(Utterance(**json.loads(line)) for line in lines)
    return Corpus(np.load(folder / "samples.npy", mmap_mode="r"), utterances)
