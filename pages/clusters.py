"""Clusters: which units of a layer are alike, which fall together at a K, and what that costs."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from analysis.clustering.cluster_views import (
    draw_tree,
    head_similarities,
)
from analysis.clustering.curves import KNEE_DEFINITION, knee
from analysis.clustering.merge_tree import MergeTree
from analysis.clustering.projection import place_table
from analysis.clustering.unit_space import UnitSpace
from analysis.compression.tree_choice import TreeChoice
from analysis.figures.attention import MEASURE_UNITS, colored_heads
from analysis.figures.clusters import (
    CURVE_HEIGHT,
    MATRIX_HEIGHT,
    SIZES_HEIGHT,
    cluster_sizes,
    cut_curve,
    merge_dendrogram,
    similarity_matrices,
)
from analysis.figures.maps import MAP_HEIGHT, head_map
from analysis.inspection.attention import MEASURES
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from pages.exploring import chosen_units, head_views, unit_sounds
from pages.exploring.cluster_map import (
    BY_CLUSTER,
    BY_MERGE,
    BY_NORM,
    BY_SIZE,
    draw_map,
    draw_unit_map,
    map_controls,
    map_note,
)
from pages.exploring.cluster_selection import (
    ALL_HEADS,
    ATTENTION,
    ONE_GROUP,
    SIDE_KEY,
    VIEW_KEY,
    anchor_key,
    choose_cluster,
    choose_group,
    follow_link,
    k_key,
    link_to_units,
    units_key,
)
from pages.exploring.measurements import find_trees, tree_slot
from pages.frame.frame import run_page, run_part
from pages.planning.locks import set_k
from pages.planning.settings import Settings, choose_n_clusters, read_settings, widget_key
from pages.session.job_box import job_slot, show_problem
from pages.session.link import write_address
from pages.session.session import Session
from pages.session.shelves import (
    variances_of,
)
from pages.widgets.basics import explain, figure, two_columns
from pages.widgets.choices import choose_one
from pages.widgets.exports import draw_exports
from pages.widgets.presented import scaled

BY_LAYER, BY_KIND = "Layer", "Kind"
BY_MEASURE = {name.capitalize(): name for name in MEASURES}

COLOR_KEY = "clusters:color"
HEAD_COLOR_KEY = "clusters:head-color"

EXPLANATION = (
    "Every point is one **unit** of the chosen group, an FFN channel or an attention head, given by"
    " all its numbers: what it reads with and what it writes with. **PCA** shows the two directions"
    " in which the units differ most, at once and exactly; **UMAP** arranges them so that"
    " neighbours stay neighbours, and its distances across the map mean little. An axis on which"
    " few strong units would leave all others in one spot is stretched: arsinh(x) is straight"
    " around the median unit and goes as a logarithm far from it.",
    r"**Ward's tree** starts with every unit by itself and keeps making the merge that adds least"
    r" to the inertia $\sum_C \sum_{i \in C} \lVert u_i - \bar u_C \rVert^2$: joining $A$ and $B$"
    r" adds $\frac{|A|\,|B|}{|A|+|B|}\lVert \bar u_A - \bar u_B \rVert^2$. Cut after $n-K$ merges,"
    " it leaves K clusters; so one tree answers for every K, and the clusters are nested.",
    "**Worked example.** Units at 0, 2 and 10 on a line: joining 0 and 2 adds ½·2² = 2; their mean"
    " is 1, and joining that with 10 adds ⅔·9² = 54. The error at K = 2 is 2/104 = 1.9 % of the"
    " squared norm 0 + 4 + 100, at K = 1 it is 56/104 = 54 %.",
    f"**Knee**: {KNEE_DEFINITION} Beyond it, to its left, each further merge costs clearly more.",
    "**Aligned heads.** A head computes the same when its queries and keys are rotated together,"
    " and so when its values and output are. Two heads can do the same and look different; the"
    " Procrustes alignment finds the rotation that brings them closest before they are compared.",
)


def draw(session: Session, model: SpeechModel) -> None:
    """Draw the page."""
    settings = read_settings(model)
    groups = model.groups
    title, corner = st.columns([2, 1], vertical_alignment="bottom")
    title.title("Clusters")
    st.markdown(
        "Units of a layer that are alike can share the work of one: see which, at every K, and what"
        " it costs."
    )
    trees = find_trees(session, model, settings.trees)
    slot = tree_slot(settings.trees)
    if trees is None:
        st.markdown("The map and the curve appear when the merge trees are built.")
        show_problem(session.jobs, slot, "Build them now")
        job_slot(session.jobs, slot)
        return
    follow_link(model, groups)
    row = st.container(horizontal=True, vertical_alignment="bottom")
    with row:
        view = choose_one("Look at", [ONE_GROUP, ALL_HEADS], key=VIEW_KEY)
    if view == ALL_HEADS:
        figures, tables = _all_heads(session, model, groups, settings)
        _corner(corner, model, {"view": "heads"}, figures, tables)
    else:
        plan = _plan(session, model, trees, settings)
        group, k = choose_group(model, groups, trees, row)
        _one_group(
            session, model, group, trees[group.id], k, settings=settings, plan=plan, corner=corner
        )
    if st.button(
        "Next: merge it and see the size", icon=":material/arrow_forward:", icon_position="right"
    ):
        st.switch_page("pages/compress.py")
    explain((*EXPLANATION, *unit_sounds.EXPLANATION, *head_views.EXPLANATION))


def _corner(
    corner: DeltaGenerator,
    model: SpeechModel,
    link: Mapping[str, str],
    figures: Mapping[str, go.Figure],
    tables: Mapping[str, pd.DataFrame],
) -> None:
    """The address of what is on show, and its exports."""
    with corner, st.container(horizontal=True, horizontal_alignment="right"):
        write_address(model, link)
        draw_exports("clusters", figures, tables)


def _plan(
    session: Session,
    model: SpeechModel,
    trees: Mapping[str, MergeTree],
    settings: Settings,
) -> Mapping[str, int]:
    """K of every group as the Compress page has it, or will have it when it is opened."""
    by_variance = settings.recipe.allocation.startswith("var")
    variances = variances_of(model) if by_variance else None
    last = session.n_clusters.get(model.weight_hash)
    groups = model.groups_for(settings.recipe.components)
    return choose_n_clusters(groups, settings, trees, variances, last)


def _one_group(
    session: Session,
    model: SpeechModel,
    group: UnitGroup,
    tree: MergeTree,
    k: int,
    *,
    settings: Settings,
    plan: Mapping[str, int],
    corner: DeltaGenerator,
) -> None:
    """Map, curve and sizes; what is chosen; the tree, for heads also the matrices."""
    labels = tree.labels(k)
    anchor = st.session_state.pop(anchor_key(model, group), None)
    if anchor is not None:
        members = np.flatnonzero(labels == labels[anchor])
        st.session_state[units_key(model, group)] = tuple(int(unit) for unit in members)
    norms = np.sqrt(tree.norms)
    bend = knee(tree)
    curve = cut_curve(group, tree, k, bend)
    sizes = cluster_sizes(group, labels)
    figures = {"error-versus-k": curve, "cluster-sizes": sizes}
    options = [BY_CLUSTER, BY_SIZE, BY_NORM, BY_MERGE]
    color_by, projection = map_controls(session, model, [group], settings.trees, options, COLOR_KEY)
    left, right = two_columns()
    with left:
        map_note(
            session,
            f"All {group.n_units:,} units are drawn. Click on one to choose its cluster, which is"
            " shown below; choose several with the box or the lasso above the map.",
        )
        map_place = st.container(height=scaled(MAP_HEIGHT), border=False)
    with right:
        _plan_buttons(session, model, group, k, bend, plan)
        figure(
            curve,
            key="cut-curve",
            alt=f"Merge error of {group.title} at every K, with K and the knee marked.",
            height=CURVE_HEIGHT,
        )
        figure(
            sizes,
            key="cluster-sizes",
            alt=f"How many clusters of {group.title} have how many members.",
            height=SIZES_HEIGHT,
        )
    chosen_place = st.container()
    if group.n_units > 1:
        figures |= _merges(model, group, tree, k, settings)
    table = pd.DataFrame({"unit": np.arange(len(labels)), "cluster": labels, "norm": norms})

    def draw_chosen() -> None:
        own, tables = dict(figures), {"clusters": table}
        if projection is not None:
            with map_place:
                own["map"] = draw_unit_map(
                    model,
                    group,
                    tree,
                    labels=labels,
                    norms=norms,
                    projection=projection,
                    color_by=color_by,
                )
        chosen = choose_cluster(model, group, labels)
        if chosen.size:
            more, beside = chosen_units.draw(session, model, group, tree, labels, chosen, settings)
            own |= more
            tables |= beside
        link = {"view": "group", "group": group.id, "k": str(k)}
        _corner(corner, model, link | link_to_units(model, group, labels), own, tables)

    with chosen_place:
        run_part(draw_chosen)


def _plan_buttons(
    session: Session,
    model: SpeechModel,
    group: UnitGroup,
    k: int,
    bend: int,
    plan: Mapping[str, int],
) -> None:
    def take_over() -> None:
        session.n_clusters[model.weight_hash] = dict(plan)
        set_k(session, model, {group.id: k})
        st.toast(
            f"K = {k:,} is in the plan for {group.title}, and locked.", icon=":material/check:"
        )

    def to_knee() -> None:
        st.session_state[k_key(model, group)] = bend

    with st.container(horizontal=True):
        st.button("To the knee", icon=":material/turn_right:", on_click=to_knee)
        st.button(
            f"Use K = {k:,}",
            icon=":material/check:",
            on_click=take_over,
            disabled=plan[group.id] == k,
            help="Takes K into the plan: sets and locks it on the Compress page; the other groups"
            " then meet the budget in its stead.",
        )


def _merges(
    model: SpeechModel, group: UnitGroup, tree: MergeTree, k: int, settings: Settings
) -> dict[str, go.Figure]:
    """The order in which units merge, of channels the last merges; how alike the heads are."""
    tree_chart = merge_dendrogram(group, draw_tree(tree, k), k)
    alt = f"Merge tree of {group.title}, cut at K = {k}."
    if group.component != "heads":
        figure(tree_chart, key="dendrogram", alt=alt, height=MATRIX_HEIGHT)
        return {"merge-tree": tree_chart}
    choice = settings.trees
    pair = head_similarities(model, group, choice.space)
    matrices = similarity_matrices(pair, range(group.n_units), "head")
    left, right = two_columns()
    with left:
        figure(
            matrices,
            key="head-matrices",
            alt=f"Similarity of the heads of {group.title}, raw and after Procrustes alignment.",
            height=MATRIX_HEIGHT,
        )
    with right:
        figure(tree_chart, key="dendrogram", alt=alt, height=MATRIX_HEIGHT)
    return {"head-similarity": matrices, "merge-tree": tree_chart}


def _all_heads(
    session: Session, model: SpeechModel, groups: Sequence[UnitGroup], settings: Settings
) -> tuple[dict[str, go.Figure], dict[str, pd.DataFrame]]:
    """Every head of the model in one map; figures and tables to export."""
    heads = [group for group in groups if group.component == "heads"]
    if len({group.unit_dim for group in heads}) > 1:
        stacks = sorted({group.stack for group in heads}, reverse=True)
        stack = choose_one("Stack (their heads differ in size)", stacks, key="clusters:stack")
        heads = [group for group in heads if group.stack == stack]
    choice = settings.trees
    if choice.space.listens:  # heads of different layers hear different signals
        choice = TreeChoice(UnitSpace("weights", align_heads=False))
        st.caption("All heads of the model are compared by their weights here.")
    color_by, projection = map_controls(
        session, model, heads, choice, [BY_LAYER, BY_KIND, *BY_MEASURE], HEAD_COLOR_KEY
    )
    values = None
    measure = BY_MEASURE.get(color_by, "")
    if measure:
        measured = head_views.find_measures(session, model, settings)
        if measured is None:
            head_views.wait_for_measures(session)
        else:
            values = colored_heads([group.id for group in heads], measured, measure)
    map_note(session, "Click on a head to see where it looks.")
    if projection is None:
        st.container(height=scaled(MAP_HEIGHT), border=False)
        return {}, {}
    chart = head_map(
        heads,
        projection,
        by_layer=color_by == BY_LAYER,
        values=values,
        value_title=MEASURE_UNITS.get(measure, ""),
    )
    key = f"head-map:{model.weight_hash[:16]}"

    def choose() -> None:
        points = st.session_state[key]["selection"]["points"]
        if points:
            group_id, head = points[0]["customdata"][:2]
            group = next(g for g in heads if g.id == group_id)
            st.session_state[widget_key(model, "group")] = group_id
            st.session_state[units_key(model, group)] = (int(head),)
            st.session_state[VIEW_KEY] = ONE_GROUP
            st.session_state[SIDE_KEY] = ATTENTION

    draw_map(chart, key=key, alt="All heads of the model as points.", on_select=choose)
    table = place_table(heads, projection)
    if values is not None:
        table[measure] = values
    return {"all-heads": chart}, {"all-heads": table}


run_page(draw)
