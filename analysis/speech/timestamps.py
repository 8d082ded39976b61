"""Which tokens of a Whisper say a time, as far as its vocabulary and its settings agree on it."""

from dataclasses import dataclass

from analysis.models.speech_model import SpeechModel

_PER_SECOND = 50  # timestamps stand 0.02 s apart, as the frames of the encoder do


@dataclass(frozen=True, slots=True)
class Timestamps:
    """The timestamps of a vocabulary.

    Parameters
    ----------
    tokens : range
        Their ids, from 0.00 s to the end of the window; empty where there are none.
    obstacle : str
        Why they cannot be used, as the end of a sentence; empty where they can.
    """

    tokens: range
    obstacle: str = ""


def timestamps_of(model: SpeechModel) -> Timestamps:
    """Find the timestamps, and check that nothing else stands where transformers reads them.

    Its long-form algorithm takes every token behind ``<|notimestamps|>`` for a time. A word that
    was added to the vocabulary behind them, or in their place, would be one.

    Parameters
    ----------
    model : SpeechModel
        A Whisper.

    Returns
    -------
    Timestamps
    """
    config = model.config
    before = getattr(model.model.generation_config, "no_timestamps_token_id", None)
    if before is None or before + 1 >= config.vocab_size:
        return Timestamps(range(0), "has no timestamp tokens")
    first = before + 1
    tokens = range(first, min(first + config.max_source_positions + 1, config.vocab_size))
    tokenizer = model.processor.tokenizer  # old ones end before the timestamps
    known = range(first, max(first, min(config.vocab_size, len(tokenizer))))
    for index, token in zip(known, tokenizer.convert_ids_to_tokens(list(known)), strict=True):
        if token and token != _name(index - first):
            return Timestamps(tokens, f"has the word “{token}” where timestamps are read")
    return Timestamps(tokens)


def _name(step: int) -> str:
    return f"<|{step / _PER_SECOND:.2f}|>"
