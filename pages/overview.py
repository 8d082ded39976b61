"""Overview: what the loaded model is made of, what of it can be merged, where it came from."""

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from analysis.clustering.curves import REDUNDANCY_DEFINITION, redundancy
from analysis.clustering.merge_tree import MergeTree
from analysis.figures.treemap import TREEMAP_HEIGHT, parameter_treemap
from analysis.models.anatomy import Part, parameter_parts
from analysis.models.footprint import Footprint
from analysis.models.speech_model import SpeechModel, dtype_name
from analysis.models.statistics import STATISTICS, UNITS
from analysis.models.unit_groups import BLOCK_TITLES, UnitGroup
from pages.exploring.measurements import (
    Statistics,
    find_bare_trees,
    find_statistics,
    known_trees,
    statistics_slot,
    tree_slot,
)
from pages.frame import tour
from pages.frame.frame import run_page
from pages.frame.sidebar import DEVICE_NAMES
from pages.planning.group_choice import select_group, selected_group
from pages.planning.settings import Settings, read_settings, widget_key
from pages.session import kept
from pages.session.job_box import job_slot, show_problem
from pages.session.link import follow, one_of, write_address
from pages.session.session import Session
from pages.session.shelves import footprint_of
from pages.variants import difference, lineage_panel
from pages.widgets.basics import data_table, explain, figure, theme
from pages.widgets.choices import choose_one
from pages.widgets.exports import draw_exports
from pages.widgets.formatting import count, escape_markdown, percent, size

TABLE_HEIGHT = 430

AUTO_PARAMETERS = 150_000_000
"""Models with more parameters in units are measured when somebody asks: it takes minutes."""

BY_KIND, BY_REDUNDANCY, BY_VARIANCE = "Kind", "Redundancy", "Variance"
COLORS = (BY_KIND, BY_REDUNDANCY, BY_VARIANCE)
COLOR_KEY = "overview:color"

EXPLANATION = (
    "Every area is as large as its share of the model's **unique parameters** (a matrix that is"
    " used twice, as Whisper's token embedding, counts once). **Units** are what can be merged:"
    " an attention head owns its rows of the query, key and value matrices and its columns of the"
    " output matrix; an FFN channel owns one row of the first matrix and one column of the second."
    " All units of a layer and a kind form a **group**. Embeddings, convolutions, positions and"
    " layer norms are never touched, nor are the output biases, which belong to no unit.",
    r"**Unit dimension** of a channel: $2d + 1$ numbers (row, column, one bias), where $d$ is the"
    r" hidden size; of a head: $4\,d\,d_h$ and its biases, with $d_h$ numbers per query.",
    r"**Redundancy** $= 1 - \mathrm{inertia}(\lceil n/2 \rceil)\,/\,\sum_i \lVert u_i \rVert^2$,"
    " where inertia(K) is the sum of squared distances of all units to the mean of their cluster"
    " when the merge tree is cut at K clusters: " + REDUNDANCY_DEFINITION.split(": ", 1)[1],
    "**Worked example.** Four channels (1, 0), (1, 0), (0, 2), (0, 2) have the squared norm"
    " 1 + 1 + 4 + 4 = 10. Two clusters hold them without any distance: inertia 0, redundancy"
    " 100 %. With (0, 1) in place of the last one, the second cluster's mean is (0, 1.5), the"
    " inertia 0.25 + 0.25 = 0.5 of 7, the redundancy 93 %.",
)


def draw(session: Session, model: SpeechModel) -> None:
    """Draw the page."""
    settings = read_settings(model)
    groups = model.groups
    follow(
        model,
        {
            "group": (widget_key(model, "group"), one_of(tuple(group.id for group in groups))),
            "color": (COLOR_KEY, one_of(COLORS)),
        },
    )
    base = footprint_of(model)
    statistics, trees = _measurements(session, model, settings, base.mergeable_parameters)
    redundancies = {name: redundancy(tree) for name, tree in trees.items()} if trees else None
    variances = (
        {group.id: statistics[group.id, UNITS].variance for group in groups} if statistics else None
    )
    parts = _parts_of(model.weight_hash, model)

    st.title("Overview")
    share = base.mergeable_parameters / base.parameters
    st.markdown(
        f"**{escape_markdown(model.name)}** is a {model.architecture.title} of"
        f" **{count(base.parameters)} parameters**; **{percent(share, 0)}** of them belong to the"
        f" {sum(g.n_units for g in groups if g.component == 'ffn'):,} FFN channels and"
        f" {sum(g.n_units for g in groups if g.component == 'heads'):,} attention heads that can"
        " be merged."
    )
    _story(model)
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        color_by = choose_one(
            "Colour what can be merged by",
            COLORS,
            key=COLOR_KEY,
            help_text=f"Redundancy: {REDUNDANCY_DEFINITION}  \nVariance: {STATISTICS['variance']}",
        )
    chosen = selected_group(model, groups)
    treemap = _treemap(parts, color_by, redundancies, variances, chosen.id)
    table = _table_of(groups, base.parameters, redundancies, variances)
    with right, st.container(horizontal=True, horizontal_alignment="right"):
        write_address(model, {"group": chosen.id, "color": color_by})
        draw_exports("overview", {"parameters": treemap}, {"unit-groups": table})
    key = f"parts:{model.weight_hash[:16]}"

    def clicked() -> None:
        points = st.session_state[key]["selection"]["points"]
        if points and points[0]["customdata"][0]:
            select_group(model, points[0]["customdata"][0])

    figure(
        treemap,
        key=key,
        alt=f"Parameters of {model.name} as areas; {percent(share, 0)} can be merged.",
        height=TREEMAP_HEIGHT,
        on_select=clicked,
        selection_mode="points",
    )
    _selected(chosen, base.parameters)
    _progress(session, model, settings, statistics, trees)
    _table(model, groups, table)
    left, right = st.columns(2, gap="large")
    with left:
        _origin(model, base)
    with right:
        _configuration(model)
    lineage_panel.draw(model)
    difference.draw(session, model)
    kept.draw()
    if st.button(
        "Next: see which layers repeat themselves",
        icon=":material/arrow_forward:",
        icon_position="right",
    ):
        st.switch_page("pages/variance.py")
    explain(EXPLANATION)


def _selected(group: UnitGroup, n_parameters: int) -> None:
    """The group that a click has chosen, and the way to look at it from near."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            f"Selected: **{group.title}**, {group.n_units:,} units,"
            f" {percent(group.n_parameters / n_parameters)} of the parameters",
            width="content",
        )
        if st.button("Open in Clusters", icon=":material/bubble_chart:", key="open-clusters"):
            st.switch_page("pages/clusters.py")


def _measurements(
    session: Session, model: SpeechModel, settings: Settings, n_parameters: int
) -> tuple[Statistics | None, Mapping[str, MergeTree] | None]:
    """What is known by now; a model that takes minutes is only measured when asked for."""
    asked = st.session_state.get(widget_key(model, "measure"), False)
    if n_parameters <= AUTO_PARAMETERS or asked:
        find_statistics(session, model)
        trees = find_bare_trees(session, model, settings.trees)
        # asked again: starting the one may have collected the other, and nothing would tell
        return find_statistics(session, model), trees
    return None, known_trees(model, settings.trees)


def _progress(
    session: Session,
    model: SpeechModel,
    settings: Settings,
    statistics: Statistics | None,
    trees: Mapping[str, MergeTree] | None,
) -> None:
    """The bars of what is being computed, or the button that starts it."""
    slots = [statistics_slot(model), tree_slot(settings.trees.bare)]
    for slot in slots:
        show_problem(session.jobs, slot, "Start again")
    running = [slot for slot in slots if session.jobs.running(slot) is not None]
    if running:
        for column, slot in zip(st.columns(len(running)), running, strict=True):
            with column:
                job_slot(session.jobs, slot)
    elif not (statistics and trees) and not any(slot in session.jobs.problems for slot in slots):

        def measure() -> None:
            st.session_state[widget_key(model, "measure")] = True

        st.button(
            "Measure variance and redundancy of every group",
            icon=":material/straighten:",
            on_click=measure,
            help="Takes minutes for a model of this size, in the background, and is kept on disk.",
        )


def _story(model: SpeechModel) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown("**Start here:**", width="content")
        for page, label, icon in (
            ("pages/variance.py", "see which layers repeat themselves", "table_chart_view"),
            ("pages/compress.py", "merge them", "compress"),
            ("pages/transcribe.py", "listen", "graphic_eq"),
        ):
            if page != "pages/variance.py":
                st.markdown("→", width="content")
            st.page_link(page, label=label, icon=f":material/{icon}:")
        tour.draw_start(model)


@st.cache_data(show_spinner="Counting parameters", max_entries=64)
def _parts_of(weight_hash: str, _model: SpeechModel) -> tuple[Part, ...]:
    """Parts of a model; the hash stands for the model in the key."""
    return parameter_parts(_model)


def _treemap(
    parts: Sequence[Part],
    color_by: str,
    redundancies: Mapping[str, float] | None,
    variances: Mapping[str, float] | None,
    selected: str,
) -> go.Figure:
    if color_by == BY_REDUNDANCY and redundancies:
        values = (redundancies, "redundancy", ".1%")
        return parameter_treemap(parts, *values, theme(), selected=selected)
    if color_by == BY_VARIANCE and variances:
        return parameter_treemap(parts, variances, "variance", ".3g", theme(), selected=selected)
    return parameter_treemap(parts, theme=theme(), selected=selected)


def _table_of(
    groups: Sequence[UnitGroup],
    n_parameters: int,
    redundancies: Mapping[str, float] | None,
    variances: Mapping[str, float] | None,
) -> pd.DataFrame:
    """One row per group, in the order in which a signal passes them."""
    rows = [
        {
            "Group": f"{group.stack.capitalize()} {BLOCK_TITLES[group.block]}",
            "Layer": group.layer,
            "Units n": group.n_units,
            "Unit dimension": group.unit_dim,
            "Parameters": group.n_parameters,
            "Share (%)": 100 * group.n_parameters / n_parameters,
            "Variance": variances[group.id] if variances else None,
            "Redundancy (%)": 100 * redundancies[group.id] if redundancies else None,
        }
        for group in groups
    ]
    return pd.DataFrame(rows).astype({"Variance": float, "Redundancy (%)": float})


def _table(model: SpeechModel, groups: Sequence[UnitGroup], table: pd.DataFrame) -> None:
    st.header("Unit groups")
    key = f"groups:{model.weight_hash[:16]}"

    def choose() -> None:
        rows = st.session_state[key]["selection"]["rows"]
        if rows:
            select_group(model, groups[rows[0]].id)

    numbers = st.column_config.NumberColumn
    data_table(
        table,
        key=key,
        height=TABLE_HEIGHT,
        on_select=choose,
        selection_mode="single-row",
        column_config={
            "Group": st.column_config.TextColumn(width=190),
            "Layer": numbers(width=55, help="Counted from the input, from 0."),
            "Units n": numbers(format="localized", width=65, help="Heads or channels."),
            "Unit dimension": numbers(
                format="localized", width=115, help="Numbers that one unit owns, with biases."
            ),
            "Parameters": numbers(format="localized", width=90),
            "Share (%)": numbers(format="%.2f", width=75, help="Of the model's parameters."),
            "Variance": numbers(format="%.2e", width=80, help=STATISTICS["variance"]),
            "Redundancy (%)": numbers(format="%.1f", width=120, help=REDUNDANCY_DEFINITION),
        },
        alt="All unit groups of the model with size, variance and redundancy.",
    )
    st.caption("A row, or an area, that is chosen here is the selected group on all pages.")


def _origin(model: SpeechModel, cost: Footprint) -> None:
    """Where the weights came from, so that a figure can be traced back to them."""
    st.header("Where it came from")
    facts = {
        "Source": model.source,
        "Revision": model.revision or "–",
        "In a file": f"{dtype_name(model.saved_dtype)}, {size(cost.saved_bytes)}",
        "In memory": f"{dtype_name(model.dtype)}, {size(cost.bytes)}",
        "Device": DEVICE_NAMES.get(model.device.type, model.device.type),
        "SHA-256": model.weight_hash,
    }
    with st.container(border=True, gap="xxsmall"):
        for name, fact in facts.items():
            shown = f"{fact[:16]}…" if name == "SHA-256" else fact
            st.markdown(
                f":small[:gray[{name}]]  {escape_markdown(shown)}",
                help=escape_markdown(fact) if shown != fact else None,
            )
    for note in model.notes:
        st.caption(f":material/info: {escape_markdown(note)}")


def _configuration(model: SpeechModel) -> None:
    """What shapes the model; the rest on demand."""
    st.header("Configuration")
    config = model.config.to_dict()
    wanted = {
        "Hidden size": ("d_model", "hidden_size"),
        "Encoder layers": ("encoder_layers", "num_hidden_layers"),
        "Decoder layers": ("decoder_layers",),
        "Vocabulary": ("vocab_size",),
        "Activation": ("activation_function", "hidden_act"),
        "Mel bands": ("num_mel_bins",),
    }
    with st.container(border=True, gap="xxsmall"):
        for name, keys in wanted.items():
            value = next((config[key] for key in keys if config.get(key) is not None), None)
            if value is not None:
                text = f"{value:,}" if isinstance(value, int) else str(value)
                st.markdown(f":small[:gray[{name}]]  {escape_markdown(text)}")
        with st.popover("Whole configuration", icon=":material/data_object:", width="stretch"):
            st.json(config, expanded=1)


run_page(draw)
