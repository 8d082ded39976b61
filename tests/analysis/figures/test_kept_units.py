"""Kept units and error curves: titles state what the numbers say, clicks lead back to groups."""

from analysis.figures import palette
from analysis.figures.kept_units import error_curve_chart, kept_units_chart, kept_units_height
from analysis.models.speech_model import SpeechModel
from analysis.plan.recipe import complete
from tests.helpers.pictures import axis_titles


def test_kept_units_draws_every_group_before_and_after(whisper: SpeechModel) -> None:
    groups = whisper.groups
    n_clusters = {g.id: max(1, g.n_units // 2) for g in groups}
    figure = kept_units_chart(groups, n_clusters, selected=groups[0].id)
    before, after = figure.data[0::2], figure.data[1::2]
    assert {d[0] for trace in after for d in trace.customdata} == set(n_clusters)
    for old, new in zip(before, after, strict=True):
        for data, tall, short in zip(new.customdata, old.y, new.y, strict=True):
            assert short == n_clusters[data[0]]
            assert tall == data[3]
        assert new.marker.color == palette.VERMILLION
        assert old.marker.line.color == palette.ORIGINAL
    said = [title for title in axis_titles(figure) if title is not None]
    assert set(said) == {"units (count)", "layer"}


def test_kept_units_title_names_the_group_that_loses_most(whisper: SpeechModel) -> None:
    groups = whisper.groups
    full = {g.id: g.n_units for g in groups}
    assert kept_units_chart(groups, full).layout.title.text.startswith("Every group keeps all")
    ffn = next(g for g in groups if g.component == "ffn")
    title = kept_units_chart(groups, {**full, ffn.id: 1}).layout.title.text
    assert title.startswith(f"{ffn.title} lose most: 1 of {ffn.n_units} kept")
    half = {g.id: g.n_units // 2 for g in groups}
    even = kept_units_chart(groups, half).layout.title.text
    assert even.startswith("Every layer keeps the same share of its heads and channels")


def test_many_kinds_are_drawn_in_a_row_for_each_stack(whisper: SpeechModel) -> None:
    few = whisper.groups
    many = whisper.groups_for(complete(sparsity=0.3).components)  # with ranks beside heads
    for groups, n_rows in ((few, 1), (many, 2)):
        figure = kept_units_chart(groups, {g.id: g.n_units for g in groups})
        assert figure.layout.height == kept_units_height(groups)
        kinds: dict[str, set[str]] = {}  # by the bottom of the plot
        for trace in figure.data:
            bottom = figure.layout[trace.yaxis.replace("y", "yaxis")].domain[0]
            kinds.setdefault(str(bottom), set()).add(trace.customdata[0][0].split(".")[0])
        assert len(kinds) == n_rows
        if n_rows > 1:
            above = [
                axis.title.standoff
                for axis in figure.select_xaxes()
                if figure.layout[axis.anchor.replace("y", "yaxis")].domain[0] > 0
                and axis.title.text
            ]
            assert min(above) >= 12  # else the title lies on the ticks
            assert all(len(stacks) == 1 for stacks in kinds.values())
        headings = [(note.x, note.y) for note in figure.layout.annotations]
        assert len(set(headings)) == len({(g.stack, g.block) for g in groups})


def test_figures_keep_their_height_whatever_they_show(whisper: SpeechModel) -> None:
    groups = whisper.groups
    full = {g.id: g.n_units for g in groups}
    least = dict.fromkeys(full, 1)
    assert (
        kept_units_chart(groups, full).layout.height
        == kept_units_chart(groups, least).layout.height
    )
    assert (
        kept_units_chart(groups, full).layout.yaxis.range
        == kept_units_chart(groups, least).layout.yaxis.range
    )


def test_error_curve_marks_the_current_k(whisper: SpeechModel) -> None:
    group = whisper.groups[0]
    ks = list(range(1, group.n_units + 1))
    errors = [1 - k / group.n_units for k in ks]
    figure = error_curve_chart(group, ks, errors, current=1, current_error=errors[0])
    assert figure.data[1].x[-1] == 1
    assert figure.data[1].y[-1] == errors[0]
    assert "%" in figure.layout.yaxis.title.text
