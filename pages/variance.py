"""Variance: how the matrices of all layers differ, and what the layers' K has to do with it."""

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from analysis.compression.allocation import achieved_sparsity, allocate
from analysis.figures.matrices import (
    ALLOCATION_HEIGHT,
    DISTRIBUTION_HEIGHT,
    NORMS_HEIGHT,
    unit_norms,
    variance_allocation,
    weight_distribution,
)
from analysis.figures.statistics import (
    LINES_HEIGHT,
    heatmap_height,
    statistic_heatmap,
    statistic_lines,
)
from analysis.models.matrix_detail import MatrixDetail, matrix_detail
from analysis.models.speech_model import SpeechModel
from analysis.models.statistics import (
    HIGH_VALUES,
    STATISTIC_TITLES,
    STATISTICS,
    UNITS,
    MatrixKey,
    matrix_label,
    matrix_names,
)
from analysis.models.unit_groups import UnitGroup
from pages.exploring import head_views, worth
from pages.exploring.measurements import STATISTIC_KEY, Statistics, find_statistics, statistics_slot
from pages.frame.frame import run_page
from pages.planning.controls import draw_sparsity
from pages.planning.group_choice import pick_group, selected_group
from pages.planning.settings import read_settings, widget_key
from pages.session.job_box import job_slot, show_problem
from pages.session.link import follow, one_of, opened, write_address
from pages.session.session import Session
from pages.widgets.basics import PANELS_WIDTH, data_table, explain, figure, two_columns, wide
from pages.widgets.choices import choose_one
from pages.widgets.exports import draw_exports
from pages.widgets.formatting import percent

WHOLE_MODEL, EACH_MATRIX = "Whole model", "Each matrix"

EXPLANATION = (
    "Every cell is one weight matrix of one layer: **Q**, **K**, **V**, **O** of attention, the"
    " **in** and **out** matrices of the feed-forward network (FFN), and **all**: the whole units,"
    " heads or channels, with all that they own, biases included. Whole units are what is merged.",
    "  \n".join(f"**{STATISTIC_TITLES[name]}**: {text}" for name, text in STATISTICS.items()),
    "**Worked example.** A matrix of two channels, (3, 4) and (0, 5): mean 3, variance"
    " ((3-3)² + (4-3)² + (0-3)² + (5-3)²)/4 = 3.5; both norms are 5, so their spread is 0; the"
    " cosine between the two is 4·5/(5·5) = 0.8, which is also the mean over nearest neighbours."
    " The singular values squared are 45 and 5: the stable rank is 50/45 = 1.1, almost one"
    " direction.",
    "**Why variance?** The mixed sparsity of arXiv 2606.11836 lets groups whose parameters vary"
    " much keep more units: where weights spread little, units have less room to differ.",
)

ALLOCATION_EXPLANATION = (
    r"Within each kind, the groups are sorted by the variance of their whole units and cut into"
    r" thirds of equal parameter count. At sparsity $s$ the **high** third keeps"
    r" $\min(n,\,1.2\,(1-s)\,n)$ units, the **middle** third $(1-s)\,n$, and the **low** third pays"
    r" for what the high one keeps beyond $(1-s)\,n$, so that the parameters saved are those of the"
    r" uniform allocation, to within one unit. K is rounded to whole units within that budget."
    " A unit's biases are part of it: in a model whose biases are large, as those of a Whisper, the"
    " order is mostly theirs."
)


def draw(session: Session, model: SpeechModel) -> None:
    """Draw the page."""
    groups = model.groups
    title, corner = st.columns([2, 1], vertical_alignment="bottom")
    title.title("Variance")
    statistics = find_statistics(session, model)
    slot = statistics_slot(model)
    if statistics is None:
        st.markdown(
            "Here will be a map of every weight matrix of the model: how its numbers spread, how"
            " alike its units are. It is being measured and will be kept for the next time."
        )
        show_problem(session.jobs, slot, "Measure now")
        job_slot(session.jobs, slot)
        return
    _follow_link(model, groups)
    sentence = st.empty()  # above its control, which decides what it says
    with st.container(horizontal=True):
        name = _choose_statistic()
        span = choose_one(
            "Colours span",
            [WHOLE_MODEL, EACH_MATRIX],
            key="variance:span",
            help_text="Whole model: one scale for all. Each matrix: every column has its own scale,"
            " from its lowest to its highest layer, which shows how layers differ.",
        )
    sentence.markdown(f"**{STATISTIC_TITLES[name]}.** Where it is high, {HIGH_VALUES[name]}")
    cell = _selected_cell(model, groups)
    left, right = two_columns()
    with left:
        heatmap = statistic_heatmap(
            groups, statistics, name, per_matrix=span == EACH_MATRIX, selected=cell
        )
        key = f"cells:{model.weight_hash[:16]}"
        figure(
            heatmap,
            key=key,
            alt=f"{STATISTIC_TITLES[name]} of every matrix, a row per layer.",
            height=heatmap_height(groups),
            on_select=lambda: _choose_cell(model, key),
            selection_mode="points",
        )
        st.caption(
            f"**{STATISTIC_TITLES[name]}**: {STATISTICS[name]} A click on a cell shows its numbers."
        )
    with right:
        details = _cell(model, groups, statistics)
    lines = statistic_lines(groups, statistics, name)
    with wide(PANELS_WIDTH):
        figure(
            lines,
            key=f"lines:{model.weight_hash[:16]}",
            alt=f"{STATISTIC_TITLES[name]} of every matrix over the layers.",
            height=LINES_HEIGHT,
        )
    worth.draw(session, model, groups)
    heads = head_views.draw_table(session, model, read_settings(model))
    allocation = _allocation(model, groups, statistics)
    chosen, matrix = _selected_cell(model, groups)
    with corner, st.container(horizontal=True, horizontal_alignment="right"):
        write_address(model, {"statistic": name, "group": chosen, "matrix": matrix})
        draw_exports(
            "variance",
            {name: heatmap, f"{name}-by-layer": lines, **details, "allocation": allocation},
            {"statistics": _table_of(groups, statistics), **heads},
        )
    if st.button(
        "Next: merge what repeats itself", icon=":material/arrow_forward:", icon_position="right"
    ):
        st.switch_page("pages/compress.py")
    explain((*EXPLANATION, *worth.EXPLANATION, *head_views.EXPLANATION))


def _choose_statistic() -> str:
    """A list, since six buttons in a row are cut on a projector."""
    names = list(STATISTICS)
    if st.session_state.get(STATISTIC_KEY) not in names:
        st.session_state[STATISTIC_KEY] = names[0]
    return st.selectbox(
        "Statistic",
        names,
        index=names.index(st.session_state[STATISTIC_KEY]),
        format_func=STATISTIC_TITLES.__getitem__,
        key=STATISTIC_KEY,
        persist_state="session",
        width=220,
    )


def _follow_link(model: SpeechModel, groups: Sequence[UnitGroup]) -> None:
    ids = tuple(group.id for group in groups)
    linked = opened().get("group", "")
    component = "ffn" if linked.endswith(".ffn") else "heads"
    matrices = next((matrix_names(group) for group in groups if group.id == linked), ())
    follow(
        model,
        {
            "statistic": (STATISTIC_KEY, one_of(STATISTICS)),
            "group": (widget_key(model, "group"), one_of(ids)),
            "matrix": (widget_key(model, f"matrix:{component}"), one_of(matrices)),
        },
    )


def _matrix_key(model: SpeechModel, group: UnitGroup) -> str:
    """Heads and channels have matrices of different names, so each remembers its own."""
    return widget_key(model, f"matrix:{group.component}")


def _selected_cell(model: SpeechModel, groups: Sequence[UnitGroup]) -> MatrixKey:
    group = selected_group(model, groups)
    matrix = st.session_state.get(_matrix_key(model, group))
    return group.id, matrix if matrix in matrix_names(group) else UNITS


def _choose_cell(model: SpeechModel, key: str) -> None:
    """Callback of the heatmap: the cell that is clicked is looked at."""
    points = st.session_state[key]["selection"]["points"]
    if points:
        group_id, matrix = points[0]["customdata"][:2]
        st.session_state[widget_key(model, "group")] = group_id
        component = "ffn" if group_id.endswith(".ffn") else "heads"
        st.session_state[widget_key(model, f"matrix:{component}")] = matrix


def _cell(
    model: SpeechModel, groups: Sequence[UnitGroup], statistics: Statistics
) -> Mapping[str, go.Figure]:
    """The chosen matrix from near."""
    group = pick_group(
        model,
        groups,
        "Layer and kind",
        "The selected group, the same on all pages. A click on a cell selects it, too.",
    )
    matrix = choose_one(
        "Matrix",
        matrix_names(group),
        key=_matrix_key(model, group),
        default=UNITS,
        format_func=lambda name: matrix_label(group, name),
    )
    values = statistics[group.id, matrix]
    detail = _detail_of(model.weight_hash, str(model.dtype), group.id, matrix, model, group)
    distribution = weight_distribution(group, matrix, detail, values)
    norms = unit_norms(group, matrix, detail)
    title = f"{group.title}, {matrix_label(group, matrix)}"
    figure(
        distribution,
        key="distribution",
        alt=f"Distribution of the numbers of {title}, beside a normal distribution.",
        height=DISTRIBUTION_HEIGHT,
    )
    figure(norms, key="norms", alt=f"Norms of the units of {title}.", height=NORMS_HEIGHT)
    _pairs(group, detail)
    return {"distribution": distribution, "norms": norms}


@st.cache_data(show_spinner="Looking at the matrix", max_entries=256)
def _detail_of(
    weight_hash: str,
    dtype: str,
    group_id: str,
    matrix: str,
    _model: SpeechModel,
    _group: UnitGroup,
) -> MatrixDetail:
    """One matrix from near; hash, dtype and group id stand for model and group in the key."""
    return matrix_detail(_model, _group, matrix)


def _pairs(group: UnitGroup, detail: MatrixDetail) -> None:
    unit = "Channel" if group.component == "ffn" else "Head"
    rows = [
        {unit: p.first, f"and {unit.lower()}": p.second, "Cosine": round(p.cosine, 3) + 0.0}
        for p in detail.pairs
    ]
    if not rows:
        st.caption("One unit has no other to be like.")
        return
    st.markdown(
        f":small[**The most similar {unit.lower()}s** in this matrix, of {group.n_units:,}]"
    )
    data_table(
        pd.DataFrame(rows),
        height=213,
        column_config={"Cosine": st.column_config.NumberColumn(format="%.3f")},
        alt="The five most similar pairs of units in the chosen matrix.",
    )


def _allocation(
    model: SpeechModel, groups: Sequence[UnitGroup], statistics: Statistics
) -> go.Figure:
    """How the variance of whole units becomes K."""
    st.header("From variance to K")
    settings = read_settings(model)
    text, slider = st.columns([2, 1], gap="large", vertical_alignment="center")
    text.markdown(ALLOCATION_EXPLANATION)
    variances = {group.id: statistics[group.id, UNITS].variance for group in groups}
    with slider:
        draw_sparsity(model)
        n_clusters = allocate(
            groups, sparsity=settings.recipe.sparsity, strategy="variance", variances=variances
        )
        removed = achieved_sparsity(groups, n_clusters)
        st.markdown(
            f":small[{percent(removed)} of the units' parameters are removed. The slider"
            " is that of the Compress page.]"
        )
    chart = variance_allocation(groups, variances, n_clusters, settings.recipe.sparsity)
    with wide(PANELS_WIDTH):
        figure(
            chart,
            key="variance-allocation",
            alt="Groups sorted by variance, and the share of units that the allocation keeps.",
            height=ALLOCATION_HEIGHT,
        )
    return chart


def _table_of(groups: Sequence[UnitGroup], statistics: Statistics) -> pd.DataFrame:
    """All statistics of all matrices, for the CSV file."""
    return pd.DataFrame(
        {
            "group": group.id,
            "stack": group.stack,
            "layer": group.layer,
            "block": group.block,
            "matrix": matrix,
            **{name: getattr(statistics[group.id, matrix], name) for name in STATISTICS},
        }
        for group in groups
        for matrix in matrix_names(group)
    )


run_page(draw)
