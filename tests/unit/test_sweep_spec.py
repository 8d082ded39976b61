"""What cannot be swept is said, by field, before anything is loaded or computed."""

import math
from pathlib import Path

import pytest

from analysis.errors import UserError
from analysis.sweep_spec import read_spec, read_spec_file

MINIMAL: dict[str, object] = {"model": "demo-hubert", "data": "somewhere"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"seed": math.nan}, "seed is nan, not a whole number"),
        ({"seed": math.inf}, "seed is inf, not a whole number"),
        ({"seed": 1.7}, r"seed is 1\.7, not a whole number"),
        ({"seed": "1.7"}, r"seed is '1\.7', not a whole number"),
        ({"seed": True}, "seed is True, not a number"),
        ({"seed": -1}, "seed is -1. Choose a number from 0"),
        ({"seed": []}, "names no seed"),
        ({"sparsity": []}, "names no sparsity"),
        ({"sparsity": ","}, "names no sparsity"),
        ({"sparsity": True}, "sparsity is True, not a number"),
        ({"sparsity": 10**400}, "sparsity is 10+, not a number"),
        ({"method": []}, "names no method"),
        ({"allocation": []}, "names no allocation"),
        ({"model": []}, "names no model"),
        ({"model": [None]}, "names no model"),
        ({"model": [["a"]]}, r"model is \['a'\], not a text"),
        ({"data": 5}, "data is 5, not a text"),
        ({"data": ["here"]}, r"data is \['here'\], not a text"),
        ({"calibrate": 5}, "calibrate is 5, not a text"),
        ({"normaliser": ["none"]}, r"normaliser is \['none'\], not a text"),
        ({"allocation": [{"uniform": 1}]}, r"allocation is \{'uniform': 1\}, not a text"),
        ({"method": [{"method": ["cluster"]}]}, r"method is \['cluster'\]"),
    ],
)
def test_a_value_that_cannot_be_is_named(fields: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_spec(MINIMAL | fields)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("cluster:distance=contributoin", "distance is 'contributoin'. Choose one of weights"),
        ("cluster:refine=yes", "refine has the wrong type: 'yes'"),
        ("cluster:engine=kmeans:n_init=0", "n_init is 0"),
        ("cluster:engine=kmeans:n_init=²", "n_init has the wrong type: '²'"),
        ("cluster:components=ffn+layers", "components is 'layers'"),
        ("cluster:sequential=true", "sequential is a way to repair"),
        ("surgeon", "Choose the distance “contribution” with it"),
        ([{"name": "mine", "components": "ffn"}], "'mine' cannot be: .* components has the wrong"),
        ([{"merge": {1, 2}}], "no text, number or list"),
    ],
)
def test_options_that_cannot_be_are_found_at_once(method: object, message: str) -> None:
    with pytest.raises(UserError, match=r"The method .* cannot be: ") as said:
        read_spec(MINIMAL | {"method": method})
    said.match(message)


def test_what_is_named_twice_counts_once() -> None:
    spec = read_spec(
        {
            "model": ["b", "a", "b"],
            "data": "here",
            "sparsity": "0.5,0.1,0.50",
            "seed": "1,0,1",
            "allocation": "variance,uniform,variance",
        }
    )
    assert spec.model == ("b", "a")
    assert spec.sparsity == (0.5, 0.1)
    assert spec.seed == (1, 0)
    assert spec.allocation == ("variance", "uniform")


@pytest.mark.parametrize("text", ["data: 2020-13-45", "data: " + "[" * 5000])
def test_files_that_the_parser_chokes_on(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match="cannot be read as YAML or JSON"):
        read_spec_file(path)
