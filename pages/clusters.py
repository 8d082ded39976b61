"""Clusters: which units of a layer are alike, which fall together at a K, and what that costs."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from analysis.clustering.cluster_views import (
    draw_tree,
    head_similarities,
)
from analysis.clustering.curves import KNEE_DEFINITION, knee
from analysis.clustering.merge_tree import MergeTree
from analysis.compression.effort import listening_seconds
from analysis.figures.clusters import (
    CURVE_HEIGHT,
    MATRIX_HEIGHT,
    SIZES_HEIGHT,
    cluster_sizes,
    cut_curve,
    merge_dendrogram,
    similarity_matrices,
)
from analysis.figures.maps import MAP_HEIGHT
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from pages.exploring import all_heads, chosen_units, head_views, preview, unit_sounds
from pages.exploring.cluster_map import (
    COLOR,
    MAP_WIDTH,
    above_map,
    draw_unit_map,
    link_to_map,
    map_controls,
    map_note,
    map_readers,
)
from pages.exploring.cluster_selection import (
    ALL_HEADS,
    EVERY_K,
    ONE_GROUP,
    VIEW_KEY,
    choose_cluster,
    choose_group,
    choose_k,
    choose_side,
    chosen_units_of,
    follow_link,
    is_heard_at_once,
    k_key,
    link_to_units,
)
from pages.exploring.measurements import find_bare_trees, known_trees, tree_slot
from pages.frame.frame import run_page
from pages.planning.locks import set_k
from pages.planning.settings import Settings, choose_n_clusters, read_settings
from pages.session.job_box import job_slot, show_problem
from pages.session.link import write_address
from pages.session.parts import run_part
from pages.session.session import Session
from pages.session.shelves import footprint_of, tree_key, tree_shelf, variances_of
from pages.widgets.basics import explain, figure, introduce, two_columns
from pages.widgets.choices import choose_one
from pages.widgets.exports import draw_exports
from pages.widgets.presented import scaled

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
    settings, groups = read_settings(model), model.groups
    st.title("Clusters")
    introduce(
        "Units of a layer that are alike can share the work of one: see which, at every K, and what"
        " it costs."
    )
    follow_link(model, groups, map_readers(*COLOR) | map_readers(*all_heads.COLOR))
    row = st.container(horizontal=True, vertical_alignment="bottom")
    with row:
        view = choose_one("Look at", [ONE_GROUP, ALL_HEADS], key=VIEW_KEY)
    if view == ALL_HEADS:
        run_part(lambda: all_heads.draw(session, model, settings))
    else:
        _one_group(session, model, choose_group(model, groups, row), settings)
    if st.button(
        "Next: merge it and see the size", icon=":material/arrow_forward:", icon_position="right"
    ):
        st.switch_page("pages/compress.py")
    explain((*EXPLANATION, *unit_sounds.EXPLANATION, *head_views.EXPLANATION))


def _one_group(
    session: Session,
    model: SpeechModel,
    group: UnitGroup,
    settings: Settings,
) -> None:
    """A group by the recipe's trees; by weights while these are being built."""
    awaited = tree_slot(settings.trees.bare)
    foreseen = 0.0
    if known_trees(model, settings.trees) is None:
        merging = settings.recipe.changed(method="cluster", allocation="distortion", swaps=False)
        foreseen = listening_seconds(model, footprint_of(model), merging, settings.heard)
    own = find_bare_trees(session, model, settings.trees, foreseen=foreseen)
    trees, looked = own, settings
    if own is None:
        trees = preview.find_preview(session, model, settings, awaited)
        looked = preview.by_weights(settings)
    preview.draw_sources(
        model, settings, ready=own is not None, preview=trees is not None, foreseen=foreseen
    )
    show_problem(session.jobs, awaited, "Build them now")
    if trees is None:
        st.markdown("The map and the curve appear when the merge trees are built.")
        job_slot(session.jobs, awaited)
        return
    tree = trees[group.id]
    bend = knee(tree)
    row = st.container(horizontal=True, vertical_alignment="bottom")
    with row:
        k = choose_k(model, group, bend)
        _plan_buttons(session, model, group, k, bend, settings)
    preview.tell_change(model, settings, ready=own is not None, k=k)
    merges = None
    if group.n_units > 1:
        merges = merge_dendrogram(group, draw_tree(tree, k), k)
    run_part(lambda: _at_k(session, model, group, tree, k, bend, looked, awaited, merges))
    if merges is not None:
        alt = f"Merge tree of {group.title}, cut at K = {k}."
        figure(merges, key="dendrogram", alt=alt, height=MATRIX_HEIGHT)
    if own is not None and is_heard_at_once(model):
        unit_sounds.listen_ahead(session, model, group, settings)


def _at_k(
    session: Session,
    model: SpeechModel,
    group: UnitGroup,
    tree: MergeTree,
    k: int,
    bend: int,
    settings: Settings,
    awaited: str,
    merges: go.Figure | None,
) -> None:
    """A group cut at a K: the map; beside it every K, or what is chosen."""
    labels = tree.labels(k)
    norms = np.sqrt(tree.norms)
    controls, corner = above_map()
    with controls:
        color_by, projection = map_controls(session, model, [group], settings.trees, COLOR)
    left, right = two_columns(MAP_WIDTH)
    with left:
        map_note(
            session,
            f"All {group.n_units:,} units are drawn. Click on one to hear and see its cluster;"
            " choose several with the box or the lasso above the map.",
            awaited,
        )
        map_place = st.container(height=scaled(MAP_HEIGHT), border=False)
    figures = {} if merges is None else {"merge-tree": merges}
    tables = {
        "clusters": pd.DataFrame({"unit": np.arange(len(labels)), "cluster": labels, "norm": norms})
    }
    with right:
        sides = [EVERY_K, *chosen_units.sides_of(group)]
        chosen = chosen_units_of(model, group, labels)
        side = choose_side(model, sides, chosen=chosen.size > 0)
        chosen_units.leave_others(session, side)
        link = {"view": "group", "group": group.id, "k": str(k)}
        write_address(model, link | link_to_units(model, group) | link_to_map(*COLOR))
        if side == EVERY_K:
            figures |= _every_k(model, group, tree, labels, bend, settings)
        elif (chosen := choose_cluster(model, group, labels)).size:
            more, beside = chosen_units.draw(
                session, model, group, tree.norms, labels, chosen, settings, side
            )
            figures |= more
            tables |= beside
    if projection is not None:  # last: what a click asked for comes first
        with map_place:
            figures["map"] = draw_unit_map(
                model,
                group,
                tree,
                labels=labels,
                norms=norms,
                projection=projection,
                color_by=color_by,
            )
    with corner:
        draw_exports("clusters", figures, tables)


def _plan_buttons(
    session: Session,
    model: SpeechModel,
    group: UnitGroup,
    k: int,
    bend: int,
    settings: Settings,
) -> None:
    plan = _plan(session, model, settings)

    def take_over() -> None:
        session.n_clusters[model.weight_hash] = dict(plan)
        set_k(session, model, {group.id: k})
        st.toast(
            f"K = {k:,} is in the plan for {group.title}, and locked.", icon=":material/check:"
        )

    def to_knee() -> None:
        st.session_state[k_key(model, group)] = bend

    st.button("To the knee", icon=":material/turn_right:", on_click=to_knee, disabled=k == bend)
    st.button(
        "Use this K",
        icon=":material/check:",
        on_click=take_over,
        disabled=plan[group.id] == k,
        help="Takes K into the plan: sets and locks it on the Compress page; the other groups"
        " then meet the budget in its stead.",
    )


def _plan(session: Session, model: SpeechModel, settings: Settings) -> Mapping[str, int]:
    """K of every group as the Compress page has it, or has it first when it is opened."""
    by_variance = settings.recipe.allocation.startswith("var")
    return choose_n_clusters(
        model.groups_for(settings.recipe.components),
        settings,
        tree_shelf().find(tree_key(model, settings.trees)),
        variances_of(model) if by_variance else None,
        session.n_clusters.get(model.weight_hash),
    )


def _every_k(
    model: SpeechModel,
    group: UnitGroup,
    tree: MergeTree,
    labels: np.ndarray,
    bend: int,
    settings: Settings,
) -> dict[str, go.Figure]:
    """What each K costs, how large the clusters are at this one, how alike heads are."""
    curve = cut_curve(group, tree, labels.max() + 1, bend)
    sizes = cluster_sizes(group, labels)
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
    figures = {"error-versus-k": curve, "cluster-sizes": sizes}
    if group.component == "heads" and group.n_units > 1:
        pair = head_similarities(model, group, settings.trees.space)
        matrices = similarity_matrices(pair, range(group.n_units), "head")
        figure(
            matrices,
            key="head-matrices",
            alt=f"Similarity of the heads of {group.title}, raw and after Procrustes alignment.",
            height=MATRIX_HEIGHT,
        )
        figures["head-similarity"] = matrices
    return figures


run_page(draw)
