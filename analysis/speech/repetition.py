"""Whether words go round in circles, as decoders write them that have lost the thread."""

from collections.abc import Hashable, Sequence

import torch
from transformers import StoppingCriteria

_LONGEST_PERIOD = 16  # tokens that are said over and over
_REPEATS = 3
_SPAN = 16  # tokens that go round, at least: people say a short word three times, too
_SPANS = {period: max(_REPEATS * period, _SPAN) for period in range(1, _LONGEST_PERIOD + 1)}


def loop_start(tokens: Sequence[int]) -> int | None:
    """Where the circle begins that tokens end in, its first round included; None without one.

    Examples
    --------
    >>> loop_start([7, 8, 9, *[1, 2] * 8])
    3
    >>> loop_start(list(range(40)))
    """
    for period, span in _SPANS.items():
        if len(tokens) >= span and list(tokens[-span:-period]) == list(tokens[period - span :]):
            start = len(tokens) - span
            while start and tokens[start - 1] == tokens[start - 1 + period]:
                start -= 1
            return start
    return None


def goes_in_circles(words: Sequence[Hashable]) -> bool:
    """Whether a text says the same over and over somewhere, as `loop_start` finds at its end.

    Parameters
    ----------
    words : sequence of str
        Of a transcript, whose decoder was stopped at last; or tokens.

    Examples
    --------
    >>> goes_in_circles(["so", *["thank", "you"] * 8, "goodbye"])
    True
    >>> goes_in_circles("no no no that is not what was said".split())
    False
    """
    for period, span in _SPANS.items():
        n_alike = 0  # words in a row that are those of one round before
        for word, before in zip(words[period:], words, strict=False):
            n_alike = n_alike + 1 if word == before else 0
            if n_alike >= span - period:
                return True
    return False


class StopInLoops(StoppingCriteria):
    """Ends each row of `generate` that goes round in circles; see `loop_start`."""

    def __call__(
        self, input_ids: torch.LongTensor, scores: torch.FloatTensor, **kwargs: object
    ) -> torch.BoolTensor:
        """Which rows end: bool, (batch,)."""
        ends = torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)
        for period, span in _SPANS.items():
            if input_ids.shape[1] >= span:
                tail = input_ids[:, -span:]
                ends |= (tail[:, :-period] == tail[:, period:]).all(dim=1)
        return ends  # type: ignore[return-value]
