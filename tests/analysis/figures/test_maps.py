"""Maps and statistics as pictures: every unit and every cell is in them."""

import numpy as np

from analysis.clustering.projection import project_pca
from analysis.clustering.unit_space import UnitSpace
from analysis.figures.maps import cluster_colors, unit_map
from analysis.figures.statistics import statistic_heatmap, statistic_lines
from analysis.models.speech_model import SpeechModel
from analysis.models.statistics import STATISTICS, UNITS, model_statistics


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
