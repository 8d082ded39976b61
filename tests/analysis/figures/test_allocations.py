"""Pictures of choosing K: every group is in them, titles state what is true."""

import json
import re

import numpy as np
import pytest

from analysis.compression.allocation import achieved_sparsity, allocate
from analysis.compression.forecast import error_curve
from analysis.figures.allocations import (
    STRATEGY_STYLES,
    curves_height,
    error_multiples,
    strategy_lines,
)
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup, with_ranks
from analysis.plan.choices import ALLOCATIONS
from tests.helpers.group_shapes import evidence, seq2seq_groups

MOST_BYTES = 2_000_000
"""What the largest page may send to the browser."""


def drawn(
    groups: list[UnitGroup],
) -> tuple[dict[str, tuple[list[int], list[float]]], dict[str, int], dict[str, float]]:
    trees, _ = evidence(groups)
    found = {g.id: error_curve(g, trees[g.id], "cluster") for g in groups}
    k = allocate(groups, sparsity=0.4)
    errors = {g.id: trees[g.id].inertia(k[g.id]) / trees[g.id].total for g in groups}
    return {name: (list(ks), list(es)) for name, (ks, es) in found.items()}, k, errors


def test_every_group_has_its_curve_and_its_mark() -> None:
    groups = seq2seq_groups(layers=6, heads=6, channels=48, hidden=12)
    curves, k, errors = drawn(groups)
    figure = error_multiples(groups, curves, k, errors, selected="decoder.2.ffn")
    lines = [trace for trace in figure.data if trace.mode.startswith("lines") and trace.customdata]
    seen: dict[int, list[list[float]]] = {}
    for trace in lines:
        for x, point in zip(trace.x, trace.customdata, strict=True):
            if x is not None:
                seen.setdefault(int(point[0]), []).append(list(point[2:]))
    assert set(seen) == set(range(len(groups)))
    for index, group in enumerate(groups):
        ks, es = curves[group.id]
        assert [point[0] for point in seen[index]] == ks
        assert [point[1] for point in seen[index]] == pytest.approx(es, abs=1e-5)
    (marks,) = (trace for trace in figure.data if trace.mode == "markers")
    marked = {groups[int(point[0])].id: point[2] for point in marks.customdata}
    assert marked == k
    worst = max(groups, key=lambda g: errors[g.id])
    assert figure.layout.title.text.startswith(f"{worst.title} pay most")
    assert len(figure.layout.shapes) == 1


def test_a_mark_lies_on_its_curve() -> None:
    groups = seq2seq_groups(layers=2, heads=4, channels=20, hidden=8)
    curves, k, errors = drawn(groups)
    figure = error_multiples(groups, curves, k, errors)
    (marks,) = (trace for trace in figure.data if trace.mode == "markers")
    points = {
        (int(d[0]), int(d[2])): (x, y)
        for trace in figure.data
        if trace.mode.startswith("lines") and trace.customdata
        for x, y, d in zip(trace.x, trace.y, trace.customdata, strict=True)
    }
    for x, y, d in zip(marks.x, marks.y, marks.customdata, strict=True):
        assert points[int(d[0]), int(d[2])] == pytest.approx((x, y), abs=1e-4)


def test_large_v3s_shape_is_wrapped_into_lines_and_stays_small() -> None:
    groups = seq2seq_groups(layers=32, heads=20, channels=5120, hidden=1280)
    curves, k, errors = drawn(groups)
    figure = error_multiples(groups, curves, k, errors)
    labels = figure.layout.yaxis.ticktext
    assert len(labels) == 10
    assert labels[1] == "layers 16 to 31"
    assert figure.layout.height == curves_height(groups)
    trees, variances = evidence(groups)
    choices = {
        name: allocate(groups, sparsity=0.4, strategy=name, trees=trees, variances=variances)
        for name in STRATEGY_STYLES
    }
    strategies = strategy_lines(groups, choices, dict.fromkeys(choices, 0.1), k)
    assert len(figure.to_json()) + len(strategies.to_json()) < MOST_BYTES / 2


def strategies() -> tuple[list[UnitGroup], dict[str, dict[str, int]]]:
    groups = seq2seq_groups(layers=8, heads=4, channels=100, hidden=64)
    trees, variances = evidence(groups)
    return groups, {
        name: allocate(groups, sparsity=0.3, strategy=name, trees=trees, variances=variances)
        for name in STRATEGY_STYLES
    }


def title_of_strategies(
    groups: list[UnitGroup], choices: dict[str, dict[str, int]], errors: dict[str, float]
) -> str:
    chart = strategy_lines(groups, choices, errors, choices["uniform"])
    return str(chart.layout.title.text).split("<br>")[0]


def test_strategies_are_drawn_as_they_are() -> None:
    assert set(STRATEGY_STYLES) < set(ALLOCATIONS)
    groups, choices = strategies()
    figure = strategy_lines(groups, choices, dict.fromkeys(choices, 0.1), choices["uniform"])
    for name, k in choices.items():
        found = [tuple(point) for t in figure.data if t.name == name for point in t.customdata]
        assert sorted(found) == sorted((k[g.id], g.n_units) for g in groups)


def test_the_best_strategy_is_named_among_those_that_remove_the_same() -> None:
    groups, choices = strategies()
    # of 4 heads, 30 % are one: uniform removes less than the other two, and loses least for it
    removed = {name: achieved_sparsity(groups, k) for name, k in choices.items()}
    assert removed["variance"] == pytest.approx(removed["distortion"], abs=0.02)
    assert max(removed["variance"], removed["distortion"]) - removed["uniform"] > 0.02
    errors = {"uniform": 0.1, "variance": 0.25, "distortion": 0.2}
    title = title_of_strategies(groups, choices, errors)
    assert "distortion loses least: 20.00% (variance 25.00%)" in title
    assert f"uniform removes {removed['uniform']:.1%} and loses 10.00%" in title
    same = title_of_strategies(groups, choices, errors | {"distortion": 0.25})
    assert "all lose the same: 25.00%; uniform" in same


def test_what_is_a_head_s_and_a_rank_s_counts_once(whisper: SpeechModel) -> None:
    groups = list(with_ranks(whisper.groups))
    half = {g.id: g.n_units // 2 for g in groups}
    removed = achieved_sparsity(groups, half, ("ffn", "heads", "ranks"))
    title = title_of_strategies(
        groups, {"uniform": half, "variance": half}, {"uniform": 0.1, "variance": 0.1}
    )
    assert title.startswith(f"At {removed:.1%} removed all lose the same")


def test_strategies_that_all_remove_another_amount_are_not_ranked() -> None:
    groups, choices = strategies()
    full = {g.id: g.n_units for g in groups}
    half = {g.id: g.n_units // 2 for g in groups}
    apart = {"uniform": full, "variance": half, "distortion": choices["distortion"]}
    title = title_of_strategies(groups, apart, dict.fromkeys(apart, 0.1))
    assert title.startswith("No two allocations remove the same: uniform 0.0%")
    assert "least" not in title


def test_figures_are_valid_json_without_nan() -> None:
    groups = seq2seq_groups(layers=2, heads=1, channels=3, hidden=8)
    curves, k, errors = drawn(groups)
    text = error_multiples(groups, curves, k, dict.fromkeys(errors, 0.0)).to_json()
    assert not re.search(r"\bNaN\b", text)
    assert json.loads(text)["layout"]["height"] == curves_height(groups)
    assert np.isfinite(curves_height(groups))
