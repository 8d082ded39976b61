"""Lessons without data: the speech that ships, and what the original itself writes on hearing it.

No spoken text has a part. The original's words only say where in a sentence the decoder stands;
what is learned there are its distributions. No two epochs hear the same: pieces are played faster
or slower, and where a window has room, several that are drawn anew follow each other in it.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch

from analysis.cache import cached
from analysis.clustering.listening import SHARED_FROM, statistics_folder, write_down
from analysis.errors import UserError
from analysis.evaluation.corpora import Corpus, Utterance
from analysis.evaluation.corpus_evaluation import recognise, run_of
from analysis.models.speech_model import SpeechModel
from analysis.plan.choices import Level
from analysis.progress import UNWATCHED, Watch
from analysis.speech.audio import SAMPLING_RATE, Samples
from analysis.speech.excitation import (
    Excitation,
    check_excitation,
    make_excitation,
    shipped_lengths,
)
from analysis.speech.languages import language_codes
from analysis.speech.recognition import TranscriptionOptions
from analysis.speech.windows import quiet_windows
from analysis.training.data import Examples

NAME = "the speech that ships with Coalesce"

_LEVEL: Level = "thorough"
_PAUSES = (0.1, 0.8)  # seconds before each of them
_SPEEDS = (0.9, 1.1)
_GAINS = (-12.0, 3.0)  # dB


class _Cut(NamedTuple):
    """A stretch of speech, and the code of its language."""

    samples: Samples
    language: str


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A stretch of speech and the original's words for it.

    Parameters
    ----------
    samples : ndarray of float32, (n,)
        At 16 kHz.
    language : str
        Code.
    prompt : tuple of int
        What the decoder is given first, behind its start token; empty for CTC.
    words : tuple of int
        Token ids.
    """

    samples: Samples
    language: str
    prompt: tuple[int, ...]
    words: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class OwnWords(Examples):
    """Pieces to learn from, each epoch in another form.

    Parameters
    ----------
    pieces : tuple of Piece
    room : int
        Samples that a window has for several pieces; 0 where each piece is on its own.
    most_tokens : int
        Labels that an example may have.
    end : tuple of int
        Token ids behind the words.
    seed : int
    """

    pieces: tuple[Piece, ...]
    room: int
    most_tokens: int
    end: tuple[int, ...]
    seed: int

    data_free = True

    @cached_property
    def durations(self) -> list[float]:
        """Seconds of each piece."""
        return [len(piece.samples) / SAMPLING_RATE for piece in self.pieces]

    @property
    def identity(self) -> list[Any]:
        """Sound and words of each piece."""
        return [
            [hashlib.sha256(piece.samples.tobytes()).hexdigest(), *piece.prompt, *piece.words]
            for piece in self.pieces
        ]

    def __getitem__(self, number: int) -> dict[str, Any]:
        """Samples and labels of a piece, and of what follows it in the window."""
        generator = np.random.default_rng([self.seed, number])
        first = self.pieces[number % len(self.pieces)]
        sounds, words = [_varied(first.samples, generator)], list(first.words)
        room = generator.uniform(0, max(0, self.room - len(sounds[0])))
        near = [piece for piece in self.pieces if piece.language == first.language]
        while True:
            pause = np.zeros(round(generator.uniform(*_PAUSES) * SAMPLING_RATE), np.float32)
            piece = near[generator.integers(len(near))]
            sound = _varied(piece.samples, generator)
            room -= len(pause) + len(sound)
            if room < 0 or len(first.prompt) + len(words) + len(piece.words) >= self.most_tokens:
                break
            sounds += [pause, sound]
            words += piece.words
        return {"samples": np.concatenate(sounds), "labels": (*first.prompt, *words, *self.end)}


def _varied(samples: Samples, generator: np.random.Generator) -> Samples:
    """The same, faster or slower, and louder or less loud."""
    places = np.arange(0, len(samples) - 1, generator.uniform(*_SPEEDS))
    sound = np.interp(places, np.arange(len(samples)), samples)
    return (sound * 10 ** (generator.uniform(*_GAINS) / 20)).astype(np.float32)


def own_words(
    original: SpeechModel,
    *,
    seed: int = 0,
    max_seconds: float = 30.0,
    limit: int | None = None,
    watch: Watch = UNWATCHED,
) -> OwnWords:
    """Let the original write down the shipped speech, in all languages that it knows.

    What it writes is kept on disk.

    Parameters
    ----------
    original : SpeechModel
    seed : int
        Of what becomes of the pieces in each epoch.
    max_seconds : float
        Pieces are cut at pauses so that none is longer.
    limit : int, optional
        Take that many pieces from all over.
    watch : Watch
        Reports pieces.

    Returns
    -------
    OwnWords

    Raises
    ------
    UserError
        When the shipped speech is not there, or the original has nothing to say about it.
    Cancelled
    """
    heard = make_excitation("speech", level=_LEVEL, languages=language_codes(original))
    longest, room = _sizes(original, max_seconds)
    cuts = [
        _Cut(clip[cut.start : cut.stop], language)
        for clip, language in zip(heard.clips, heard.languages, strict=True)
        for cut in quiet_windows(clip, longest)
    ]
    count = min(limit or len(cuts), len(cuts))
    cuts = [cuts[index * len(cuts) // count] for index in range(count)]
    written = _written(original, heard, longest, cuts, watch)
    pieces = [
        Piece(cut.samples, cut.language, tuple(prompt), tuple(words))
        for cut, (prompt, words) in zip(cuts, written, strict=True)
        if words
    ]
    if not pieces:
        raise UserError(
            f"{original.name} writes nothing sensible on {NAME}.", "Train on data of your own."
        )
    if original.architecture.decoding == "ctc":
        return OwnWords(tuple(pieces), 0, 0, (), seed)
    end = original.processor.tokenizer.eos_token_id
    most = original.config.max_target_positions
    return OwnWords(tuple(pieces), room, most, (end,), seed)


def _sizes(original: SpeechModel, max_seconds: float) -> tuple[int, int]:
    """Samples that a piece may have, and `OwnWords.room`."""
    longest = round(max_seconds * SAMPLING_RATE)
    if original.architecture.decoding == "ctc":
        return longest, 0
    window = original.processor.feature_extractor.n_samples
    room = window if window >= SHARED_FROM * SAMPLING_RATE else 0
    # also played at the lowest speed, and of a window that is shared, half
    return min(longest, round(_SPEEDS[0] * window / (2 if room else 1))), room


def foreseen_pieces(
    original: SpeechModel, *, max_seconds: float = 30.0, limit: int | None = None
) -> tuple[int, float]:
    """About how many pieces `own_words` gives, and their seconds together; no sound is read.

    Parameters
    ----------
    original : SpeechModel
    max_seconds, limit
        As in `own_words`.
    """
    longest, _ = _sizes(original, max_seconds)
    lengths = shipped_lengths(_LEVEL, language_codes(original))
    pieces = sum(math.ceil(seconds * SAMPLING_RATE / longest) for seconds in lengths)
    count = min(limit or pieces, pieces)
    return count, sum(lengths) * count / max(1, pieces)


def _written(
    original: SpeechModel,
    heard: Excitation,
    longest: int,
    cuts: Sequence[_Cut],
    watch: Watch,
) -> list[tuple[list[int], list[int]]]:
    """Of each piece the prompt behind the start token, and the words."""
    names = [str(number) for number in range(len(cuts))]

    def make() -> Mapping[str, np.ndarray]:
        if original.architecture.decoding == "seq2seq":
            rows = write_down(original, cuts, watch=watch)
        else:
            rows = _write_ctc(original, cuts, watch)
        return {
            name: np.array([n_prompt, *row])
            for name, (n_prompt, row) in zip(names, rows, strict=True)
        }

    path = statistics_folder(original, heard) / f"own-words-{longest}-{len(cuts)}.npz"
    kept = cached(path, dict.fromkeys(names, (None,)), make, watch)
    found = []
    for name in names:
        n_prompt, *row = kept[name].tolist()
        found.append((row[min(1, n_prompt) : n_prompt], row[n_prompt:]))
    return found


def _write_ctc(
    original: SpeechModel, cuts: Sequence[_Cut], watch: Watch
) -> list[tuple[int, list[int]]]:
    """The likeliest token of every frame, repeats and blanks taken out; there is no prompt."""
    rows: list[tuple[int, list[int]]] = []
    for cut in cuts:
        watch.check()
        watch.progress(len(rows), len(cuts), "Writing down what the model hears")
        inputs = original.processor.feature_extractor(
            cut.samples, sampling_rate=SAMPLING_RATE, return_tensors="pt"
        ).to(original.device)
        with original.lock, torch.inference_mode():
            frames = original.model(inputs["input_values"]).logits[0].argmax(dim=-1)
        tokens = frames.unique_consecutive().tolist()
        rows.append((0, [token for token in tokens if token != original.config.pad_token_id]))
    return rows


def other_voices(original: SpeechModel, *, batch_size: int = 8, watch: Watch = UNWATCHED) -> Corpus:
    """Speech by voices that nothing is learned from, each clip with the original's own words.

    Parameters
    ----------
    original : SpeechModel
    batch_size : int
    watch : Watch
        Reports seconds of sound.

    Returns
    -------
    Corpus
        A WER on it says how often a model writes something else than the original.

    Raises
    ------
    UserError
        When the shipped speech is not there.
    Cancelled
    """
    heard = check_excitation(language_codes(original))
    unheard = Corpus(
        f"other voices of {NAME}",
        ("the original's own words",),
        tuple(
            Utterance(
                id=file.name,
                path=file,
                text="",
                speaker=voice,
                duration=len(clip) / SAMPLING_RATE,
                digest=hashlib.sha256(file.read_bytes()).hexdigest(),
            )
            for file, voice, clip in zip(heard.files, heard.voices, heard.clips, strict=True)
        ),
        (),
    )
    options = TranscriptionOptions(warm_up=False, batch_size=batch_size)
    found = recognise(run_of(original, options), unheard, lambda: original, options, watch=watch)
    said = zip(unheard.utterances, found, strict=True)
    return replace(unheard, utterances=tuple(replace(u, text=result.text) for u, result in said))
