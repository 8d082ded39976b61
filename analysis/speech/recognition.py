"""What the two ways of recognising speech (seq2seq, CTC) are asked, and what they answer."""

import hashlib
import json
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol
from weakref import WeakKeyDictionary

from transformers import PreTrainedTokenizerBase

from analysis.errors import UserError
from analysis.models.generation_settings import MOST_BEAMS
from analysis.models.speech_model import SpeechModel
from analysis.progress import Progress
from analysis.speech.audio import Samples

LongForm = Literal["auto", "timestamps", "windows"]
_LONG_FORMS = ("auto", "timestamps", "windows")
_UNSPACED_SCRIPTS = ("CJK UNIFIED", "HIRAGANA", "KATAKANA", "IDEOGRAPHIC", "FULLWIDTH")

_SPELLING = (
    "word_delimiter_token",
    "replace_word_delimiter_char",
    "do_lower_case",
    "clean_up_tokenization_spaces",
)
"""Settings of tokenizers by which the same tokens become another text."""
_WORDS: WeakKeyDictionary[PreTrainedTokenizerBase, str] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class TranscriptionOptions:
    """How to transcribe; the defaults do what the checkpoint's own configuration says.

    Parameters
    ----------
    language : str, optional
        Spoken language, as a name or a code, for multilingual models; if not given, the one that
        the checkpoint presets, else it is detected.
    task : {"transcribe", "translate"}, optional
        Write down the words, or (multilingual Whisper) their translation into English; if not
        given, what the checkpoint presets.
    long_form : {"auto", "timestamps", "windows"}
        How an encoder-decoder hears audio beyond its window. "timestamps": Whisper's sequential
        algorithm, which moves on to where the model says a sentence ended. "windows": pieces cut
        at pauses, independent of each other. "auto": timestamps where the model, asked for the
        first token of the first window, gives more probability to timestamps than to words;
        windows where it never learned timestamps, or lost them to compression. CTC models always
        use overlapping windows.
    num_beams : int, optional
        Width of the beam search; by default what the generation config says, mostly 1 (greedy). A
        bare `transformers` pipeline searches with 5 where the config says nothing.
    max_new_tokens : int, optional
        Most tokens per window; by default more than speech of that length can need, so that it
        only stops a model that repeats itself.
    warm_up : bool
        Run each model once, untimed, before its first timed run.
    batch_size : int
        Most windows or clips that go through the model together.
    word_times : bool
        Tell when each word is said, and how likely it is (`analysis.speech.word_times`). A Whisper
        goes through encoder and decoder once more for it.

    Raises
    ------
    UserError
        For a value that no model can follow.
    """

    language: str | None = None
    task: str | None = None
    long_form: LongForm = "auto"
    num_beams: int | None = None
    max_new_tokens: int | None = None
    warm_up: bool = True
    batch_size: int = 8
    word_times: bool = False

    def __post_init__(self) -> None:
        """Check what can be checked without a model."""
        if self.long_form not in _LONG_FORMS:
            raise UserError(
                f"There is no long-form mode “{self.long_form}”.",
                f"Choose one of {', '.join(_LONG_FORMS)}.",
            )
        for field in ("num_beams", "max_new_tokens", "batch_size"):
            value = getattr(self, field)
            if value is not None and value < 1:
                raise UserError(f"{field} is {value}.", "Choose 1 or more.")
        if self.num_beams is not None and self.num_beams > MOST_BEAMS:
            raise UserError(f"num_beams is {self.num_beams}.", f"Choose 1 to {MOST_BEAMS}.")


@dataclass(frozen=True, slots=True)
class Word:
    """One word, and when it is said.

    Parameters
    ----------
    text : str
        As the model wrote it, with its punctuation.
    start, stop : float
        Seconds from the beginning of the clip.
    confidence : float
        Mean probability of its tokens, in 0..1.
    """

    text: str
    start: float
    stop: float
    confidence: float

    def later(self, seconds: float) -> "Word":
        """The same word, where its window began so many seconds into the clip."""
        return replace(self, start=self.start + seconds, stop=self.stop + seconds)


@dataclass(frozen=True, slots=True)
class Recognised:
    """The words of one clip.

    Parameters
    ----------
    text : str
    n_windows : int
        Pieces that went through the model.
    notes : tuple of str
        Sentences on what a reader of the text should know.
    words : tuple of Word
        Empty unless `word_times` was asked for.
    """

    text: str
    n_windows: int = 1
    notes: tuple[str, ...] = ()
    words: tuple[Word, ...] = ()


def configuration(model: SpeechModel) -> str:
    """SHA-256 of what decides a transcript beside weights and options.

    Parameters
    ----------
    model : SpeechModel

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    parts = [model.configuration, model.processor.feature_extractor.to_json_string()]
    parts.append(_words_of(model.processor.tokenizer))
    if model.architecture.decoding == "seq2seq":
        parts.append(model.model.generation_config.to_json_string())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _words_of(tokenizer: PreTrainedTokenizerBase) -> str:
    """SHA-256 of what makes text from tokens: how each is written, with and without special ones.

    Its files may name a token twice, so that the vocabulary alone does not tell. It is computed
    once, for a vocabulary is long.
    """
    if tokenizer not in _WORDS:
        fast = getattr(tokenizer, "backend_tokenizer", None)  # which needs a third of the time
        write = tokenizer.batch_decode if fast is None else fast.decode_batch
        tokens = [[token] for token in range(len(tokenizer))]
        parts = [
            *(write(tokens, skip_special_tokens=skips) for skips in (False, True)),
            [getattr(tokenizer, name, None) for name in _SPELLING],
        ]
        told = json.dumps(parts, default=str)
        _WORDS[tokenizer] = hashlib.sha256(told.encode()).hexdigest()
    return _WORDS[tokenizer]


class Recogniser(Protocol):
    """One way of getting from samples to text, set up for one model and one set of options."""

    @property
    def longest(self) -> int:
        """Samples that go through the model in one piece."""

    @property
    def equal_lengths(self) -> bool:
        """Whether padding would change the text, so that a batch takes equal lengths only."""

    @property
    def batch_samples(self) -> int:
        """Samples that fit in one batch, padding included."""

    def recognise(self, clips: Sequence[Samples]) -> list[Recognised]:
        """Transcribe a batch of clips, none longer than `longest`."""

    def recognise_long(self, samples: Samples, progress: Progress) -> Recognised:
        """Transcribe a clip of any length."""


def join_texts(texts: Sequence[str]) -> str:
    """Join the texts of neighbouring windows.

    Parameters
    ----------
    texts : sequence of str
        In the order of speech; may be empty strings.

    Returns
    -------
    str
        With a space at each seam, except between scripts written without spaces.

    Examples
    --------
    >>> join_texts([" Hello,", "", " world. "])
    'Hello, world.'
    >>> join_texts(["今日は", "いい天気"])
    '今日はいい天気'
    """
    joined = ""
    for text in filter(None, (text.strip() for text in texts)):
        seam = "" if not joined or (_unspaced(joined[-1]) and _unspaced(text[0])) else " "
        joined += seam + text
    return joined


def _unspaced(character: str) -> bool:
    return unicodedata.name(character, "").startswith(_UNSPACED_SCRIPTS)
