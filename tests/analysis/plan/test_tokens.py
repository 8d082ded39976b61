"""Plans travel in links: the same ones come out, and what was cut or puffed up is refused."""

import base64
import json
import re
import zlib

import pytest

from analysis.errors import UserError
from analysis.plan.compression_plan import CompressionPlan, Origin
from analysis.plan.recipe import complete
from analysis.plan.tokens import LONGEST_TOKEN, NamedPlan, from_token, to_token


def plan(n_layers: int = 2) -> CompressionPlan:
    return CompressionPlan(
        origin=Origin(model="demo-whisper", weight_hash="0123456789abcdef" * 4),
        recipe=complete(sparsity=0.37),
        n_clusters={f"encoder.{layer}.ffn": 1000 + layer for layer in range(n_layers)},
        excitation_hash="fedcba9876543210" * 4,
    )


def packed(values: object) -> str:
    return base64.urlsafe_b64encode(zlib.compress(json.dumps(values).encode())).decode()


def test_the_same_plans_come_out() -> None:
    plans = (NamedPlan("Mine, ~30 % & more", plan()), NamedPlan("small", plan(), is_int8=True))
    token = to_token(plans)
    assert re.fullmatch("[A-Za-z0-9_-]+", token)
    assert from_token(token) == plans


def test_the_plan_of_the_largest_whisper_fits_an_address() -> None:
    assert len(to_token([NamedPlan("large", plan(n_layers=160))])) < 1500


@pytest.mark.parametrize(
    "token",
    [
        "",
        "no token",
        to_token([NamedPlan("cut", plan())])[:-9],
        "A" * (LONGEST_TOKEN + 1),
        packed({"plan": 1}),
        packed([1]),
        packed([{"name": "x", "plan": {"format": 2, "n_clusters": {}}}]),
        packed([{"name": "x", "plan": plan().to_dict()}] * 9),
        packed("0" * 50_000_000),  # 50 MB of one digit are 50 kB, and 65 kB of token
        packed([" " * 1_000_001]),
    ],
)
def test_what_is_no_plan_is_refused(token: str) -> None:
    with pytest.raises(UserError):
        from_token(token)


def test_a_name_is_cut_and_has_no_line_breaks() -> None:
    [named] = from_token(packed([{"name": "a\n b" + "c" * 99, "plan": plan().to_dict()}]))
    assert named.name == ("a b" + "c" * 99)[:60]
