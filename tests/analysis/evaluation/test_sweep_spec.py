"""What a sweep is told: flags, lists and files, and what cannot be, said before anything runs."""

import json
import math
from pathlib import Path

import pytest

from analysis.errors import UserError
from analysis.evaluation.sweep_spec import (
    NamedRecipe,
    SweepSpec,
    read_spec,
    read_spec_file,
)
from analysis.plan.recipe import Recipe, complete

MINIMAL: dict[str, object] = {"model": "demo-hubert", "data": "somewhere"}


def test_flags_and_lists_say_the_same() -> None:
    flags = read_spec(
        {
            "model": ["a", "b"],
            "data": "here",
            "sparsity": "0.1, 0.5",
            "method": "magnitude,cluster:distance=normalised:align_heads=false:components=ffn",
            "allocation": "uniform,variance",
            "seed": "0,1",
        }
    )
    lists = read_spec(
        {
            "model": ["a", "b"],
            "data": "here",
            "sparsity": [0.1, 0.5],
            "method": [
                "magnitude",
                {
                    "name": "cluster, normalised, false, ffn",
                    "distance": "normalised",
                    "align_heads": False,
                    "components": ["ffn"],
                },
            ],
            "allocation": ["uniform", "variance"],
            "seed": [0, 1],
        }
    )
    assert flags == lists
    assert flags.method[1].recipe.components == ("ffn",)


def test_defaults() -> None:
    spec = read_spec(MINIMAL)
    assert spec == SweepSpec(model=("demo-hubert",), data="somewhere")
    assert spec.sparsity == (0.1, 0.2, 0.3, 0.5)
    assert [way.name for way in spec.method] == ["cluster", "magnitude", "random"]


def test_cells_are_a_grid_with_magnitude_first() -> None:
    spec = read_spec(
        MINIMAL | {"sparsity": "0.1,0.3", "allocation": "uniform,distortion", "seed": "4,5"}
    )
    cells = [(c.sparsity, c.allocation, c.way.name, c.seed) for c in spec.cells()]
    assert cells[:8] == [
        (0.1, "uniform", "magnitude", 4),
        (0.1, "uniform", "cluster", 4),
        (0.1, "uniform", "random", 4),  # only random draws anything
        (0.1, "uniform", "random", 5),
        (0.1, "distortion", "magnitude", 4),
        (0.1, "distortion", "cluster", 4),
        (0.1, "distortion", "random", 4),
        (0.1, "distortion", "random", 5),
    ]
    assert len(cells) == 16


def test_each_method_has_its_own_allocation_where_nobody_chose() -> None:
    ways = "magnitude,cluster,surgeon:distance=influence:repair=refit:merge=weighted"
    spec = read_spec(MINIMAL | {"method": ways, "sparsity": "0.3", "allocation": "own"})
    cells = spec.cells()
    assert [cell.allocation for cell in cells] == ["uniform", "uniform", "end-to-end"]
    assert cells[2].recipe == complete(sparsity=0.3)
    both = spec.changed(allocation=("uniform", "own")).cells()
    assert len(both) == 4  # its own, named again, counts once
    assert not both[2].recipe.swaps  # units are traded with the allocation by words only


def test_who_says_whether_units_are_traded_is_obeyed() -> None:
    ways = "surgeon:distance=influence:repair=refit:swaps=false"
    [cell] = read_spec(MINIMAL | {"method": ways, "sparsity": "0.3", "allocation": "own"}).cells()
    assert not cell.recipe.swaps


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"methods": "cluster"}, "no field 'methods'. Choose from allocation, calibrate"),
        ({"data": ""}, "names no data"),
        ({"sparsity": "10"}, "sparsity is 10. Choose fractions"),
        ({"sparsity": "a tenth"}, "sparsity is 'a tenth', not a number"),
        ({"method": "clustering"}, "method is 'clustering'. Choose from cluster"),
        ({"method": "cluster:wards"}, "'wards' in the method 'cluster:wards' is no option"),
        ({"method": "cluster:sparsity=0.5"}, "An option of a method is 'sparsity'"),
        ({"method": "cluster,cluster"}, "Two methods are called 'cluster'"),
        ({"method": [3]}, "3 is no method"),
        ({"allocation": "even"}, "allocation is 'even'"),
        ({"normaliser": "strict"}, "normaliser is 'strict'"),
    ],
)
def test_mistakes_are_named(fields: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_spec(MINIMAL | fields)


def test_file_in_yaml_or_json(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text(
        "model: demo-hubert\ndata: somewhere\nmethod:\n- {method: random, name: luck}\n"
    )
    assert read_spec(read_spec_file(path)).method == (
        NamedRecipe(name="luck", recipe=Recipe(method="random")),
    )
    path.write_text(json.dumps(MINIMAL))
    assert read_spec(read_spec_file(path)) == read_spec(MINIMAL)
    for text, message in (("- a list", "describes no sweep"), ("{", "cannot be read")):
        path.write_text(text)
        with pytest.raises(UserError, match=message):
            read_spec_file(path)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"seed": math.nan}, "seed is nan, not a whole number"),
        ({"seed": math.inf}, "seed is inf, not a whole number"),
        ({"seed": 1.7}, r"seed is 1\.7, not a whole number"),
        ({"seed": "1.7"}, r"seed is '1\.7', not a whole number"),
        ({"seed": True}, "seed is True, not a number"),
        ({"seed": -1}, "seed is -1. Choose at least 0"),
        ({"seed": []}, "names no seed"),
        ({"sparsity": []}, "names no sparsity"),
        ({"sparsity": ","}, "names no sparsity"),
        ({"sparsity": True}, "sparsity is True, not a number"),
        ({"sparsity": 10**400}, "sparsity is 10+…, not a number"),
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
        ("surgeon", "Choose the distance “influence” or “contribution” with it"),
        ([{"name": "mine", "components": "ffn"}], "'mine' cannot be: .* components has the wrong"),
        ([{"merge": {1, 2}}], r"merge is \{"),
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


@pytest.mark.parametrize(
    "text",
    ["limit: !!int ''", "limit: !!bool maybe", "limit: !!timestamp x", "model: &a [x]\ndata: *a"],
)
def test_tags_and_references_of_yaml_are_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=r"sweep\.yaml cannot be read"):
        read_spec_file(path)


@pytest.mark.parametrize("method", [[1] * 2000, "x" * 5000, {"distance": "x" * 5000}])
def test_a_long_wrong_value_is_cut(method: object) -> None:
    with pytest.raises(UserError) as caught:
        read_spec(MINIMAL | {"method": method})
    assert len(caught.value.message) < 400
