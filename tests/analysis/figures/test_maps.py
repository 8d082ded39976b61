"""Maps and statistics as pictures: every unit and every cell is in them."""

from itertools import combinations

import numpy as np

from analysis.clustering.merge_tree import compact_labels
from analysis.clustering.projection import Projection, project_pca
from analysis.clustering.rim import cut_at_rim
from analysis.clustering.unit_space import UnitSpace
from analysis.figures.attention import measured_heads, on_one_scale
from analysis.figures.maps import cluster_colors, head_map, unit_map
from analysis.figures.statistics import statistic_heatmap, statistic_lines
from analysis.models.speech_model import SpeechModel
from analysis.models.statistics import STATISTICS, UNITS, model_statistics


def test_labels_of_narrow_columns_stand_upright_below_the_headings(whisper: SpeechModel) -> None:
    cells = statistic_heatmap(whisper.groups, model_statistics(whisper), next(iter(STATISTICS)))
    axis = cells.layout.xaxis
    assert (axis.tickangle, axis.autotickangles) == (None, (0, -90))
    upright = max(map(len, axis.ticktext)) * axis.tickfont.size
    headings = [note for note in cells.layout.annotations if note.yanchor == "bottom"]
    assert headings
    assert all(note.yshift >= upright for note in headings)


def test_figures_hold_every_unit_and_every_cell(whisper: SpeechModel) -> None:
    groups = whisper.groups
    statistics = model_statistics(whisper)
    for name in STATISTICS:
        cells = statistic_heatmap(groups, statistics, name, selected=(groups[0].id, UNITS))
        assert sum(len(bar.x) for bar in cells.data) == len(statistics)
        lines = statistic_lines(groups, statistics, name)
        assert sum(len(line.x) for line in lines.data) == len(statistics)
    group = next(g for g in groups if g.id == "encoder.0.ffn")
    tree = UnitSpace().tree(whisper, group)
    labels = tree.labels(7)
    chart = unit_map(group, project_pca(whisper, [group], UnitSpace()), labels, np.sqrt(tree.norms))
    assert [point[0] for point in chart.data[0].customdata] == list(range(group.n_units))
    colors = cluster_colors(labels)
    for label in range(7):
        assert len({colors[unit] for unit in np.flatnonzero(labels == label)}) == 1


def test_far_channel_is_at_the_rim_and_says_so(whisper: SpeechModel) -> None:
    group = next(g for g in whisper.groups if g.id == "encoder.0.ffn")
    places = np.zeros((200, 2), dtype=np.float32)
    places[:, 0], places[:, 1] = np.linspace(0, 1, 200), np.linspace(1, 0, 200)
    places[5] = (50, 0.5)
    labels = np.arange(200)
    labels[101] = 100
    labels = compact_labels(labels)
    chart = unit_map(group, Projection(places, (0.5, 0.5)), labels, np.ones(200))
    points = chart.data[0]
    assert points.marker.symbol[5] == "triangle-right"
    assert max(points.x) < 1.2
    said = [data[1] for data in points.customdata]
    assert "beyond the rim" in said[5]
    assert said[100] == said[101] == "in cluster 100, which has 2 members"
    assert said[102] == "merged with no other"
    assert "▲ 4 at the rim" in chart.layout.title.text  # and units at the ends of the line


def test_few_heads_have_their_numbers_beside_them(whisper: SpeechModel) -> None:
    heads = [g for g in whisper.groups if (g.component, g.stack) == ("heads", "encoder")]
    projection = project_pca(whisper, heads[:1], UnitSpace())
    n = heads[0].n_units
    chart = unit_map(heads[0], projection, np.arange(n), np.ones(n))
    for head, name in enumerate(chart.data[0].text):
        assert name in ("", str(head))
    everything = head_map(heads, project_pca(whisper, heads, UnitSpace()), by_layer=True)
    for kind in everything.data:
        for name, (group, head, *_) in zip(kind.text, kind.customdata, strict=True):
            layer = next(g.layer for g in heads if g.id == group)
            assert name in ("", f"{layer}.{head}")
    written = [
        place
        for kind in everything.data
        for name, *place in zip(kind.text, kind.x, kind.y, strict=True)
        if name
    ]
    assert written
    places = [np.stack([kind.x, kind.y], axis=1) for kind in everything.data]
    extent = np.ptp(np.concatenate(places), axis=0)
    for one, other in combinations(written, 2):
        apart = np.abs(np.subtract(one, other)) / extent
        assert apart[0] > 0.05 or apart[1] > 0.03, "one name covers another"


def test_a_stretched_axis_tells_its_true_numbers(whisper: SpeechModel) -> None:
    group = next(g for g in whisper.groups if g.id == "encoder.0.ffn")
    places = np.random.default_rng(0).standard_normal((200, 2)).astype(np.float32)
    places[:20, 0] *= 1000
    labels = np.arange(200)
    chart = unit_map(group, Projection(places, (0.5, 0.5)), labels, np.ones(200))
    axis = chart.layout.xaxis
    assert "arsinh" in axis.title.text
    assert "arsinh" not in chart.layout.yaxis.title.text
    stretch = cut_at_rim(places, stretches=True).stretches[0]
    assert stretch is not None
    told = np.array([float(text.replace("−", "-")) for text in axis.ticktext])
    np.testing.assert_allclose(axis.tickvals, stretch.place(told))
    assert {"0", "10", "100"} <= set(axis.ticktext)
    umap = unit_map(group, Projection(places, None), labels, np.ones(200))
    assert umap.layout.xaxis.tickvals is None


def test_distances_in_tokens_share_no_scale_with_those_in_seconds(whisper: SpeechModel) -> None:
    heads = [g for g in whisper.groups if g.component == "heads" and g.stack == "decoder"]
    measured = {group.id: np.full((group.n_units, 3), 0.5 + group.layer) for group in heads}
    values = measured_heads(heads, measured, "distance")
    assert np.isfinite(values).all(), "a table has them all"
    colors = on_one_scale(heads, values, "distance")
    projection = project_pca(whisper, heads, UnitSpace())
    traces = head_map(heads, projection, by_layer=False, values=colors).data
    grey = [trace for trace in traces if isinstance(trace.marker.color, str)]
    assert [trace.customdata[0][0] for trace in grey] == ["decoder.0.self_attention"]
    assert [trace.marker.showscale for trace in traces if trace not in grey] == [True]
    assert np.isfinite(on_one_scale(heads, values, "entropy")).all()
