"""Pictures of variants name the worst layer and leave out what nobody measured."""

from analysis.evaluation.drift import Drift, LayerDrift
from analysis.figures.variants import VariantMeasures, comparison_bars, drift_lines


def drift(*errors: float) -> Drift:
    layers = [LayerDrift("encoder", i, e, 1 - e) for i, e in enumerate(errors)]
    return Drift((*layers, LayerDrift("decoder", 0, 0.05, 0.99)), 3.0, 7)


def test_drift_has_all_numbers_of_every_layer_and_names_the_worst() -> None:
    figure = drift_lines(
        {"mild": drift(0.1, 0.2), "<b>half</b>": drift(0.3, 0.6)},
        {"mild": "#111111", "<b>half</b>": "#222222"},
    )
    assert "encoder layer 1 most: by 60 %" in figure.layout.title.text
    assert "<b>half" not in figure.layout.title.text
    values = [list(t.y) for t in figure.data if t.marker.color == "#222222"]
    assert values == [[0.3, 0.6], [0.7, 0.4], [None, 2.0], [0.05], [0.99], [None]]
    [line] = {shape.y0 for shape in figure.layout.shapes}
    assert line == 1, "above it a layer amplifies"


def test_comparison_leaves_out_what_nobody_measured() -> None:
    bare = VariantMeasures("a", "#111111", 0.9, 0.8, None, 0.05, None)
    figure = comparison_bars([bare])
    assert [list(t.x) for t in figure.data] == [["parameters", "MACs/s"], ["merge error"]]
    assert "encoder" not in figure.layout.title.text
    next_to_nothing = comparison_bars([VariantMeasures("a", "#111111", 0.9, 0.8, None, 1e-4, None)])
    assert tuple(next_to_nothing.layout.yaxis2.range) == (0, 0.05), "its bar fills no picture"
    full = VariantMeasures("b", "#222222", 0.5, 0.4, 0.6, 0.3, 0.7)
    figure = comparison_bars([bare, full])
    assert "“b” is the smallest: 50% of the parameters, 40% of the MACs, 60%" in (
        figure.layout.title.text
    )
    (cost,) = (t for t in figure.data if t.name == "b" and "MACs/s" in t.x)
    assert list(cost.y) == [0.5, 0.4, 0.6]
    (other,) = (t for t in figure.data if t.name == "a" and "MACs/s" in t.x)
    assert list(other.y) == [0.9, 0.8, None]
