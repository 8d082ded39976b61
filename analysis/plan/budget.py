"""What a compressed model may cost, and how far it may be from its original: instead of a ratio.

`analysis.compression.budget` finds the sparsity that meets it.
"""

import math
import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from analysis.errors import UserError
from analysis.plan.options import Option
from analysis.plan.validation import Checked

_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*(%|[kmgt]?b?)", re.IGNORECASE | re.ASCII)
_OPEN = "no limit"
_FACTORS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def amount(text: str, whole: float) -> float:
    """A number as a person writes it, with a unit of thousands, or as a share of the whole.

    Parameters
    ----------
    text : str
    whole : float
        What 100 % is.

    Raises
    ------
    UserError
        When it is no such number.

    Examples
    --------
    >>> amount("100 MB", 400e6), amount("20M", 37e6), amount("50%", 30.0)
    (100000000.0, 20000000.0, 15.0)
    """
    found = _AMOUNT.fullmatch(text.strip())
    if found is None or not math.isfinite(float(found[1])):
        raise UserError(
            f"{text!r} is no amount.", "Write it like “100 MB”, “20M” or “50%” of the original."
        )
    number, unit = float(found[1]), found[2].lower()
    return number * whole / 100 if unit == "%" else number * _FACTORS[unit.removesuffix("b")]


def _checked(text: str) -> str:
    amount(text, 1.0)
    return text


Amount = Annotated[
    str, BeforeValidator(lambda given: str(given) if type(given) is int else given),
    AfterValidator(_checked),
]  # fmt: skip
"""A text that `amount` reads."""


class Budget(Checked, title="budget"):
    """Limits for a compressed model; None is no limit, and all others are met.

    What each field means is said by its `Option`.

    Raises
    ------
    UserError
        For an amount that cannot be read.

    Examples
    --------
    >>> Budget(max_size="100 MB").sizes
    {'max_size': '100 MB'}
    """

    max_size: Annotated[
        Amount | None,
        Option(
            "Size",
            "Bytes of the weights at most: 100MB, or 50% of the original's.",
            by_default=_OPEN,
        ),
    ] = None
    max_parameters: Annotated[
        Amount | None,
        Option(
            "Parameters", "Parameters at most: 20M, or 50% of the original's.", by_default=_OPEN
        ),
    ] = None
    max_macs: Annotated[
        Amount | None,
        Option(
            "MACs",
            "Multiply-accumulates per second of audio at most: 300M, or 50% of the original's.",
            by_default=_OPEN,
        ),
    ] = None
    max_divergence: Annotated[
        float | None,
        Field(gt=0),
        Option(
            "Divergence",
            "KL divergence from the original at most, in nats per word (CTC: frame), measured on"
            " voices that no fit heard.",
            by_default=_OPEN,
        ),
    ] = None
    max_wer_rise: Annotated[
        float | None,
        Field(ge=0),
        Option(
            "WER rise",
            "Points of word error rate at most that are added, measured on clips with references.",
            by_default=_OPEN,
        ),
    ] = None

    @property
    def sizes(self) -> dict[str, str]:
        """The limits that are known before anything is compressed, by field."""
        return {
            name: value
            for name in ("max_size", "max_parameters", "max_macs")
            if (value := getattr(self, name)) is not None
        }

    @property
    def is_open(self) -> bool:
        """Whether it limits nothing."""
        return all(value is None for _, value in self)
