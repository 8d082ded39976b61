"""Clusters: which units of a layer are alike, which fall together at a K, and what that costs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from analysis.checkpoints import SpeechModel
from analysis.cluster_figures import (
    CURVE_HEIGHT,
    MAP_HEIGHT,
    MATRIX_HEIGHT,
    SIZES_HEIGHT,
    cluster_sizes,
    cut_curve,
    head_map,
    merge_dendrogram,
    similarity_matrices,
    unit_map,
)
from analysis.cluster_views import (
    MAX_SHOWN,
    ClusterView,
    draw_tree,
    head_similarities,
    view_cluster,
)
from analysis.clustering import MergeTree
from analysis.curves import KNEE_DEFINITION, first_merge_errors, knee
from analysis.projection import METRICS, MIN_UNITS, Projection, UmapSettings
from analysis.units import UnitGroup
from pages.common.choices import choose_one
from pages.common.controls import (
    MANUAL,
    Settings,
    choose_n_clusters,
    read_settings,
    widget_key,
    write_setting,
)
from pages.common.exports import draw_exports
from pages.common.formatting import percent
from pages.common.frame import run_page
from pages.common.group_editor import selected_group
from pages.common.link import follow, one_of, publish
from pages.common.maps import find_map
from pages.common.measurements import find_trees, tree_slot
from pages.common.models import groups_of, variances_of
from pages.common.session import Session, current
from pages.common.widgets import explain, figure, job_slot, show_problem

ONE_GROUP, ALL_HEADS = "One group", "All heads of the model"
PCA, UMAP = "PCA", "UMAP"
BY_CLUSTER, BY_SIZE, BY_NORM, BY_MERGE = "Cluster", "Cluster size", "Norm", "First merge"
BY_LAYER, BY_KIND = "Layer", "Kind"

VIEW_KEY, METHOD_KEY, COLOR_KEY = "clusters:view", "clusters:method", "clusters:color"
HEAD_COLOR_KEY = "clusters:head-color"

MAX_LISTED = 500
"""Clusters that can be picked from the list, the largest first; all can be picked on the map."""

MAX_LINKED = 200
"""Units chosen by hand that fit an address; of more, the link leads to the group and K alone."""

EXPLANATION = (
    "Every point is one **unit** of the chosen group, an FFN channel or an attention head, given by"
    " all its numbers: what it reads with and what it writes with. **PCA** shows the two directions"
    " in which the units differ most, at once and exactly; **UMAP** arranges them so that"
    " neighbours stay neighbours, and its distances across the map mean little.",
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


def main() -> None:
    """Draw the page."""
    session = current()
    model = session.model
    assert model is not None
    settings = read_settings(model)
    groups = groups_of(model)
    title, corner = st.columns([2, 1], vertical_alignment="bottom")
    title.title("Clusters")
    st.markdown(
        "Units of a layer that are alike can share the work of one: see which, at every K, and what"
        " it costs."
    )
    trees = find_trees(session, model, settings.distance, settings.align_heads)
    slot = tree_slot(settings.distance, settings.align_heads)
    if trees is None:
        st.markdown("The map and the curve appear when the merge trees are built.")
        show_problem(session.jobs, slot, "Build them now")
        job_slot(session.jobs, slot)
        return
    _follow_link(model, groups)
    view = choose_one("Look at", [ONE_GROUP, ALL_HEADS], key=VIEW_KEY)
    link = {"view": "heads" if view == ALL_HEADS else "group"}
    if view == ALL_HEADS:
        figures = _all_heads(session, model, groups, settings)
        tables: dict[str, pd.DataFrame] = {}
    else:
        plan = _plan(session, model, groups, trees, settings)
        group, k = _choose(model, groups, trees, plan)
        figures, tables = _one_group(session, model, group, trees[group.id], k, settings, plan)
        link |= {"group": group.id, "k": str(k)}
        link |= _link_to_units(model, group, trees[group.id].labels(k))
    with corner, st.container(horizontal=True, horizontal_alignment="right"):
        publish(model, {name: text for name, text in link.items() if text})
        draw_exports("clusters", figures, tables)
    if st.button(
        "Next: merge it and see the size", icon=":material/arrow_forward:", icon_position="right"
    ):
        st.switch_page("pages/compress.py")
    explain(EXPLANATION)


def _k_key(model: SpeechModel, group: UnitGroup) -> str:
    return widget_key(model, f"look-k:{group.id}")


def _units_key(model: SpeechModel, group: UnitGroup) -> str:
    return widget_key(model, f"look-units:{group.id}")


def _anchor_key(model: SpeechModel, group: UnitGroup) -> str:
    """Holds the unit whose cluster an opened link names, until that cluster is chosen."""
    return widget_key(model, f"look-anchor:{group.id}")


def _link_to_units(model: SpeechModel, group: UnitGroup, labels: np.ndarray) -> dict[str, str]:
    """What is chosen, for the address: a cluster by its first unit, units by their indices."""
    units = np.array(st.session_state.get(_units_key(model, group), ()), dtype=np.int64)
    if _whole_cluster(units, labels) is not None:
        return {"cluster": str(units[0])}
    if 0 < len(units) <= MAX_LINKED:
        return {"units": ",".join(str(unit) for unit in units)}
    return {}


def _follow_link(model: SpeechModel, groups: Sequence[UnitGroup]) -> None:
    by_id = {group.id: group for group in groups}
    group = by_id.get(st.query_params.get("group", ""), groups[0])

    def read_k(text: str) -> int | None:
        return int(text) if text.isascii() and text.isdigit() and _fits(int(text), group) else None

    def read_unit(text: str) -> int | None:
        fits = text.isascii() and text.isdigit() and int(text) < group.n_units
        return int(text) if fits else None

    def read_units(text: str) -> tuple[int, ...] | None:
        parts = text.split(",")
        if not all(part.isascii() and part.isdigit() for part in parts):
            return None
        return tuple(unit for unit in map(int, parts) if unit < group.n_units)

    follow(
        model,
        {
            "view": (VIEW_KEY, lambda text: ALL_HEADS if text == "heads" else ONE_GROUP),
            "group": (widget_key(model, "group"), one_of(tuple(by_id))),
            "k": (_k_key(model, group), read_k),
            "units": (_units_key(model, group), read_units),
            "cluster": (_anchor_key(model, group), read_unit),
        },
    )


def _fits(k: int, group: UnitGroup) -> bool:
    return 1 <= k <= group.n_units


def _plan(
    session: Session,
    model: SpeechModel,
    groups: Sequence[UnitGroup],
    trees: Mapping[str, MergeTree],
    settings: Settings,
) -> Mapping[str, int]:
    """K of every group as the Compress page has it, or will have it when it is opened."""
    by_variance = settings.allocation.startswith("var")
    variances = variances_of(model) if by_variance else None
    last = session.n_clusters.get(model.weight_hash)
    return choose_n_clusters(groups, settings, trees, variances, last)


def _choose(
    model: SpeechModel,
    groups: Sequence[UnitGroup],
    trees: Mapping[str, MergeTree],
    plan: Mapping[str, int],
) -> tuple[UnitGroup, int]:
    """The group and the K to look at; K starts as the plan has it."""
    key = widget_key(model, "group")
    st.session_state.setdefault(key, selected_group(model, groups).id)
    by_id = {group.id: group for group in groups}
    group = by_id[st.session_state[key]]
    same_kind = [g for g in groups if (g.stack, g.block) == (group.stack, group.block)]
    place = same_kind.index(group)

    def step(by: int) -> None:
        st.session_state[key] = same_kind[place + by].id

    back, picker, forth, slider = st.columns([0.5, 2.6, 0.5, 4.4], vertical_alignment="bottom")
    back.button(
        ":material/chevron_left:",
        key="clusters:back",
        on_click=step,
        args=(-1,),
        disabled=place == 0,
        help="The same kind, one layer closer to the input.",
    )
    picker.selectbox(
        "Layer and kind",
        list(by_id),
        format_func=lambda name: by_id[name].title,
        key=key,
        persist_state="session",
        help="The selected group, the same on all pages.",
    )
    forth.button(
        ":material/chevron_right:",
        key="clusters:forth",
        on_click=step,
        args=(1,),
        disabled=place == len(same_kind) - 1,
        help="The same kind, one layer further from the input.",
    )
    k_key = _k_key(model, group)
    st.session_state.setdefault(k_key, plan[group.id])
    bend = knee(trees[group.id])
    with slider:
        st.slider(
            f"Clusters K of {group.n_units:,} units (knee at {bend:,})",
            min_value=1,
            # a slider cannot have one value only
            max_value=max(2, group.n_units),
            step=1,
            key=k_key,
            persist_state="session",
            disabled=group.n_units == 1,
            help="To look only; the plan stays as it is until you take this K over.",
        )
    return group, min(group.n_units, int(st.session_state[k_key]))


def _one_group(
    session: Session,
    model: SpeechModel,
    group: UnitGroup,
    tree: MergeTree,
    k: int,
    settings: Settings,
    plan: Mapping[str, int],
) -> tuple[dict[str, go.Figure], dict[str, pd.DataFrame]]:
    """Map, curve and sizes; for heads also the matrices and the tree; then what is chosen."""
    labels = tree.labels(k)
    anchor = st.session_state.pop(_anchor_key(model, group), None)
    if anchor is not None:
        members = np.flatnonzero(labels == labels[anchor])
        st.session_state[_units_key(model, group)] = tuple(int(unit) for unit in members)
    norms = np.sqrt(tree.norms)
    bend = knee(tree)
    curve = cut_curve(group, tree, k, bend)
    sizes = cluster_sizes(group, labels)
    figures = {"error-versus-k": curve, "cluster-sizes": sizes}
    options = [BY_CLUSTER, BY_SIZE, BY_NORM, BY_MERGE]
    color_by, projection = _map_controls(session, model, [group], settings, options, COLOR_KEY)
    left, right = st.columns([1.6, 1], gap="medium")
    with left:
        if projection is not None:
            figures["map"] = _map(model, group, tree, labels, norms, projection, color_by)
    with right:
        _plan_buttons(session, model, group, k, bend, plan)
        figure(
            curve,
            key="cut-curve",
            alt=f"Weight error of {group.title} at every K, with K and the knee marked.",
            height=CURVE_HEIGHT,
        )
        figure(
            sizes,
            key="cluster-sizes",
            alt=f"How many clusters of {group.title} have how many members.",
            height=SIZES_HEIGHT,
        )
    if group.component == "heads" and group.n_units > 1:
        figures |= _heads(model, group, tree, k, settings)
    chosen = _chosen(model, group, labels)
    table = pd.DataFrame({"unit": np.arange(len(labels)), "cluster": labels, "norm": norms})
    tables = {"clusters": table}
    if chosen.size:
        detail_figures, members = _detail(model, group, labels, chosen, settings)
        return figures | detail_figures, tables | {"members": members}
    return figures, tables


def _plan_buttons(
    session: Session,
    model: SpeechModel,
    group: UnitGroup,
    k: int,
    bend: int,
    plan: Mapping[str, int],
) -> None:
    def take_over() -> None:
        session.n_clusters[model.weight_hash] = {**plan, group.id: k}
        write_setting(model, "allocation", MANUAL)
        st.toast(f"K = {k:,} is in the plan for {group.title}.", icon=":material/check:")

    def to_knee() -> None:
        st.session_state[_k_key(model, group)] = bend

    with st.container(horizontal=True):
        st.button("Go to the knee", icon=":material/turn_right:", on_click=to_knee)
        st.button(
            f"Use K = {k:,} in the plan",
            icon=":material/check:",
            on_click=take_over,
            disabled=plan[group.id] == k,
            help="Sets K of this group on the Compress page, whose allocation becomes manual.",
        )


def _map(
    model: SpeechModel,
    group: UnitGroup,
    tree: MergeTree,
    labels: np.ndarray,
    norms: np.ndarray,
    projection: Projection,
    color_by: str,
) -> go.Figure:
    """Every unit of the group; a click chooses its cluster."""
    values, title = None, ""
    if color_by == BY_SIZE:
        values, title = np.bincount(labels)[labels], "cluster size (units)"
    elif color_by == BY_NORM:
        values, title = norms, "norm (weight)"
    elif color_by == BY_MERGE:
        values, title = first_merge_errors(tree), "error of the first merge (1)"
    units = st.session_state.get(_units_key(model, group), ())
    chart = unit_map(
        group, projection, labels, norms, values=values, value_title=title, chosen=units
    )
    key = f"map:{model.weight_hash[:16]}:{group.id}"

    def choose() -> None:
        points = st.session_state[key]["selection"]["points"]
        picked = sorted({int(p["customdata"][0]) for p in points if p.get("customdata")})
        if len(picked) == 1:
            members = np.flatnonzero(labels == labels[picked[0]])
            picked = [int(unit) for unit in members]
        if picked:
            st.session_state[_units_key(model, group)] = tuple(picked)

    _plotly(chart, key=key, alt=f"Map of the units of {group.title}.", on_select=choose)
    st.caption(
        f"All {group.n_units:,} units are drawn. Click on one to choose its cluster; choose several"
        " with the box or the lasso above the map."
    )
    return chart


def _plotly(chart: go.Figure, *, key: str, alt: str, **options: Any) -> None:
    """A chart that keeps the box and the lasso, which `widgets.figure` leaves out."""
    st.plotly_chart(
        chart,
        key=key,
        alt=alt,
        height=MAP_HEIGHT,
        selection_mode=("points", "box", "lasso"),
        config={
            "displaylogo": False,
            "scrollZoom": True,
            "toImageButtonOptions": {"format": "svg", "filename": "map"},
        },
        **options,
    )


def _map_controls(
    session: Session,
    model: SpeechModel,
    groups: Sequence[UnitGroup],
    settings: Settings,
    colors: Sequence[str],
    color_key: str,
) -> tuple[str, Projection | None]:
    """What colours the map and how it is made; the map itself, or the one shown meanwhile."""
    n = sum(group.n_units for group in groups)
    how, dimensions, color, more = st.columns([1.3, 1.1, 3.4, 1.2], vertical_alignment="bottom")
    with how:
        method = choose_one("Map", [PCA, UMAP], key=METHOD_KEY)
    with dimensions:
        n_dimensions = choose_one("Axes", [2, 3], key="clusters:axes", format_func="{}-D".format)
    with color:
        color_by = choose_one("Colour", colors, key=color_key)
    with more:
        umap = _umap_settings(n_dimensions, n)
    slots = ("map:pca", "map:umap")
    projection = find_map(session, model, groups, settings.distance, n_dimensions, slots[0])
    if method == UMAP and n < MIN_UNITS:
        st.info(f"UMAP needs at least {MIN_UNITS} units; here are the principal components.")
    elif method == UMAP:
        learned = find_map(session, model, groups, settings.distance, umap, slots[1])
        if learned is None and projection is not None:
            st.caption("Meanwhile, the principal components:")
        projection = learned or projection
    for slot in slots:
        show_problem(session.jobs, slot)
        if session.jobs.running(slot) is not None:
            job_slot(session.jobs, slot)
    return color_by, projection


def _umap_settings(n_dimensions: int, n_units: int) -> UmapSettings:
    with st.popover("UMAP", icon=":material/tune:", width="stretch"):
        most = max(2, min(200, n_units - 1))
        n_neighbors = st.slider(
            "Neighbours",
            2,
            max(3, most),
            min(15, most),
            key=f"clusters:neighbors:{most}",
            persist_state="session",
            help="Few show detail, many the whole.",
        )
        min_dist = st.slider(
            "Least distance on the map",
            0.0,
            1.0,
            0.1,
            0.05,
            key="clusters:min-dist",
            persist_state="session",
            help="Small values pack groups tightly.",
        )
        metric = st.selectbox(
            "Metric",
            list(METRICS),
            key="clusters:metric",
            persist_state="session",
            help="  \n".join(f"**{name}**: {text}" for name, text in METRICS.items()),
        )
        seed = st.number_input(
            "Seed", 0, 2**31 - 1, 0, key="clusters:seed", persist_state="session"
        )
    return UmapSettings(n_dimensions, min(n_neighbors, most), min_dist, metric, int(seed))


def _heads(
    model: SpeechModel, group: UnitGroup, tree: MergeTree, k: int, settings: Settings
) -> dict[str, go.Figure]:
    """How alike the heads are, as they are and aligned, and the order in which they merge."""
    raw, aligned = head_similarities(model, group, settings.distance)
    matrices = similarity_matrices(
        {"As they are": raw, "After alignment": aligned}, range(group.n_units), "head"
    )
    tree_chart = merge_dendrogram(group, draw_tree(tree, k), k)
    left, right = st.columns([1.6, 1], gap="medium")
    with left:
        figure(
            matrices,
            key="head-matrices",
            alt=f"Similarity of the heads of {group.title}, raw and after Procrustes alignment.",
            height=MATRIX_HEIGHT,
        )
    with right:
        figure(
            tree_chart,
            key="dendrogram",
            alt=f"Merge tree of {group.title}, cut at K = {k}.",
            height=MATRIX_HEIGHT,
        )
    return {"head-similarity": matrices, "merge-tree": tree_chart}


def _chosen(model: SpeechModel, group: UnitGroup, labels: np.ndarray) -> np.ndarray:
    """The units that are looked at: from the map, or a cluster from the list."""
    st.subheader("What falls together")
    counts = np.bincount(labels)
    several = np.flatnonzero(counts > 1)
    order = several[np.argsort(-counts[several], kind="stable")][:MAX_LISTED].tolist()
    units_key = _units_key(model, group)
    units = np.array(st.session_state.get(units_key, ()), dtype=np.int64)
    whole = _whole_cluster(units, labels)
    list_key = widget_key(model, "look-cluster")
    st.session_state[list_key] = whole if whole in order else None

    def pick() -> None:
        label = st.session_state[list_key]
        members = () if label is None else np.flatnonzero(labels == label)
        st.session_state[units_key] = tuple(int(unit) for unit in members)

    if not order:
        st.caption("At K = n no units are merged: move the slider to the left.")
    else:
        listed = f", the {MAX_LISTED} largest" if len(several) > MAX_LISTED else ""
        st.selectbox(
            f"Clusters of two or more units ({len(several):,}{listed})",
            order,
            format_func=lambda label: f"Cluster {label}: {counts[label]:,} units",
            key=list_key,
            index=None,
            placeholder="Choose one, or choose units on the map",
            on_change=pick,
        )
    return units


def _whole_cluster(units: np.ndarray, labels: np.ndarray) -> int | None:
    """The cluster that the units are, all of it and nothing else."""
    if not units.size or len(set(labels[units].tolist())) > 1:
        return None
    label = int(labels[units[0]])
    return label if len(units) == int((labels == label).sum()) else None


def _detail(
    model: SpeechModel,
    group: UnitGroup,
    labels: np.ndarray,
    chosen: np.ndarray,
    settings: Settings,
) -> tuple[dict[str, go.Figure], pd.DataFrame]:
    """Members, their similarity, and what they become."""
    view = view_cluster(model, group, settings.distance, chosen, align_heads=settings.align_heads)
    unit = "channel" if group.component == "ffn" else "head"
    n = len(chosen)
    shown = f"{n:,}" if n <= MAX_SHOWN else f"the first {MAX_SHOWN} of {n:,}"
    matrix = similarity_matrices(
        {f"Similarity of {shown} {unit}s": view.cosines}, chosen[:MAX_SHOWN].tolist(), unit
    )
    members = pd.DataFrame(
        {
            unit: view.members,
            "cluster": labels[chosen],
            "norm": view.norms,
            "cosine to mean": view.to_mean,
        }
    )
    left, middle, right = st.columns([1, 1.4, 1], gap="medium")
    with left:
        st.dataframe(
            members,
            hide_index=True,
            height=MATRIX_HEIGHT,
            column_config={
                name: st.column_config.NumberColumn(format="%.3f")
                for name in ("norm", "cosine to mean")
            },
            alt="The chosen units.",
        )
    with middle:
        figure(matrix, key="members", alt="Similarity of the chosen units.", height=MATRIX_HEIGHT)
    with right:
        _becomes(view, unit)
    return {"members": matrix}, members


def _becomes(view: ClusterView, unit: str) -> None:
    n = len(view.members)
    if n == 1:
        st.markdown(f"One {unit} by itself stays as it is.")
        return
    mean = float(view.norms.mean())
    st.metric(
        f"{n:,} {unit}s become one; error",
        percent(view.inertia, 2),
        help="Squared distances of the members to their mean, over the group's squared norm.",
    )
    st.metric(
        "Norm that the mean keeps",
        percent(view.mean_norm / mean if mean else float("nan")),
        help="100 % where the members agree; what disagrees cancels in the mean.",
    )
    st.markdown(
        f":small[The merged {unit} reads with the mean of its members' input weights and writes"
        " with the sum of their output weights. Similarity and error are those under the distance"
        " and the head alignment set on the Compress page.]"
    )


def _all_heads(
    session: Session, model: SpeechModel, groups: Sequence[UnitGroup], settings: Settings
) -> dict[str, go.Figure]:
    """Every head of the model in one map."""
    heads = [group for group in groups if group.component == "heads"]
    if len({group.unit_dim for group in heads}) > 1:
        stacks = sorted({group.stack for group in heads}, reverse=True)
        stack = choose_one("Stack (their heads differ in size)", stacks, key="clusters:stack")
        heads = [group for group in heads if group.stack == stack]
    color_by, projection = _map_controls(
        session, model, heads, settings, [BY_LAYER, BY_KIND], HEAD_COLOR_KEY
    )
    if projection is None:
        return {}
    chart = head_map(heads, projection, by_layer=color_by == BY_LAYER)
    key = f"head-map:{model.weight_hash[:16]}"

    def choose() -> None:
        points = st.session_state[key]["selection"]["points"]
        if points:
            group_id, head = points[0]["customdata"][:2]
            group = next(g for g in heads if g.id == group_id)
            st.session_state[widget_key(model, "group")] = group_id
            st.session_state[_units_key(model, group)] = (int(head),)
            st.session_state[VIEW_KEY] = ONE_GROUP

    _plotly(chart, key=key, alt="All heads of the model as points.", on_select=choose)
    st.caption("Click on a head to look at its layer.")
    return {"all-heads": chart}


run_page(main)
