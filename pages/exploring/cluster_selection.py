"""What is looked at on Clusters: the group, its K, a cluster or some units; kept and linked."""

from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from pages.planning.group_choice import pick_group, same_kind, select_group, selected_group
from pages.planning.settings import widget_key
from pages.session.link import Reader, follow, one_of, opened
from pages.widgets.choices import choose_one

ONE_GROUP, ALL_HEADS = "One group", "All heads of the model"
VIEW_KEY = "clusters:view"

EVERY_K, MEMBERS, SOUNDS, ATTENTION = "Every K", "Members", "What it hears", "Where it looks"
SIDE_KEY = "clusters:side"
"""Holds what is shown beside the map: the group at every K, or a side of what is chosen."""

_SIDES = {"k": EVERY_K, "members": MEMBERS, "sounds": SOUNDS, "attention": ATTENTION}
"""As an address has them."""

HEARD_AT_ONCE = 100_000_000
"""Parameters that units may have in all for what is chosen to be heard at once: a larger model
listens for minutes first, and does so when somebody asks."""

MAX_LISTED = 500
"""Clusters that can be picked from the list, the largest first; all can be picked on the map."""

_MOST_DIGITS = 9

MAX_LINKED = 200
"""Units chosen by hand that fit an address; of more, the link leads to the group and K alone."""


def k_key(model: SpeechModel, group: UnitGroup) -> str:
    """Of the K slider of a group, which is for looking only."""
    return widget_key(model, f"look-k:{group.id}")


def units_key(model: SpeechModel, group: UnitGroup) -> str:
    """Holds the units of a group that were chosen one by one, a tuple of indices."""
    return widget_key(model, f"look-units:{group.id}")


def anchor_key(model: SpeechModel, group: UnitGroup) -> str:
    """Holds the unit whose cluster is chosen, whatever K makes of that; -1 where none is."""
    return widget_key(model, f"look-anchor:{group.id}")


def is_heard_at_once(model: SpeechModel) -> bool:
    """Whether a choice is heard without asking."""
    return sum(group.n_parameters for group in model.groups) <= HEARD_AT_ONCE


def first_side(model: SpeechModel) -> str:
    """The side from which a choice is shown before anybody said."""
    return SOUNDS if is_heard_at_once(model) else MEMBERS


def choose_units(model: SpeechModel, group: UnitGroup, units: Sequence[int]) -> None:
    """Take over what was chosen on a map, and have it shown; from a callback.

    One unit stands for its cluster, which follows K; several are chosen as they are.
    """
    alone = len(units) == 1
    st.session_state[anchor_key(model, group)] = int(units[0]) if alone else -1
    st.session_state[units_key(model, group)] = () if alone else tuple(map(int, units))
    if st.session_state.get(SIDE_KEY, EVERY_K) == EVERY_K:
        st.session_state[SIDE_KEY] = first_side(model)


def chosen_units_of(model: SpeechModel, group: UnitGroup, labels: np.ndarray) -> np.ndarray:
    """The units that are looked at: int64, (m,).

    Parameters
    ----------
    model : SpeechModel
    group : UnitGroup
    labels : ndarray of int64, (n,)
        Cluster of each unit.
    """
    anchor = st.session_state.get(anchor_key(model, group), -1)
    if 0 <= anchor < group.n_units:
        return np.flatnonzero(labels == labels[anchor])
    return np.array(st.session_state.get(units_key(model, group), ()), dtype=np.int64)


def choose_side(model: SpeechModel, sides: Sequence[str], *, chosen: bool) -> str:
    """What is shown beside the map; before anybody said, what is chosen, if anything is."""
    default = first_side(model) if chosen else sides[0]
    return choose_one("Show", sides, key=SIDE_KEY, default=default)


def link_to_units(model: SpeechModel, group: UnitGroup) -> dict[str, str]:
    """What is chosen, for the address: a cluster by one of its units, units by their indices.

    With the side that it is seen from.
    """
    anchor = st.session_state.get(anchor_key(model, group), -1)
    units = st.session_state.get(units_key(model, group), ())
    seen = {"side": side_name()}
    if anchor >= 0:
        return {"cluster": str(anchor)} | seen
    if 0 < len(units) <= MAX_LINKED:
        return {"units": ",".join(map(str, units))} | seen
    return {}


def side_name() -> str:
    """What stands beside the map, as an address has it."""
    held = st.session_state.get(SIDE_KEY, EVERY_K)
    return next(name for name, side in _SIDES.items() if side == held)


def follow_link(
    model: SpeechModel, groups: Sequence[UnitGroup], others: Mapping[str, tuple[str, Reader]]
) -> None:
    """Choose what an opened link names; `others` are the readers of what else it may name."""
    by_id = {group.id: group for group in groups}
    named = opened().get("group", "")
    group = by_id.get(named, selected_group(model, groups))
    is_here = not named or named in by_id  # what is said of another group is not said of this one

    def read_k(text: str) -> int | None:
        k = _whole(text)
        return k if is_here and k is not None and 1 <= k <= group.n_units else None

    def read_unit(text: str) -> int:
        unit = _whole(text)
        return unit if is_here and unit is not None and unit < group.n_units else -1

    def read_units(text: str) -> tuple[int, ...] | None:
        parts = text.split(",") if text else []  # a link to no units chooses none
        units = [unit for part in parts if (unit := _whole(part)) is not None]
        if not is_here or len(units) < len(parts):
            return None
        return tuple(unit for unit in dict.fromkeys(units) if unit < group.n_units)

    def read_side(text: str) -> str | None:
        if not (opened().get("units") or opened().get("cluster")):
            return EVERY_K
        return _SIDES.get(text, first_side(model))

    follow(
        model,
        {
            "view": (VIEW_KEY, lambda text: ALL_HEADS if text == "heads" else ONE_GROUP),
            "group": (widget_key(model, "group"), one_of(tuple(by_id))),
            "k": (k_key(model, group), read_k),
            "units": (units_key(model, group), read_units),
            "cluster": (anchor_key(model, group), read_unit),
            "side": (SIDE_KEY, read_side),
            **others,
        },
    )


def _whole(text: str) -> int | None:
    """The number that digits write; None for anything else, and for more digits than units need."""
    is_number = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    return int(text) if is_number else None


def choose_group(model: SpeechModel, groups: Sequence[UnitGroup], row: DeltaGenerator) -> UnitGroup:
    """The group, chosen in the row, and the way to the same kind in the layers beside it."""
    group = selected_group(model, groups)
    layers = same_kind(groups, group)
    place = layers.index(group)

    def step(by: int) -> None:
        # from what is chosen when it is heard: two fast presses are heard after one drawing
        now = selected_group(model, groups)
        own = same_kind(groups, now)
        select_group(model, own[min(max(own.index(now) + by, 0), len(own) - 1)].id)

    with row:
        with st.container(width=270):
            pick_group(
                model, groups, "Layer and kind", "The selected group, the same on all pages."
            )
        # where the row is too narrow, both go below
        with st.container(horizontal=True, width="content", gap="xsmall", key="clusters:steps"):
            st.button(
                ":material/chevron_left:",
                key="clusters:back",
                on_click=step,
                args=(-1,),
                disabled=place == 0,
                help="The same kind, one layer closer to the input.",
            )
            st.button(
                ":material/chevron_right:",
                key="clusters:forth",
                on_click=step,
                args=(1,),
                disabled=place == len(layers) - 1,
                help="The same kind, one layer further from the input.",
            )
    return group


def from_knee(model: SpeechModel, group: UnitGroup) -> int | None:
    """How far the slider of K stands right of the knee, with which it goes until it is moved.

    None before it was drawn.
    """
    k = st.session_state.get(k_key(model, group))
    bend = st.session_state.get(_knee_key(model, group))
    return None if k is None or bend is None else int(k) - int(bend)


def _knee_key(model: SpeechModel, group: UnitGroup) -> str:
    """Holds the knee at which the slider was set, and with which it goes."""
    return widget_key(model, f"look-knee:{group.id}")


def choose_k(model: SpeechModel, group: UnitGroup, bend: int) -> int:
    """The K to look at, which starts at the knee and goes with it until somebody moves it."""
    slider_key, knee_key = k_key(model, group), _knee_key(model, group)
    if st.session_state.get(slider_key) == st.session_state.get(knee_key):
        st.session_state[slider_key] = bend
    st.session_state[knee_key] = bend
    st.slider(
        f"Clusters K of {group.n_units:,} units (knee at {bend:,})",
        min_value=1,
        # a slider cannot have one value only
        max_value=max(2, group.n_units),
        step=1,
        key=slider_key,
        persist_state="session",
        disabled=group.n_units == 1,
        help="To look only; the plan stays as it is until you take this K over.",
    )
    return min(group.n_units, int(st.session_state[slider_key]))


def _whole_cluster(units: np.ndarray, labels: np.ndarray) -> int | None:
    """The cluster that the units are, all of it and nothing else."""
    if not units.size or len(set(labels[units].tolist())) > 1:
        return None
    label = int(labels[units[0]])
    return label if len(units) == int((labels == label).sum()) else None


def choose_cluster(model: SpeechModel, group: UnitGroup, labels: np.ndarray) -> np.ndarray:
    """The units that are looked at: from the map, or a cluster from the list."""
    counts = np.bincount(labels)
    several = np.flatnonzero(counts > 1)
    order = several[np.argsort(-counts[several], kind="stable")][:MAX_LISTED].tolist()
    units = chosen_units_of(model, group, labels)
    if not units.size and len(order) == 1:
        units = np.flatnonzero(labels == order[0])
        choose_units(model, group, units.tolist()[:1])
    whole = _whole_cluster(units, labels)
    list_key = widget_key(model, "look-cluster")
    st.session_state[list_key] = whole if whole in order else None

    def pick() -> None:
        label = st.session_state[list_key]
        members = [] if label is None else np.flatnonzero(labels == label).tolist()
        choose_units(model, group, members[:1])

    if not order:
        st.caption("At K = n no units are merged: move the slider to the left.")
    else:
        listed = f", the {MAX_LISTED} largest" if len(several) > MAX_LISTED else ""
        st.selectbox(
            f"Clusters of two or more units ({len(several):,}{listed})",
            order,
            format_func=lambda label: f"Cluster {label}: {counts[label]:,} units",
            key=list_key,
            index=order.index(whole) if whole in order else None,
            placeholder=f"{len(units):,} chosen on the map" if units.size else "Choose one",
            on_change=pick,
        )
    if not units.size:
        st.caption("Choose a cluster here, or click on a point of the map.")
    return units
