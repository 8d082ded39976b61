"""Utterances as training examples: token ids a model can learn, batches of like length."""

import copy
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any

import torch
from torch.utils.data import Dataset
from transformers import ProcessorMixin
from transformers.trainer_pt_utils import LengthGroupedSampler

from analysis.errors import UserError
from analysis.evaluation.corpora import Corpus, Fault, Utterance
from analysis.models.speech_model import SpeechModel
from analysis.speech.audio import SAMPLING_RATE
from analysis.speech.letters import one_apostrophe, same_letters

IGNORED = -100
"""Label that no loss counts."""

Batch = dict[str, torch.Tensor]


class Examples(Dataset[dict[str, Any]]):
    """What a run learns from: numbered examples.

    Numbers go on after the last example: `len` more is the same example an epoch later.
    """

    data_free = False

    @property
    def durations(self) -> Sequence[float]:
        """Seconds of sound of each example."""
        raise NotImplementedError

    @property
    def identity(self) -> list[Any]:
        """Everything that decides the examples, for JSON."""
        raise NotImplementedError

    @property
    def seconds(self) -> float:
        """Of sound."""
        return sum(self.durations)

    def __len__(self) -> int:
        """Examples."""
        return len(self.durations)


@dataclass(frozen=True)
class TrainingData(Examples):
    """What can be learned from a corpus.

    Parameters
    ----------
    utterances : tuple of Utterance
    labels : tuple of tuple of int
        Token ids of each.
    faults : tuple of Fault
        What the model cannot learn from, and why.
    """

    utterances: tuple[Utterance, ...]
    labels: tuple[tuple[int, ...], ...]
    faults: tuple[Fault, ...]

    @property
    def durations(self) -> Sequence[float]:
        """Seconds of sound of each example."""
        return [utterance.duration for utterance in self.utterances]

    @property
    def identity(self) -> list[Any]:
        """Digest of the sound and token ids of each example."""
        examples = zip(self.utterances, self.labels, strict=True)
        return [[utterance.digest, *ids] for utterance, ids in examples]

    def __getitem__(self, number: int) -> dict[str, Any]:
        """Samples at 16 kHz and token ids of one example, the same in every epoch."""
        index = number % len(self)
        return {"samples": self.utterances[index].read().samples, "labels": self.labels[index]}


def training_data(
    model: SpeechModel, corpus: Corpus, *, language: str | None = None, max_seconds: float = 30.0
) -> TrainingData:
    """Turn transcripts into token ids and leave out, by name, what cannot be learned.

    Parameters
    ----------
    model : SpeechModel
    corpus : Corpus
    language : str, optional
        Spoken language, for a multilingual Whisper.
    max_seconds : float
        Longer clips are left out; training cuts none.

    Returns
    -------
    TrainingData

    Raises
    ------
    UserError
        Where nothing is left, or a multilingual model is not told the language.
    """
    ctc = model.architecture.decoding == "ctc"
    tokenise = _ctc_tokens(model, corpus) if ctc else _seq2seq_tokens(model, corpus, language)
    longest = max_seconds if ctc else min(max_seconds, _window(model))
    utterances, labels, faults = [], [], []
    for utterance in corpus.utterances:
        tokens = tokenise(utterance.text)
        if isinstance(tokens, str):
            reason: str | None = tokens
        elif utterance.duration > longest:
            reason = f"It lasts {utterance.duration:.1f} s, more than {longest:g} s."
        else:
            reason = _too_short(model, utterance, tokens) if ctc else _too_long(model, tokens)
        if reason is None and not isinstance(tokens, str):
            utterances.append(utterance)
            labels.append(tuple(tokens))
        else:
            faults.append(Fault(utterance.id, str(reason)))
    if not utterances:
        raise UserError(
            f"{model.name} can learn from no clip of {corpus.name}.",
            f"The first reason: {faults[0].where}: {faults[0].reason}",
        )
    return TrainingData(tuple(utterances), tuple(labels), tuple(faults))


Tokenise = Callable[[str], "list[int] | str"]


def _ctc_tokens(model: SpeechModel, corpus: Corpus) -> Tokenise:
    """To ids of a CTC vocabulary, in the case that it is written in; or why not."""
    tokenizer = model.processor.tokenizer
    known = {token for token in tokenizer.get_vocab() if len(token) == 1}
    sample = [same_letters(text) for text in corpus.references[:1000]]
    letters = [letter for text in sample for letter in text if letter.isalpha()]
    cases: tuple[Callable[[str], str], ...] = (str, str.lower, str.upper)
    case = max(cases, key=lambda change: sum(change(letter) in known for letter in letters))

    def strange(text: str) -> set[str]:
        return {c for c in text if _is_said(c) and c not in known}

    def tokenise(text: str) -> list[int] | str:
        # A vocabulary holds letters with their marks, or both apart, or one of each kind.
        forms = [unicodedata.normalize(form, case(text)) for form in ("NFC", "NFD")] + [case(text)]
        changed = min(forms, key=lambda form: len(strange(form)))
        if strange(changed):
            least = min(strange(changed))
            letter = f"◌{least}" if unicodedata.category(least)[0] == "M" else least
            return f"The vocabulary has no “{letter}”, as in “{text[:40]}”."
        if "'" in known:
            changed = "".join(c if c in known else one_apostrophe(c) for c in changed)
        spelled = "".join(c if c in known or c == " " else " " for c in changed)
        words = spelled.split()
        if not words:
            return "Nothing is said in it."
        # the tokenizer drops spaces, and reads its own delimiter as a token
        return list(tokenizer(tokenizer.word_delimiter_token.join(words)).input_ids)

    return tokenise


def _is_said(letter: str) -> bool:
    """Whether leaving it out of a transcript changes what is said: letters, marks and digits."""
    return letter.isalnum() or unicodedata.category(letter)[0] == "M"


def _seq2seq_tokens(model: SpeechModel, corpus: Corpus, language: str | None) -> Tokenise:
    """To ids of a transcript behind the decoder's prompt, to the end of text; or why not."""
    tokenizer = copy.deepcopy(model.processor.tokenizer)
    if getattr(model.model.generation_config, "is_multilingual", False):
        if language is None:
            raise UserError(
                f"{model.name} is multilingual.", "Name the language of the data with --language."
            )
        try:
            tokenizer.set_prefix_tokens(language=language, task="transcribe")
        except ValueError as error:
            raise UserError(
                f"{model.name} does not know the language {language!r}.",
                "Give its name or code, such as english or en.",
                str(error),
            ) from error
    shouted = all(text.isupper() for text in corpus.references if text)
    start = model.config.decoder_start_token_id

    def tokenise(text: str) -> list[int] | str:
        text = same_letters(text)
        ids = list(tokenizer(text.lower() if shouted else text).input_ids)
        return ids[1:] if ids[0] == start else ids  # the model itself puts the start before labels

    return tokenise


def _window(model: SpeechModel) -> float:
    return float(model.processor.feature_extractor.chunk_length)


def _too_short(model: SpeechModel, utterance: Utterance, tokens: Sequence[int]) -> str | None:
    """Why a clip has too few frames for CTC or for SpecAugment, if it has."""
    frames = int(frame_counts(model, torch.tensor([int(utterance.duration * SAMPLING_RATE)])))
    repeats = sum(one == other for one, other in pairwise(tokens))
    if frames < len(tokens) + repeats:
        return f"It has {frames} frames, too few for the {len(tokens)} tokens of its transcript."
    config = model.config
    masks = config.apply_spec_augment and config.mask_time_prob > 0
    if masks and frames <= config.mask_time_length:
        return f"It has {frames} frames, too few for the masks of SpecAugment."
    return None


def _too_long(model: SpeechModel, tokens: Sequence[int]) -> str | None:
    """Why a transcript does not fit the decoder, if it does not."""
    most = model.config.max_target_positions
    if len(tokens) > most:
        return f"Its transcript has {len(tokens)} tokens, more than {most}."
    return None


def frame_counts(model: SpeechModel, n_samples: torch.Tensor) -> torch.Tensor:
    """Frames that a CTC model makes of that many samples."""
    counts: torch.Tensor = model.model._get_feat_extract_output_lengths(n_samples)  # type: ignore[operator]
    return counts


@dataclass(frozen=True, slots=True)
class Collator:
    """Batches as the model's forward takes them, with ``labels`` and, for CTC, ``frames``.

    Parameters
    ----------
    model : SpeechModel
    """

    model: SpeechModel

    def __call__(self, examples: Sequence[dict[str, Any]]) -> Batch:
        """One batch; labels (batch, longest) are padded with `IGNORED`."""
        samples = [example["samples"] for example in examples]
        labels = torch.nn.utils.rnn.pad_sequence(
            [torch.tensor(example["labels"]) for example in examples],
            batch_first=True,
            padding_value=IGNORED,
        )
        processor: ProcessorMixin = self.model.processor
        extractor = processor.feature_extractor
        if self.model.architecture.decoding == "ctc":
            inputs = extractor(
                samples, sampling_rate=SAMPLING_RATE, padding=True, return_tensors="pt"
            )
            lengths = torch.tensor([len(one) for one in samples])
            frames = frame_counts(self.model, lengths)
            return {**inputs, "labels": labels, "frames": frames}
        inputs = extractor(samples, sampling_rate=SAMPLING_RATE, return_tensors="pt")
        start = torch.full((len(samples), 1), self.model.config.decoder_start_token_id)
        prompt = torch.cat([start, labels[:, :-1]], dim=1)
        prompt = prompt.masked_fill(prompt == IGNORED, self.model.config.pad_token_id)
        return {
            "input_features": inputs.input_features,
            "decoder_input_ids": prompt,
            "labels": labels,
        }


class EpochSampler(LengthGroupedSampler):
    """Examples of like length together, in an order that follows from seed and epoch alone.

    So an epoch that is taken up again in the midst of it, and one that is shared by several
    processes, go through the same batches.

    Parameters
    ----------
    data : Examples
    batch_size : int
        Of all processes and accumulation steps together.
    seed : int
    epoch : callable
        Number of the epoch that begins.
    """

    def __init__(
        self, data: Examples, batch_size: int, seed: int, epoch: Callable[[], int]
    ) -> None:
        lengths = [round(SAMPLING_RATE * seconds) for seconds in data.durations]
        super().__init__(batch_size, lengths=lengths)
        self._seed = seed
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        """Numbers of one epoch's examples; see `Examples`."""
        epoch = self._epoch()
        self.generator = torch.Generator().manual_seed(1_000_003 * self._seed + epoch)
        first = epoch * len(self.lengths)
        return (first + index for index in islice(super().__iter__(), len(self)))

    def __len__(self) -> int:
        """Examples of whole batches; what is over has its turn in another epoch."""
        return len(self.lengths) // self.batch_size * self.batch_size
