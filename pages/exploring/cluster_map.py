"""The map of units on Clusters: its controls, the picture, and what a click on it chooses."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from analysis.clustering.curves import first_merge_errors
from analysis.clustering.merge_tree import MergeTree
from analysis.clustering.projection import METRICS, WORTHWHILE_UNITS, Projection, UmapSettings
from analysis.compression.tree_choice import TreeChoice
from analysis.figures.maps import MAP_HEIGHT, unit_map
from analysis.figures.theme import BUTTONS_LEFT_OUT
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from pages.exploring.cluster_selection import choose_units, chosen_units_of
from pages.exploring.maps import find_map
from pages.session.job_box import job_box, show_problem
from pages.session.link import Reader
from pages.session.session import Session
from pages.widgets.basics import draw_chart
from pages.widgets.choices import choose_one, held

MAP_WIDTH = 470
"""Pixels of the map, beside which what is chosen has room."""

PCA, UMAP = "PCA", "UMAP"
BY_CLUSTER, BY_SIZE, BY_NORM, BY_MERGE = "Cluster", "Cluster size", "Norm", "First merge"
COLORS = (BY_CLUSTER, BY_SIZE, BY_NORM, BY_MERGE)
COLOR = ("color", "clusters:color", COLORS)
"""Of the map of a group: the colour's parameter in an address, its widget's key, its options."""

METHOD_KEY, AXES_KEY = "clusters:method", "clusters:axes"
PCA_SLOT, UMAP_SLOT = "map:pca", "map:umap"
_LAST_UMAP = "clusters:last-umap"


def draw_unit_map(
    model: SpeechModel,
    group: UnitGroup,
    tree: MergeTree,
    *,
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
    units = chosen_units_of(model, group, labels).tolist()
    chart = unit_map(
        group, projection, labels, norms, values=values, value_title=title, chosen=units
    )
    key = f"map:{model.weight_hash[:16]}:{group.id}"

    def choose() -> None:
        points = st.session_state[key]["selection"]["points"]
        picked = sorted({int(p["customdata"][0]) for p in points if p.get("customdata")})
        if picked:
            choose_units(model, group, picked)

    draw_map(chart, key=key, alt=f"Map of the units of {group.title}.", on_select=choose)
    return chart


def draw_map(chart: go.Figure, *, key: str, alt: str, **options: Any) -> None:
    """A chart that keeps the box and the lasso, which `widgets.figure` leaves out."""
    draw_chart(
        chart,
        {
            "scrollZoom": True,
            "modeBarButtonsToRemove": list(BUTTONS_LEFT_OUT),
            "toImageButtonOptions": {"format": "svg", "filename": "map"},
        },
        key=key,
        alt=alt,
        height=MAP_HEIGHT,
        selection_mode=("points", "box", "lasso"),
        **options,
    )


def map_controls(
    session: Session,
    model: SpeechModel,
    groups: Sequence[UnitGroup],
    choice: TreeChoice,
    color: tuple[str, str, Sequence[str]],
) -> tuple[str, Projection | None]:
    """What colours the map and how it is made; the map itself, or the one shown meanwhile."""
    n = sum(group.n_units for group in groups)
    umap = None
    with st.container(horizontal=True, vertical_alignment="bottom"):
        # of few units a UMAP tells no more than chance: it is not offered
        offered = n >= WORTHWHILE_UNITS
        method = choose_one("Map", [PCA, UMAP], key=METHOD_KEY) if offered else PCA
        n_dimensions = choose_one("Axes", [2, 3], key=AXES_KEY, format_func="{}-D".format)
        color_by = choose_one("Colour", color[2], key=color[1])
        if method == UMAP:
            umap = _umap_settings(n_dimensions, n)
    projection = find_map(session, model, groups, choice, n_dimensions, PCA_SLOT)
    if umap is not None:
        learned = find_map(session, model, groups, choice, umap, UMAP_SLOT)
        projection = _learned_last(model, groups, choice, n_dimensions, learned) or projection
    for slot in (PCA_SLOT, UMAP_SLOT):
        show_problem(session.jobs, slot)
    return color_by, projection


def _learned_last(
    model: SpeechModel,
    groups: Sequence[UnitGroup],
    choice: TreeChoice,
    n_dimensions: int,
    learned: Projection | None,
) -> Projection | None:
    """The UMAP, or while another one is made the last one of the same units."""
    of = (model.weight_hash, tuple(group.id for group in groups), choice.identity, n_dimensions)
    if learned is not None:
        st.session_state[_LAST_UMAP] = (of, learned)
    known, last = st.session_state.get(_LAST_UMAP, (None, None))
    return last if known == of else None


def above_map() -> tuple[DeltaGenerator, DeltaGenerator]:
    """A row above the map: a place for its controls, and one for what is exported."""
    row = st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"
    )
    return row.container(width="content"), row.container(width="content")


def link_to_map(color_name: str, color_key: str, colors: Sequence[str]) -> dict[str, str]:
    """How the map is drawn, for the address, where it is not as it is at first.

    Parameters
    ----------
    color_name : str
        Of the parameter.
    color_key : str
        Of the widget.
    colors : sequence of str
        Its options.
    """
    held = {
        "map": (st.session_state.get(METHOD_KEY, PCA), PCA),
        "axes": (str(st.session_state.get(AXES_KEY, 2)), "2"),
        color_name: (st.session_state.get(color_key, colors[0]), colors[0]),
    }
    return {name: now for name, (now, first) in held.items() if now != first}


def map_readers(
    color_name: str, color_key: str, colors: Sequence[str]
) -> dict[str, tuple[str, Reader]]:
    """What reads that; see `pages.session.link.follow`."""
    return {
        "map": (METHOD_KEY, lambda text: UMAP if text == UMAP else PCA),
        "axes": (AXES_KEY, lambda text: 3 if text == "3" else 2),
        color_name: (color_key, lambda text: text if text in colors else colors[0]),
    }


def map_note(session: Session, note: str, *awaited: str) -> None:
    """A line over the map, which gives way to the progress of what the map waits for.

    Parameters
    ----------
    session : Session
    note : str
    *awaited : str
        Slots of other jobs that will change the map.
    """
    slots = (UMAP_SLOT, PCA_SLOT, *awaited)
    job_box(session.jobs, slots, lambda: st.caption(note), wide=True)


def _umap_settings(n_dimensions: int, n_units: int) -> UmapSettings:
    with st.popover("UMAP", icon=":material/tune:"):
        most = max(2, min(200, n_units - 1))
        neighbors_key = f"clusters:neighbors:{most}"
        n_neighbors = st.slider(
            "Neighbours",
            2,
            max(3, most),
            held(neighbors_key, min(15, most)),
            key=neighbors_key,
            persist_state="session",
            help="Few show detail, many the whole.",
        )
        min_dist = st.slider(
            "Least distance on the map",
            0.0,
            1.0,
            held("clusters:min-dist", 0.1),
            0.05,
            key="clusters:min-dist",
            persist_state="session",
            help="Small values pack groups tightly.",
        )
        metrics = list(METRICS)
        metric = st.selectbox(
            "Metric",
            metrics,
            index=metrics.index(held("clusters:metric", metrics[0])),
            key="clusters:metric",
            persist_state="session",
            help="  \n".join(f"**{name}**: {text}" for name, text in METRICS.items()),
        )
        seed = st.number_input(
            "Seed",
            0,
            2**31 - 1,
            held("clusters:seed", 0),
            key="clusters:seed",
            persist_state="session",
        )
    return UmapSettings(n_dimensions, min(n_neighbors, most), min_dist, metric, int(seed))
