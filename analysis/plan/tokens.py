"""Plans as one word of letters and digits, short enough for the address of a link."""

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.errors import UserError
from analysis.plan.compression_plan import CompressionPlan

LONGEST_TOKEN = 16_000
"""Characters; browsers and servers take addresses of about this length."""

_MOST_PLANS = 8
_LONGEST_TEXT = 1_000_000  # characters that a token may unfold to
_LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class NamedPlan:
    """A plan that travels in a link.

    Parameters
    ----------
    name : str
        For people.
    plan : CompressionPlan
    is_int8 : bool
        Whether the model is quantised after it was compressed.
    """

    name: str
    plan: CompressionPlan
    is_int8: bool = False


def to_token(plans: Sequence[NamedPlan]) -> str:
    """Plans as one word that `from_token` reads.

    Parameters
    ----------
    plans : sequence of NamedPlan

    Returns
    -------
    str
        Of letters, digits, - and _.
    """
    values = [
        {"name": each.name, "int8": each.is_int8, "plan": each.plan.to_dict()} for each in plans
    ]
    text = json.dumps(values, separators=(",", ":"))
    return base64.urlsafe_b64encode(zlib.compress(text.encode(), 9)).decode().rstrip("=")


def from_token(token: str) -> tuple[NamedPlan, ...]:
    """Read plans out of a link.

    Parameters
    ----------
    token : str
        What `to_token` gave.

    Raises
    ------
    UserError
        Where it is cut, changed, or too large.
    """
    values = _unfolded(token)
    if not isinstance(values, list) or len(values) > _MOST_PLANS:
        raise _broken("not a list of plans")
    return tuple(_named(each) for each in values)


def _named(values: Any) -> NamedPlan:
    if not isinstance(values, Mapping) or not isinstance(values.get("plan"), Mapping):
        raise _broken("an entry has no plan")
    name = " ".join(str(values.get("name", "")).split())[:_LONGEST_NAME]
    plan = CompressionPlan.from_json(json.dumps(values["plan"]))
    return NamedPlan(name or "from a link", plan, values.get("int8") is True)


def _unfolded(token: str) -> Any:
    if len(token) > LONGEST_TOKEN:
        raise _broken(f"{len(token)} characters")
    try:
        packed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        # no more than that: few bytes can unfold to gigabytes
        text = zlib.decompressobj().decompress(packed, _LONGEST_TEXT)
        return json.loads(text)
    except (ValueError, zlib.error, RecursionError) as error:
        raise _broken(str(error)) from error


def _broken(detail: str) -> UserError:
    return UserError(
        "The recipe in this link cannot be read.", "Ask for the link again, as a whole.", detail
    )
