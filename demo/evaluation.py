"""Word error rates of the demo models: on held-out speech, and on strings of human digits.

No normaliser is applied: references and transcripts are lower-case words without punctuation.
Decoding is greedy. Audio longer than Whisper's window goes through its own long-form generation.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import jiwer
import numpy as np
import soundfile as sf
import torch
from transformers import (
    HubertForCTC,
    Wav2Vec2Processor,
    WhisperForConditionalGeneration,
    WhisperProcessor,
)

from demo.augmentation import NoiseBank, Waveform, disturb, random_room
from demo.examples import HELD_OUT_SPEAKERS, join_digits, read_digits
from demo.grammar import DIGITS
from demo.synthesis import SAMPLING_RATE, Corpus

DIGIT_STRINGS_SEED = 6
N_DIGIT_STRINGS = 200
DISTURBANCE_SEED = 7
BATCH_SIZE = 16

Transcriber = Callable[[Sequence[Waveform]], list[str]]


@dataclass(frozen=True, slots=True)
class Score:
    """Word errors on one set: rate, counts by kind, and how many sentences were all right."""

    wer: float
    substitutions: int
    insertions: int
    deletions: int
    n_words: int
    n_sentences: int
    n_correct: int

    def __str__(self) -> str:
        """One line for people."""
        return (
            f"WER {100 * self.wer:.2f} % (S {self.substitutions} I {self.insertions} "
            f"D {self.deletions} of {self.n_words} words), "
            f"{self.n_correct} of {self.n_sentences} sentences without error"
        )


@dataclass(frozen=True, slots=True)
class TestSet:
    """Recordings at 16 kHz with their words and the name of the voice."""

    waveforms: list[Waveform]
    texts: list[str]
    voices: list[str]


def score(references: list[str], hypotheses: list[str]) -> Score:
    """Corpus-level word error rate; empty references are not allowed.

    >>> score(["one two three"], ["one three"]).deletions
    1
    """
    result = jiwer.process_words(references, hypotheses)
    n_correct = sum(r == h for r, h in zip(references, hypotheses, strict=True))
    n_words = result.hits + result.substitutions + result.deletions
    errors = (result.substitutions, result.insertions, result.deletions)
    return Score(result.wer, *errors, n_words, len(references), n_correct)


def whisper_transcriber(folder: Path) -> Transcriber:
    """Load a Whisper checkpoint; returns what transcribes a list of 16 kHz waveforms."""
    processor = WhisperProcessor.from_pretrained(folder)
    model = WhisperForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    window = processor.feature_extractor.n_samples

    def transcribe_one_batch(waveforms: Sequence[Waveform], *, long: bool) -> list[str]:
        inputs = processor(
            list(waveforms),
            sampling_rate=SAMPLING_RATE,
            return_tensors="pt",
            truncation=not long,
            padding="longest" if long else "max_length",
            return_attention_mask=True,
        )
        tokens = model.generate(
            inputs.input_features,
            attention_mask=inputs.attention_mask,
            return_timestamps=long,
        )
        return [text.strip() for text in processor.batch_decode(tokens, skip_special_tokens=True)]

    def transcribe(waveforms: Sequence[Waveform]) -> list[str]:
        texts = [""] * len(waveforms)
        short = [i for i, waveform in enumerate(waveforms) if len(waveform) <= window]
        for start in range(0, len(short), BATCH_SIZE):
            batch = short[start : start + BATCH_SIZE]
            decoded = transcribe_one_batch([waveforms[i] for i in batch], long=False)
            for index, text in zip(batch, decoded, strict=True):
                texts[index] = text
        for index in set(range(len(waveforms))) - set(short):
            texts[index] = transcribe_one_batch([waveforms[index]], long=True)[0]
        return texts

    return transcribe


def hubert_transcriber(folder: Path) -> Transcriber:
    """Load a HuBERT CTC checkpoint; returns what transcribes a list of 16 kHz waveforms."""
    processor = Wav2Vec2Processor.from_pretrained(folder)
    model = HubertForCTC.from_pretrained(folder, dtype=torch.float32).eval()

    @torch.inference_mode()
    def transcribe(waveforms: Sequence[Waveform]) -> list[str]:
        texts: list[str] = []
        for start in range(0, len(waveforms), BATCH_SIZE):
            inputs = processor(
                list(waveforms[start : start + BATCH_SIZE]),
                sampling_rate=SAMPLING_RATE,
                padding=True,
                return_tensors="pt",
            )
            logits = model(inputs.input_values, attention_mask=inputs.attention_mask).logits
            texts += processor.batch_decode(logits.argmax(-1))
        return [text.strip() for text in texts]

    return transcribe


def read_recordings(folder: Path) -> TestSet:
    """Read a folder that :func:`demo.recordings.write_recordings` wrote."""
    with (folder / "metadata.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    waveforms = [sf.read(folder / row["file_name"], dtype="float32")[0] for row in rows]
    return TestSet(
        waveforms, [row["transcription"] for row in rows], [row["voice"] for row in rows]
    )


def corpus_test_set(corpus: Corpus, n_utterances: int) -> TestSet:
    """Take the first utterances of a synthesised corpus, each with 0.25 s of silence around."""
    silence = np.zeros(SAMPLING_RATE // 4, np.float32)
    chosen = corpus.utterances[:n_utterances]
    waveforms = [np.concatenate([silence, corpus.waveform(i), silence]) for i in range(len(chosen))]
    return TestSet(waveforms, [u.text for u in chosen], [u.voice for u in chosen])


def digit_strings(folder: Path, n_strings: int = N_DIGIT_STRINGS) -> TestSet:
    """Strings of 3 to 8 human digits, each by one of the two held-out speakers.

    The recordings of the Free Spoken Digit Dataset in ``folder`` are joined with pauses of 0.1 to
    0.4 s; digits, takes and pauses are random, seeded.
    """
    recordings = read_digits(folder, HELD_OUT_SPEAKERS)
    rng = np.random.default_rng(DIGIT_STRINGS_SEED)
    silence = np.zeros(SAMPLING_RATE // 4, np.float32)
    test_set = TestSet([], [], [])
    for index in range(n_strings):
        speaker = HELD_OUT_SPEAKERS[index % len(HELD_OUT_SPEAKERS)]
        digits = [int(digit) for digit in rng.integers(0, 10, int(rng.integers(3, 9)))]
        joined = join_digits(digits, recordings[speaker], rng, (0.1, 0.4))
        test_set.waveforms.append(np.concatenate([silence, 0.7 * joined, silence]))
        test_set.texts.append(" ".join(DIGITS[digit] for digit in digits))
        test_set.voices.append(speaker)
    return test_set


def disturbed(test_set: TestSet, corpus: Corpus, snr_db: float = 15.0) -> TestSet:
    """Play the same recordings through random microphones and rooms, in noise at ``snr_db``."""
    noises = NoiseBank(corpus, DISTURBANCE_SEED, n_noises=16)
    waveforms = []
    for index, clean in enumerate(test_set.waveforms):
        rng = np.random.default_rng([DISTURBANCE_SEED, index])
        waveform = disturb(clean, rng, telephone=False, room=random_room(rng))
        level = float(np.sqrt((waveform**2).mean())) * 10 ** (-snr_db / 20)
        waveforms.append(noises.add(waveform, rng, level))
    return TestSet(waveforms, test_set.texts, test_set.voices)
