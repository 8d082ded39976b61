"""All heads of a model in one map, on Clusters; beside it what a chosen head does."""

from collections.abc import Callable, Mapping

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
from pages.exploring.cluster_map import MAP_WIDTH, draw_map, map_controls, map_note
from pages.exploring.cluster_selection import (
    ATTENTION,
    ONE_GROUP,
    SIDE_KEY,
    SOUNDS,
    VIEW_KEY,
    side_name,
    units_key,
)
from pages.planning.group_choice import selected_group
from pages.planning.settings import Settings, widget_key
from pages.session.parts import run_part
from pages.session.session import Session
from pages.widgets.basics import two_columns
from pages.widgets.choices import choose_one
from pages.widgets.presented import scaled

BY_LAYER, BY_KIND = "Layer", "Kind"
BY_MEASURE = {name.capitalize(): name for name in MEASURES}

HEAD_COLOR_KEY = "clusters:head-color"

_SIDES = (ATTENTION, SOUNDS)

Corner = Callable[[Mapping[str, str], Mapping[str, go.Figure], Mapping[str, pd.DataFrame]], None]
"""Draws the address of what is on show, and its exports."""


def draw(session: Session, model: SpeechModel, settings: Settings, corner: Corner) -> None:
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
            values = measured_heads(heads, measured, measure)
    left, right = two_columns(MAP_WIDTH)
    with left:
        map_note(session, "Click on a head to see where it looks and what it hears.")
        map_place = st.container(height=scaled(MAP_HEIGHT), border=False)
    key = f"head-map:{model.weight_hash[:16]}"

    def choose() -> None:
        points = st.session_state[key]["selection"]["points"]
        if points:
            group_id, head = points[0]["customdata"][:2]
            group = next(g for g in heads if g.id == group_id)
            if st.session_state.get(SIDE_KEY) not in _SIDES:
                st.session_state[SIDE_KEY] = ATTENTION
            st.session_state[widget_key(model, "group")] = group_id
            st.session_state[units_key(model, group)] = (int(head),)

    def draw_beside() -> None:
        figures: dict[str, go.Figure] = {}
        tables: dict[str, pd.DataFrame] = {}
        if projection is not None:
            figures["all-heads"] = chart = head_map(
                heads,
                projection,
                by_layer=color_by == BY_LAYER,
                values=None if values is None else on_one_scale(heads, values, measure),
                value_title=MEASURE_UNITS.get(measure, ""),
            )
            tables["all-heads"] = place_table(heads, projection)
            if values is not None:
                tables["all-heads"][measure] = values
            alt = "All heads of the model as points."
            with map_place:
                draw_map(chart, key=key, alt=alt, on_select=choose)
        group = selected_group(model, model.groups)
        chosen = np.array(st.session_state.get(units_key(model, group), ()), dtype=np.int64)[:1]
        link = {"view": "heads"}
        if group in heads and chosen.size:
            more, beside = _one_head(session, model, group, chosen, settings)
            figures |= more
            tables |= beside
            link |= {"group": group.id, "units": str(chosen[0]), "side": side_name()}
        else:
            st.markdown("Choose a head on the map: here will be where it looks, and what it hears.")
        corner(link, figures, tables)

    with right:
        run_part(draw_beside)


def _one_head(
    session: Session, model: SpeechModel, group: UnitGroup, chosen: np.ndarray, settings: Settings
) -> tuple[dict[str, go.Figure], dict[str, pd.DataFrame]]:
    """Where a head looks and what it hears, by itself."""
    st.markdown(f"**{group.title}, head {chosen[0]}**")
    side = choose_one("Beside the map", _SIDES, key=SIDE_KEY)
    chosen_units.leave_others(session, side)
    alone, unweighed = np.arange(group.n_units), np.ones(group.n_units)
    found = chosen_units.draw(session, model, group, unweighed, alone, chosen, settings, side)

    def open_layer() -> None:
        st.session_state[VIEW_KEY] = ONE_GROUP

    if st.button("Open its layer", icon=":material/bubble_chart:", on_click=open_layer):
        st.rerun()
    return found
