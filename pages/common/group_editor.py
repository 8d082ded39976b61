"""K by hand: the table of all groups, and one group with its slider and error curve."""

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from analysis.checkpoints import SpeechModel
from analysis.clustering import MergeTree
from analysis.errors import UserError
from analysis.figures import error_curve as draw_error_curve
from analysis.forecast import Forecast, error_curve
from analysis.units import BLOCK_TITLES, UnitGroup
from pages.common.controls import MANUAL, Settings, widget_key, write_setting
from pages.common.formatting import count, percent
from pages.common.session import Session
from pages.common.widgets import figure, show_problem

TABLE_HEIGHT = 460

_PROBLEM = "k"


def selected_group(model: SpeechModel, groups: Sequence[UnitGroup]) -> UnitGroup:
    """The group that the slider is for."""
    chosen = st.session_state.get(widget_key(model, "group"))
    return next((group for group in groups if group.id == chosen), groups[0])


def select_from_chart(model: SpeechModel) -> None:
    """Callback of the chart: a bar that is clicked selects its group."""
    event = st.session_state[f"kept:{model.weight_hash[:16]}"]
    points = event["selection"]["points"]
    if points:
        st.session_state[widget_key(model, "group")] = points[0]["customdata"][0]


def take_edits(session: Session, model: SpeechModel, groups: Sequence[UnitGroup]) -> None:
    """Take over the cells of the table that were changed; refuse what no group can have.

    Called before anything is drawn, for everything on the page follows from K.
    """
    key = _table_key(model)
    state = st.session_state.get(key)
    if state is None:
        return
    before = session.n_clusters[model.weight_hash]
    edited = {row: cells["K"] for row, cells in state["edited_rows"].items() if "K" in cells}
    seen = st.session_state.get(f"{key}:seen", {})
    changes: dict[str, int] = {}
    for row, k in edited.items():
        group = groups[row]
        if row in seen and seen[row] == k:
            continue
        session.jobs.problems.pop(_PROBLEM, None)
        if k is not None and 1 <= k <= group.n_units and k == int(k):
            changes[group.id] = int(k)
        else:
            session.jobs.problems[_PROBLEM] = UserError(
                f"K = {k} is out of range for {group.title}.",
                f"Choose a whole number from 1 to {group.n_units}; K stays {before[group.id]}.",
            )
    st.session_state[f"{key}:seen"] = edited
    if changes:
        _set_k(session, model, changes)


def draw(
    session: Session,
    model: SpeechModel,
    groups: Sequence[UnitGroup],
    n_clusters: Mapping[str, int],
    trees: Mapping[str, MergeTree] | None,
    expected: Forecast | None,
    settings: Settings,
    color: str,
) -> None:
    """The table beside the selected group."""
    st.subheader("Every group")
    left, right = st.columns([1.9, 1], gap="large")
    with left:
        _table(session, model, groups, n_clusters, expected)
    with right:
        _one_group(session, model, groups, n_clusters, trees, expected, settings, color)


def _set_k(session: Session, model: SpeechModel, changes: Mapping[str, int]) -> None:
    """Take over K set by hand, before widgets are drawn; the other groups keep theirs."""
    before = session.n_clusters[model.weight_hash]
    session.n_clusters[model.weight_hash] = {**before, **changes}
    write_setting(model, "allocation", MANUAL)


def _table_key(model: SpeechModel) -> str:
    version = st.session_state.setdefault(widget_key(model, "table-version"), 0)
    return f"{widget_key(model, 'table')}:{version}"


def _table(
    session: Session,
    model: SpeechModel,
    groups: Sequence[UnitGroup],
    n_clusters: Mapping[str, int],
    expected: Forecast | None,
) -> None:
    key = _table_key(model)
    if _outdated(st.session_state.get(key), groups, n_clusters):
        # An edit that no longer holds would be drawn over the data: only a new table forgets it.
        st.session_state[widget_key(model, "table-version")] += 1
        key = _table_key(model)
    rows = [
        {
            "Group": f"{group.stack.capitalize()} {BLOCK_TITLES[group.block]}",
            "Layer": group.layer,
            "Units n": group.n_units,
            "K": n_clusters[group.id],
            "Kept": 100 * n_clusters[group.id] / group.n_units,
            "Weight error": 100 * expected.errors[group.id] if expected else None,
            "Saved": (group.n_units - n_clusters[group.id]) * group.parameters_per_unit,
        }
        for group in groups
    ]
    numbers = st.column_config.NumberColumn
    st.data_editor(
        pd.DataFrame(rows).astype({"Weight error": float}),
        key=key,
        height=TABLE_HEIGHT,
        hide_index=True,
        disabled=["Group", "Layer", "Units n", "Kept", "Weight error", "Saved"],
        column_config={
            "Group": st.column_config.TextColumn(width=195),
            "Layer": numbers(width=50, help="Counted from the input, from 0."),
            "Units n": numbers("n", format="localized", width=58, help="Units of the original."),
            "K": numbers(
                "K ✎",
                format="localized",
                min_value=1,
                max_value=max(group.n_units for group in groups),
                step=1,
                required=True,
                width=72,
                help="Units afterwards, 1 to n. Double-click to change; allocation becomes manual.",
            ),
            "Kept": numbers("Kept (%)", format="%.1f", width=65),
            "Weight error": numbers(
                "Error (%)",
                format="%.2f",
                width=68,
                help="Predicted weight error, of the squared norm of the group's units.",
            ),
            "Saved": numbers("Saved", format="compact", width=62, help="Parameters."),
        },
        alt="All unit groups with their K, editable.",
    )
    show_problem(session.jobs, _PROBLEM)


def _slider_key(model: SpeechModel, group: UnitGroup, k: int) -> str:
    """Key of the slider that stands at K.

    Where K was changed by anything but the slider, a new slider takes its place: the browser may
    send the old one's position once more, and that must not be taken for a hand on the slider.
    """
    key = _current_slider_key(model, group)
    if st.session_state.setdefault(key, k) != k:
        st.session_state[widget_key(model, f"k-version:{group.id}")] += 1
        key = _current_slider_key(model, group)
        st.session_state[key] = k
    return key


def _current_slider_key(model: SpeechModel, group: UnitGroup) -> str:
    version = st.session_state.setdefault(widget_key(model, f"k-version:{group.id}"), 0)
    return f"{widget_key(model, f'k:{group.id}')}:{version}"


def _outdated(
    state: Mapping[str, Mapping[int, Mapping[str, int | None]]] | None,
    groups: Sequence[UnitGroup],
    n_clusters: Mapping[str, int],
) -> bool:
    """Whether a cell edited earlier shows another K than the one that holds."""
    edited = state["edited_rows"] if state else {}
    return any(
        "K" in cells and cells["K"] != n_clusters[groups[row].id] for row, cells in edited.items()
    )


def _one_group(
    session: Session,
    model: SpeechModel,
    groups: Sequence[UnitGroup],
    n_clusters: Mapping[str, int],
    trees: Mapping[str, MergeTree] | None,
    expected: Forecast | None,
    settings: Settings,
    color: str,
) -> None:
    by_id = {group.id: group for group in groups}
    chosen = by_id[
        st.selectbox(
            "Selected group",
            list(by_id),
            format_func=lambda name: by_id[name].title,
            key=widget_key(model, "group"),
            persist_state="session",
            help="A click on a bar above selects its group, too.",
        )
    ]
    k = n_clusters[chosen.id]
    key = _slider_key(model, chosen, k)

    def moved() -> None:
        now = session.n_clusters[model.weight_hash][chosen.id]
        if key == _current_slider_key(model, chosen) and st.session_state[key] != now:
            _set_k(session, model, {chosen.id: st.session_state[key]})

    st.slider(
        f"K of {chosen.n_units:,}",
        min_value=1,
        # A slider cannot have one value only; a group of one unit gets one that stays put.
        max_value=max(2, chosen.n_units),
        step=1,
        key=key,
        disabled=chosen.n_units == 1,
        on_change=moved,
        help="Clusters that the group's units fall into; moving it makes the allocation manual.",
    )
    saved = (chosen.n_units - k) * chosen.parameters_per_unit
    error = percent(expected.errors[chosen.id], 2) if expected else "…"
    st.markdown(
        f"**{percent(k / chosen.n_units)}** kept · **{count(saved)}** of"
        f" {count(chosen.n_parameters)} parameters saved · weight error **{error}**"
    )
    if trees is None or expected is None:
        st.caption("The error curve appears when the merge trees are built.")
        return
    points, errors = error_curve(chosen, trees[chosen.id], settings.method, seed=settings.seed)
    figure(
        draw_error_curve(
            chosen,
            points,
            errors,
            current=k,
            current_error=expected.errors[chosen.id],
            color=color,
        ),
        key=f"curve:{model.weight_hash[:16]}",
        alt=f"Weight error of {chosen.title} against K; the chosen K is marked.",
    )
