"""All heads of a model in one map, on Clusters; beside it what a chosen head does."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from analysis.clustering.projection import place_table
from analysis.clustering.unit_space import UnitSpace
from analysis.compression.tree_choice import TreeChoice
from analysis.figures.attention import MEASURE_UNITS, measured_heads, on_one_scale
from analysis.figures.maps import MAP_HEIGHT, head_map
from analysis.inspection.attention import MEASURES
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from pages.exploring import chosen_units, head_views
from pages.exploring.cluster_map import (
    MAP_WIDTH,
    above_map,
    draw_map,
    link_to_map,
    map_controls,
    map_note,
)
from pages.exploring.cluster_selection import (
    ATTENTION,
    ONE_GROUP,
    SIDE_KEY,
    SOUNDS,
    VIEW_KEY,
    choose_units,
    chosen_units_of,
    side_name,
)
from pages.planning.group_choice import selected_group
from pages.planning.settings import Settings, widget_key
from pages.session.link import write_address
from pages.session.session import Session
from pages.widgets.basics import two_columns
from pages.widgets.choices import choose_one
from pages.widgets.exports import draw_exports
from pages.widgets.presented import scaled

BY_LAYER, BY_KIND = "Layer", "Kind"
BY_MEASURE = {name.capitalize(): name for name in MEASURES}

COLOR = ("head-color", "clusters:head-color", (BY_LAYER, BY_KIND, *BY_MEASURE))
"""As `pages.exploring.cluster_map.COLOR`, of the map of all heads."""

_SIDES = (ATTENTION, SOUNDS)


def draw(session: Session, model: SpeechModel, settings: Settings) -> None:
    """The map of all heads; beside it where the chosen one looks, or what it hears."""
    heads = [group for group in model.groups if group.component == "heads"]
    if len({group.unit_dim for group in heads}) > 1:
        stacks = sorted({group.stack for group in heads}, reverse=True)
        stack = choose_one("Stack (their heads differ in size)", stacks, key="clusters:stack")
        heads = [group for group in heads if group.stack == stack]
    choice = settings.trees
    if choice.space.listens:  # heads of different layers hear different signals
        choice = TreeChoice(UnitSpace("weights", align_heads=False))
        st.caption("All heads of the model are compared by their weights here.")
    controls, corner = above_map()
    with controls:
        color_by, projection = map_controls(session, model, heads, choice, COLOR)
    values = None
    measure = BY_MEASURE.get(color_by, "")
    if measure:
        measured = head_views.find_measures(session, model, settings)
        if measured is None:
            head_views.wait_for_measures(session)
        else:
            values = measured_heads(heads, measured, measure)
    left, right = two_columns(MAP_WIDTH)
    with left:
        map_note(session, "Click on a head to see where it looks and what it hears.")
        map_place = st.container(height=scaled(MAP_HEIGHT), border=False)
    key = f"head-map:{model.weight_hash[:16]}"

    def choose() -> None:
        points = st.session_state[key]["selection"]["points"]
        picked = [point for point in points if point.get("customdata")]  # a ring has none
        if picked:
            group_id, head = picked[0]["customdata"][:2]
            if st.session_state.get(SIDE_KEY) not in _SIDES:
                st.session_state[SIDE_KEY] = ATTENTION
            st.session_state[widget_key(model, "group")] = group_id
            choose_units(model, next(g for g in heads if g.id == group_id), [head])

    figures: dict[str, go.Figure] = {}
    tables: dict[str, pd.DataFrame] = {}
    link = {"view": "heads"} | link_to_map(*COLOR)
    group = selected_group(model, model.groups)
    alone = np.arange(group.n_units)
    chosen = chosen_units_of(model, group, alone)[:1] if group in heads else alone[:0]
    with right:
        if chosen.size:
            st.markdown(f"**{group.title}, head {chosen[0]}**")
            side = choose_one("Show", _SIDES, key=SIDE_KEY)
            link |= {"group": group.id, "units": str(chosen[0]), "side": side_name()}
        write_address(model, link)
        if chosen.size:
            figures, tables = _one_head(session, model, group, chosen, settings, side)
        else:
            st.markdown("Choose a head on the map: here will be where it looks, and what it hears.")
    if projection is not None:
        figures["all-heads"] = chart = head_map(
            heads,
            projection,
            by_layer=color_by == BY_LAYER,
            values=None if values is None else on_one_scale(heads, values, measure),
            value_title=MEASURE_UNITS.get(measure, ""),
            chosen=(group.id, int(chosen[0])) if chosen.size else None,
        )
        tables["all-heads"] = place_table(heads, projection)
        if values is not None:
            tables["all-heads"][measure] = values
        with map_place:
            draw_map(chart, key=key, alt="All heads of the model as points.", on_select=choose)
    with corner:
        draw_exports("clusters", figures, tables)


def _one_head(
    session: Session,
    model: SpeechModel,
    group: UnitGroup,
    chosen: np.ndarray,
    settings: Settings,
    side: str,
) -> tuple[dict[str, go.Figure], dict[str, pd.DataFrame]]:
    """Where a head looks and what it hears, by itself."""
    chosen_units.leave_others(session, side)
    alone, unweighed = np.arange(group.n_units), np.ones(group.n_units)
    found = chosen_units.draw(session, model, group, unweighed, alone, chosen, settings, side)

    def open_layer() -> None:
        st.session_state[VIEW_KEY] = ONE_GROUP

    if st.button("Open its layer", icon=":material/bubble_chart:", on_click=open_layer):
        st.rerun()
    return found
