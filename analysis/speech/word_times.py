"""When each word is said, and how sure the model is of it.

CTC models say it by the frames whose likeliest token spells the word. Whisper's decoder looks at
what it writes down: the cross-attention of a few of its heads is aligned with the words by dynamic
time warping, as `openai/whisper` and `transformers` do it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import WhisperForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutput
from transformers.models.whisper.tokenization_whisper import LANGUAGES, _combine_tokens_into_words
from transformers.utils import ModelOutput

from analysis.speech.recognition import Word

_SECONDS_PER_FRAME = 0.02  # of Whisper's encoder, in every size


@dataclass(frozen=True, slots=True)
class SpelledWord:
    """A word, and where the tokens are that spell it.

    Parameters
    ----------
    word : Word
    first, last : int
        Places of its first and its last token, counted from the start of the prompt.
    """

    word: Word
    first: int
    last: int


def ctc_words(
    tokenizer: Any, frames: Sequence[int], probabilities: Sequence[float], seconds_per_frame: float
) -> tuple[Word, ...]:
    """The words of a CTC model's frames.

    Parameters
    ----------
    tokenizer : Wav2Vec2CTCTokenizer
    frames : sequence of int, (n,)
        Likeliest token of each frame.
    probabilities : sequence of float, (n,)
        How likely that is, in 0..1.
    seconds_per_frame : float

    Returns
    -------
    tuple of Word
        Each lasts from the first frame of its first letter to the last of its last. Its confidence
        is the mean over its letters, a letter's the mean over the frames that spell it.
    """
    decoded = tokenizer.decode(list(frames), output_char_offsets=True, output_word_offsets=True)
    letters = [
        (
            int(offset["start_offset"]),
            _mean(probabilities[offset["start_offset"] : offset["end_offset"]]),
        )
        for offset in decoded.char_offsets
    ]
    words = []
    for offset in decoded.word_offsets:
        start, stop = int(offset["start_offset"]), int(offset["end_offset"])
        own = [confidence for begin, confidence in letters if start <= begin < stop]
        times = start * seconds_per_frame, stop * seconds_per_frame
        words.append(Word(offset["word"], *times, _mean(own)))
    return tuple(words)


def whisper_words(
    network: WhisperForConditionalGeneration,
    tokenizer: Any,
    features: torch.Tensor,
    n_frames: int,
    prompt: Sequence[int],
    written: Sequence[int],
) -> tuple[Word, ...]:
    """The words that a Whisper wrote of one window, by one more pass through its decoder.

    Parameters
    ----------
    network : WhisperForConditionalGeneration
        Its lock is held by the caller. Its `generation_config.alignment_heads` are read; where it
        has none, the heads of the upper half of the decoder, as in `openai/whisper`.
    tokenizer : WhisperTokenizer
    features : Tensor, (1, mel bins, frames)
    n_frames : int
        Frames of `features` that hold sound; the rest is padding.
    prompt : sequence of int
        What the decoder started from.
    written : sequence of int
        What it wrote after that; timestamp tokens may be among it.

    Returns
    -------
    tuple of Word
        With seconds from the start of the window. A word's confidence is the mean probability of
        its tokens, each given all before it.
    """
    spelled = spelled_words(network, tokenizer, features, n_frames, prompt, written)
    return tuple(found.word for found in spelled)


def spelled_words(
    network: WhisperForConditionalGeneration,
    tokenizer: Any,
    features: torch.Tensor,
    n_frames: int,
    prompt: Sequence[int],
    written: Sequence[int],
) -> tuple[SpelledWord, ...]:
    """As `whisper_words`, with the tokens of each word.

    Parameters
    ----------
    network, tokenizer, features, n_frames, prompt, written
        See `whisper_words`.
    """
    settings: Any = network.generation_config
    first_special = tokenizer.eos_token_id
    written = [token for token in written if token != first_special]
    n_lead = 0  # a timestamp before the first word only says where the window's speech begins
    while n_lead < len(written) and written[n_lead] > first_special:
        n_lead += 1
    if n_lead == len(written):
        return ()
    ids = [*prompt, *written]
    first = len(prompt) + n_lead  # of the ids, the first that is written down
    attentions, logits = _decode(network, features, ids)
    outputs = ModelOutput(sequences=torch.tensor([ids]), cross_attentions=(attentions,))
    times = network._extract_token_timestamps(
        outputs,
        getattr(settings, "alignment_heads", None) or _upper_heads(attentions),
        time_precision=_SECONDS_PER_FRAME,
        num_frames=[n_frames],
        num_input_ids=first - 1,
    )[0].tolist()
    tokens = torch.tensor(ids[first:], device=logits.device)
    likely = logits[first - 1 : -1].softmax(dim=-1).gather(1, tokens[:, None])[:, 0].tolist()
    language = _language(tokenizer, prompt)
    words: list[SpelledWord] = []
    for run in _runs(ids, first, first_special):
        texts, _, places = _combine_tokens_into_words(
            tokenizer, ids[run.start : run.stop], language
        )
        for text, place in zip(texts, places, strict=True):
            if text.strip():  # punctuation that has joined a neighbour leaves an empty text
                own = [run.start + index for index in place]
                sure = _mean([likely[index - first] for index in own])
                word = Word(text.strip(), times[own[0] - 1], times[own[-1]], sure)
                words.append(SpelledWord(word, own[0], own[-1]))
    return tuple(words)


def _runs(ids: Sequence[int], first: int, first_special: int) -> list[range]:
    """Where text is written without a timestamp in between."""
    runs: list[range] = []
    for place in range(first, len(ids)):
        if ids[place] >= first_special:
            continue
        if runs and runs[-1].stop == place:
            runs[-1] = range(runs[-1].start, place + 1)
        else:
            runs.append(range(place, place + 1))
    return runs


def tokens_by_call(
    segments: Iterable[Mapping[str, Any]], starts: Sequence[int], frames_per_second: float
) -> dict[int, list[int]]:
    """What Whisper's sequential algorithm wrote, put together again by the window it heard.

    Parameters
    ----------
    segments : iterable of mapping
        Of `generate`: ``start`` in seconds, ``tokens`` as a tensor.
    starts : sequence of int
        First frame of each call of the decoder, ascending.
    frames_per_second : float

    Returns
    -------
    dict of int to list of int
        First frame → tokens, of the calls that wrote something.
    """
    found: dict[int, list[int]] = {}
    for segment in segments:
        begins = round(float(segment["start"]) * frames_per_second)
        call = max(start for start in starts if start <= begins)
        found.setdefault(call, []).extend(segment["tokens"].tolist())
    return found


def _decode(
    network: WhisperForConditionalGeneration, features: torch.Tensor, ids: Sequence[int]
) -> tuple[tuple[torch.Tensor, ...], torch.Tensor]:
    """Cross-attention of each layer, (1, heads, ids, frames), and logits, (ids, vocabulary)."""
    # The encoder goes first, alone: its own attention, a gigabyte in a large model, is not kept.
    heard = network.model.encoder(features).last_hidden_state
    before = network.config._attn_implementation
    network.set_attn_implementation("eager")  # fused kernels do not say what they attend to
    try:
        output = network(
            encoder_outputs=BaseModelOutput(last_hidden_state=heard),
            decoder_input_ids=torch.tensor([list(ids)], device=heard.device),
            output_attentions=True,
            use_cache=False,
        )
    finally:
        network.set_attn_implementation(before)
    return tuple(layer.float() for layer in output.cross_attentions), output.logits[0].float()


def _upper_heads(attentions: Sequence[torch.Tensor]) -> list[tuple[int, int]]:
    layers = range(len(attentions) // 2, len(attentions))
    return [(layer, head) for layer in layers for head in range(attentions[layer].shape[1])]


def _language(tokenizer: Any, prompt: Sequence[int]) -> str:
    """Name of the language in a prompt: some are written without spaces between words."""
    tokens = [token.strip("<|>") for token in tokenizer.convert_ids_to_tokens(list(prompt))]
    return next((LANGUAGES[token] for token in tokens if token in LANGUAGES), "english")


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if len(values) else 0.0
