"""Which unit group is looked at, the same on every page."""

from collections.abc import Sequence

import streamlit as st

from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from pages.planning.settings import widget_key


def selected_group(model: SpeechModel, groups: Sequence[UnitGroup]) -> UnitGroup:
    """The group that is looked at, the same on all pages; to begin with, the first FFN's.

    Channels are many, so they make a map and a curve at which there is something to see.
    """
    chosen = st.session_state.get(widget_key(model, "group"))
    first = next((group for group in groups if group.component == "ffn"), groups[0])
    return next((group for group in groups if group.id == chosen), first)


def pick_group(
    model: SpeechModel, groups: Sequence[UnitGroup], label: str, help_text: str
) -> UnitGroup:
    """The box that chooses the group for all pages.

    Its default is what is chosen; see `pages.widgets.choices`.
    """
    titles = {group.id: group.title for group in groups}
    st.selectbox(
        label,
        list(titles),
        index=list(titles).index(selected_group(model, groups).id),
        format_func=titles.__getitem__,
        key=widget_key(model, "group"),
        persist_state="session",
        help=help_text,
    )
    return selected_group(model, groups)


def same_kind(groups: Sequence[UnitGroup], group: UnitGroup) -> list[UnitGroup]:
    """The same kind of unit in all layers of the stack, from the input on."""
    return [g for g in groups if (g.stack, g.block) == (group.stack, group.block)]


def select_group(model: SpeechModel, group_id: str) -> None:
    """Choose the group that the slider is for; from a callback."""
    st.session_state[widget_key(model, "group")] = group_id


def select_from_chart(model: SpeechModel) -> None:
    """Callback of the chart: a bar that is clicked selects its group."""
    event = st.session_state[f"kept:{model.weight_hash[:16]}"]
    points = event["selection"]["points"]
    if points:
        select_group(model, points[0]["customdata"][0])
