"""The sweep's pictures: every model drawn where it belongs, labels apart, front right."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from analysis.evaluation.corpora import Corpus
from analysis.evaluation.significance import Difference
from analysis.evaluation.sweep import Row
from analysis.evaluation.sweep_spec import SweepCell
from analysis.figures.palette import NEUTRAL, ORIGINAL, VARIANTS
from analysis.figures.sweeps import AXES, lines_of, pareto, pareto_front, spread_labels, wer_curves
from analysis.figures.titles import TITLE_WIDTH, fit_title
from analysis.models.speech_model import SpeechModel
from tests.helpers.sweeps import rows_of, three_utterances


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return three_utterances(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def rows(hubert: SpeechModel, corpus: Corpus) -> list[Row]:
    found = rows_of(
        hubert,
        corpus,
        sparsity="0.3,0.6",
        method="magnitude,random,cluster,cluster:merge=medoid",
        allocation="uniform,distortion",
    )
    return [row for row in found if isinstance(row, Row)]


def test_a_line_per_method_and_allocation(rows: list[Row]) -> None:
    lines = lines_of(rows)
    assert sum(len(line.rows) for line in lines) == len(rows) - 1
    looks = {line.name: (line.color, line.dash) for line in lines}
    assert looks["cluster, uniform"] == (VARIANTS[0], "solid")
    assert looks["cluster, distortion"] == (VARIANTS[0], "dash")
    assert looks["cluster, medoid, uniform"] == (VARIANTS[1], "solid")
    assert looks["magnitude, uniform"][0] == looks["random, uniform"][0] == NEUTRAL
    symbols = {line.name: line.symbol for line in lines}
    assert symbols["magnitude, uniform"] != symbols["random, uniform"]
    for line in lines:
        removed = [row.achieved for row in line.rows]
        assert removed == sorted(removed)


@pytest.mark.parametrize("log", [False, True])
def test_curves_start_at_the_original_and_stay_on_the_page(rows: list[Row], log: bool) -> None:
    figure = wer_curves(rows, log=log)
    lines = [trace for trace in figure.data if trace.mode == "lines+markers"]
    assert len(lines) == len(lines_of(rows))
    limits = figure.layout.yaxis.range
    low, high = (10 ** limits[0], 10 ** limits[1]) if log else limits
    for trace in figure.data:
        assert all(math.isfinite(value) for value in trace.y)
        assert min(trace.y) >= low * 0.999
        assert max(trace.y) <= high * 1.001
    for trace in lines:
        assert trace.x[0] == 0
        assert trace.y[0] == rows[0].evaluation.total.wer
    [original] = [trace for trace in figure.data if trace.mode == "markers"]
    assert original.marker.color == ORIGINAL
    assert len(figure.layout.annotations) == len(lines)


def test_labels_are_whole_and_apart(rows: list[Row]) -> None:
    long = [
        replace(row, cell=replace(cell, way=cell.way.changed(name=f"{part} " * 9 + part)))
        for row, part in zip(rows[1:], ("one", "two"), strict=False)
        if (cell := row.cell)
    ]
    figure = wer_curves([rows[0], *long], log=True)
    labels = figure.layout.annotations
    assert [label.text.replace("<br>", " ") for label in labels] == [
        line.name for line in lines_of(long)
    ]
    title = "word " * (3 * TITLE_WIDTH // 5)
    for lines in ("one", title):
        figure.update_layout(title_text=lines)
        fit_title(figure)
        ticks = 50
        inside = figure.layout.height - figure.layout.margin.t - ticks
        edges = sorted(
            (label.y * inside + label.yshift, 17 * (1 + label.text.count("<br>")))
            for label in labels
        )
        for (below, its), (above, own) in pairwise(edges):
            assert above - below >= (its + own) / 2 - 1e-6


def test_names_say_the_allocation_only_where_a_method_has_several(rows: list[Row]) -> None:
    one_each = [
        row
        for row in rows
        if row.cell and (row.cell.way.name == "cluster") == (row.cell.allocation == "distortion")
    ]
    assert {line.name for line in lines_of(one_each)} >= {"cluster", "magnitude", "random"}
    dashes = {(line.name, line.color): line.dash for line in lines_of(one_each)}
    assert {dash for (_, color), dash in dashes.items() if color != NEUTRAL} == {"solid"}
    grey = {name.split(",")[0]: dash for (name, color), dash in dashes.items() if color == NEUTRAL}
    assert len(grey) == len(set(grey.values())) > 1, "only their dashes tell baselines apart"


def test_a_rise_that_either_test_finds_is_no_harmless_one(rows: list[Row]) -> None:
    """The bootstrap's interval may reach down to 0 where MAPSSWE finds a rise."""
    row = next(row for row in rows if row.against_original)
    comparison = row.against_original
    assert comparison is not None

    def titled(low: float, p_value: float) -> str:
        seen = replace(
            comparison,
            difference=replace(comparison.difference, delta=0.09, low=low),
            matched_pairs=replace(comparison.matched_pairs, p_value=p_value),
        )
        interval = replace(row.evaluation.interval, n_blocks=200)
        enough = replace(row.evaluation, interval=interval)
        original = next(one for one in rows if one.cell is None)
        shown = [
            replace(original, evaluation=replace(original.evaluation, interval=interval)),
            replace(row, evaluation=enough, against_original=seen),
        ]
        return str(wer_curves(shown, log=False).layout.title.text)

    assert "No significant rise" in titled(-0.01, 0.2)
    assert "worse than the original" in titled(-0.01, 0.003)
    assert "worse than the original" in titled(0.01, 0.2)


def test_of_few_utterances_no_model_is_said_to_be_harmless(rows: list[Row]) -> None:
    assert rows[0].evaluation.interval.n_blocks == 3
    assert "3 utterances are too few" in wer_curves(rows, log=True).layout.title.text
    first = next(row for row in rows if row.cell is None)
    second = next(row for row in rows if row.against_original)
    assert second.against_original is not None
    rise = Difference(0.9, 0.5, 1.2, 0.0, 0.0002, 3)
    pairs = replace(second.against_original.matched_pairs, p_value=0.001, n_segments=40)
    compared = replace(second.against_original, difference=rise, matched_pairs=pairs)
    surely = wer_curves([first, replace(second, against_original=compared)], log=True)
    assert "Worse, as even 3 utterances tell: " in surely.layout.title.text
    many = [
        replace(
            row,
            evaluation=replace(
                row.evaluation, interval=replace(row.evaluation.interval, n_blocks=200)
            ),
        )
        for row in rows
    ]
    assert "too few" not in wer_curves(many, log=True).layout.title.text


def test_no_errors_have_a_lane_of_their_own(rows: list[Row]) -> None:
    first = rows[0].evaluation
    right = replace(
        rows[1],
        evaluation=replace(
            first,
            total=replace(first.total, wer=0.0),
            interval=replace(first.interval, low=0.0, high=0.02),
        ),
    )
    figure = wer_curves([rows[0], right, *rows[2:]], log=True)
    zero = figure.layout.yaxis.tickvals[0]
    assert figure.layout.yaxis.ticktext[0] == "0%"
    assert 10 ** figure.layout.yaxis.range[0] < zero < 0.02
    assert any(zero in trace.y for trace in figure.data if trace.mode == "lines+markers")
    assert pareto([rows[0], right], "parameters", log=True).layout.yaxis.ticktext[0] == "0%"


def test_bars_end_where_intervals_end_and_bands_join_measured_points(rows: list[Row]) -> None:
    figure = wer_curves(rows, log=False)
    lines = lines_of(rows)
    drawn = [trace for trace in figure.data if trace.mode == "lines+markers"]
    for line, trace in zip(lines, drawn, strict=True):
        for row, y, up, down in zip(
            line.rows,
            trace.y[1:],
            trace.error_y.array[1:],
            trace.error_y.arrayminus[1:],
            strict=True,
        ):
            assert y + up == pytest.approx(row.evaluation.interval.high)
            assert y - down == pytest.approx(row.evaluation.interval.low)
    bands = [trace for trace in figure.data if trace.fill == "toself"]
    assert len(bands) == sum(len(line.rows) > 1 for line in lines)
    measured = {row.achieved for row in rows if row.cell}
    assert all(set(band.x) <= measured for band in bands)


@pytest.mark.parametrize("axis", list(AXES))
def test_pareto_shows_every_model(rows: list[Row], axis: str) -> None:
    figure = pareto(rows, axis, log=False)
    points = [
        pair
        for trace in figure.data
        if trace.mode == "markers"
        for pair in zip(trace.x, trace.y, strict=True)
    ]
    cost = AXES[axis][1]
    assert sorted(points) == sorted((cost(row), row.evaluation.total.wer) for row in rows)
    assert figure.layout.xaxis.title.text == AXES[axis][0]


def test_front_is_what_none_dominates() -> None:
    generator = np.random.default_rng(0)
    points = [tuple(pair) for pair in generator.integers(0, 12, (60, 2)).tolist()]
    front = [points[index] for index in pareto_front(points)]

    def beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
        return one != other and one[0] <= other[0] and one[1] <= other[1]

    assert sorted(front) == sorted({p for p in points if not any(beats(q, p) for q in points)})


def test_labels_keep_their_distance_and_their_order() -> None:
    generator = np.random.default_rng(1)
    wanted = generator.uniform(0, 10, 30).tolist()
    placed = spread_labels(wanted, [0.5] * 30)
    order = np.argsort(wanted)
    heights = [placed[index] for index in order]
    assert all(above - below >= 0.5 - 1e-9 for below, above in pairwise(heights))
    assert sum(placed) == pytest.approx(sum(wanted))
    assert spread_labels([1.0, 5.0], [0.5, 2.0]) == [1.0, 5.0]


def test_a_variant_keeps_its_colour_and_no_method_takes_it(rows: list[Row]) -> None:
    row = rows[-1]
    assert row.cell is not None
    made = replace(row, cell=SweepCell.of_made("mine", row.cell.recipe))
    lines = lines_of([*rows, made], {"mine": VARIANTS[0], "another": VARIANTS[1]})
    colors = {line.name: line.color for line in lines}
    assert colors["mine"] == VARIANTS[0]
    assert colors["cluster, uniform"] == VARIANTS[1]  # the other one is not drawn here
    assert VARIANTS[0] not in {line.color for line in lines if line.name != "mine"}
