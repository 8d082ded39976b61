"""K by hand: the table of all groups, and one group with its slider, lock and error curve."""

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from analysis.clustering.merge_tree import MergeTree
from analysis.compression.forecast import error_curve
from analysis.compression.worth import position_of, worth_of
from analysis.errors import UserError
from analysis.figures.kept_units import error_curve_chart
from analysis.figures.worth import worth_curve
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import BLOCK_TITLES, UnitGroup, unit_parameters
from analysis.plan.choices import END_TO_END
from pages.planning.draft import Draft
from pages.planning.group_choice import pick_group, selected_group
from pages.planning.locks import set_k, set_lock
from pages.planning.settings import read_settings, widget_key
from pages.session.job_box import show_problem
from pages.session.session import Session
from pages.widgets.basics import figure
from pages.widgets.exports import draw_exports
from pages.widgets.formatting import count

TABLE_HEIGHT = 460

_PROBLEM = "k"

_EDITABLE = ("K", "Lock")


def take_edits(session: Session, model: SpeechModel, groups: Sequence[UnitGroup]) -> None:
    """Take over the cells of the table that were changed; refuse what no group can have.

    Called before anything is drawn, for everything on the page follows from K.
    """
    key = _table_key(model, groups)
    state = st.session_state.get(key)
    if state is None:  # not on show: what it showed is forgotten
        st.session_state.pop(f"{key}:seen", None)
        return
    before = session.n_clusters[model.weight_hash]
    edited = {
        (row, name): cells[name]
        for row, cells in state["edited_rows"].items()
        for name in _EDITABLE
        if name in cells
    }
    seen = st.session_state.get(f"{key}:seen", {})
    fresh = {
        cell: value for cell, value in edited.items() if cell not in seen or seen[cell] != value
    }
    st.session_state[f"{key}:seen"] = edited
    stock = read_settings(model).stock
    changes: dict[str, int] = {}
    for (row, name), value in fresh.items():
        group = groups[row]
        if name == "Lock":
            continue
        session.jobs.problems.pop(_PROBLEM, None)
        if stock and group.component == "heads":
            session.jobs.problems[_PROBLEM] = UserError(
                "Stock classes hold all heads; K of heads stays.",
                "Change FFN channels, or switch “Stock classes only” off.",
            )
        elif value is not None and 1 <= value <= group.n_units and value == int(value):
            changes[group.id] = int(value)
        else:
            session.jobs.problems[_PROBLEM] = UserError(
                f"K = {value} is out of range for {group.title}.",
                f"Choose a whole number from 1 to {group.n_units}; K stays {before[group.id]}.",
            )
    if changes:
        set_k(session, model, changes)
    for (row, name), value in fresh.items():
        if name == "Lock":
            set_lock(session, model, groups[row].id, bool(value))


def draw_table(draft: Draft) -> None:
    """All groups, K and lock editable."""
    model, groups, expected = draft.model, draft.groups, draft.expected
    key = _table_key(model, groups)
    if _outdated(st.session_state.get(key), draft):
        # An edit that no longer holds would be drawn over the data: only a new table forgets it.
        st.session_state[widget_key(model, "table-version")] += 1
        key = _table_key(model, groups)
    rows = pd.DataFrame(
        {
            "Group": f"{group.stack.capitalize()} {BLOCK_TITLES[group.block]}",
            "Layer": group.layer,
            "Units n": group.n_units,
            "K": draft.n_clusters[group.id],
            "Lock": group.id in draft.settings.locked,
            "Merge error": 100 * expected.errors[group.id] if expected else None,
            "Kept": 100 * draft.n_clusters[group.id] / group.n_units,
            "Saved": (group.n_units - draft.n_clusters[group.id])
            * unit_parameters(group, draft.n_clusters),
        }
        for group in groups
    ).astype({"Merge error": float})
    measured = _output_errors(draft)
    if measured:
        whole = {g.id: 0.0 for g in groups if draft.n_clusters[g.id] == g.n_units}
        errors = pd.Series([(measured | whole).get(g.id) for g in groups], dtype=float)
        rows.insert(6, "Output error", 100 * errors)
    hidden = {"Kept"} if measured else set()
    if draft.settings.stock:  # no group has a lock of its own
        hidden.add("Lock")
    numbers = st.column_config.NumberColumn
    st.data_editor(
        rows,
        key=key,
        height=TABLE_HEIGHT,
        hide_index=True,
        column_order=[name for name in rows.columns if name not in hidden],
        disabled=[name for name in rows.columns if name not in _EDITABLE],
        column_config={
            "Group": st.column_config.TextColumn(width=180),
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
                help="Units afterwards, 1 to n. Double-click to change: the group is then locked"
                " at it.",
            ),
            "Lock": st.column_config.CheckboxColumn(
                width=62, help="Holds this K: the other groups meet the budget in its stead."
            ),
            "Kept": numbers("Kept (%)", format="%.1f", width=65),
            "Output error": numbers(
                "Measured (%)",
                format="%.2f",
                width=96,
                help="Measured in the variant with these settings, after its repair, on the sound"
                " that it listened to: the variance of what the group's output misses, over the"
                " variance of the original's output.",
            ),
            "Merge error": numbers(
                "Error (%)",
                format="%.2f",
                width=68,
                help="Predicted merge error, of the squared norm of the group's units.",
            ),
            "Saved": numbers("Saved", format="compact", width=62, help="Parameters."),
        },
        alt="All unit groups with their K and lock, editable.",
    )
    show_problem(draft.session.jobs, _PROBLEM)
    draw_exports("groups", {}, {"unit-groups": rows.assign(Group=[g.id for g in groups])})


def draw_selected(draft: Draft) -> None:
    """The selected group: which it is, its K and its lock."""
    session, model = draft.session, draft.model
    chosen = pick_group(
        model, draft.groups, "Selected group", "A click on a bar above selects its group, too."
    )
    k = draft.n_clusters[chosen.id]
    key = _slider_key(model, chosen, k)

    def moved() -> None:
        now = session.n_clusters[model.weight_hash][chosen.id]
        if key == _current_slider_key(model, chosen) and st.session_state[key] != now:
            set_k(session, model, {chosen.id: st.session_state[key]})

    if obstacle := _why_k_stays(draft, chosen):
        st.caption(obstacle)
    else:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.slider(
                f"K of {chosen.n_units:,}",
                min_value=1,
                max_value=chosen.n_units,
                value=k,
                step=1,
                key=key,
                on_change=moved,
                help="Clusters that the group's units fall into. When you let go of it, the group"
                " is locked at that K, and the other groups meet the budget in its stead.",
            )
            _lock_button(draft, chosen)
    saved = (chosen.n_units - k) * chosen.parameters_per_unit
    st.markdown(f"**{count(saved)}** of {count(chosen.n_parameters)} parameters saved")


def _why_k_stays(draft: Draft, group: UnitGroup) -> str:
    """Why a group's K cannot be set by hand; empty where it can."""
    if draft.settings.stock and group.component == "heads":
        return "Stock classes hold all heads, so K of heads stays."
    return "A group of one unit keeps it." if group.n_units == 1 else ""


def draw_selected_curve(draft: Draft) -> None:
    """The selected group's error against K; where the words decide about K, their curve, too."""
    if draft.trees is None or draft.expected is None:
        st.caption("The error curve appears when the merge trees are built.")
        return
    settings, chosen = draft.settings, selected_group(draft.model, draft.groups)
    points, errors = error_curve(
        chosen, draft.trees[chosen.id], settings.recipe.method, seed=settings.recipe.seed
    )
    figure(
        error_curve_chart(
            chosen,
            points,
            errors,
            current=draft.n_clusters[chosen.id],
            current_error=draft.expected.errors[chosen.id],
            color=draft.color,
        ),
        key=f"curve:{draft.model.weight_hash[:16]}",
        alt=f"Merge error of {chosen.title} against K; the chosen K is marked.",
    )
    if settings.recipe.allocation == END_TO_END:
        _draw_worth(draft, chosen, draft.trees[chosen.id])


def _draw_worth(draft: Draft, group: UnitGroup, tree: MergeTree) -> None:
    """What each K of a group costs in the model's words, by which its K was chosen."""
    figure(
        worth_curve(
            group,
            {group.id: worth_of(tree)},
            position=position_of(draft.model),
            current=draft.n_clusters[group.id],
            color=draft.color,
        ),
        key=f"worth:{draft.model.weight_hash[:16]}",
        alt=f"How far the words move against the units that {group.title} keep.",
    )


def _lock_button(draft: Draft, group: UnitGroup) -> None:
    """Locks the selected group, or unlocks it."""
    locked = group.id in draft.settings.locked
    st.button(
        "Unlock" if locked else "Lock",
        icon=":material/lock:" if locked else ":material/lock_open:",
        key=widget_key(draft.model, "lock"),
        type="primary" if locked else "secondary",
        on_click=set_lock,
        args=(draft.session, draft.model, group.id, not locked),
        help="A locked group keeps its K, and the other groups meet the budget in its stead."
        " With stock classes it is the whole stack.",
    )


def _output_errors(draft: Draft) -> dict[str, float]:
    """What was measured of the variant with just this plan, by group id."""
    made = draft.made.groups.values() if draft.made else ()
    return {g.group.id: g.output_error for g in made if g.output_error is not None}


def _table_key(model: SpeechModel, groups: Sequence[UnitGroup]) -> str:
    """Key of the table; one with other groups is another table, in which no cell was edited."""
    version = st.session_state.setdefault(widget_key(model, "table-version"), 0)
    return f"{widget_key(model, 'table')}:{len(groups)}:{version}"


def _slider_key(model: SpeechModel, group: UnitGroup, k: int) -> str:
    """Key of the slider that stands at K.

    Where K was changed by anything but the slider, a new slider takes its place, which starts at
    K: the browser may send the old one's position once more, and that must not be taken for a hand
    on the slider.
    """
    key, drawn = _current_slider_key(model, group), widget_key(model, f"k-drawn:{group.id}")
    if st.session_state.get(key, st.session_state.get(drawn, k)) != k:
        st.session_state[widget_key(model, f"k-version:{group.id}")] += 1
        key = _current_slider_key(model, group)
    st.session_state[drawn] = k
    return key


def _current_slider_key(model: SpeechModel, group: UnitGroup) -> str:
    version = st.session_state.setdefault(widget_key(model, f"k-version:{group.id}"), 0)
    return f"{widget_key(model, f'k:{group.id}')}:{version}"


def _outdated(
    state: Mapping[str, Mapping[int, Mapping[str, int | bool | None]]] | None, draft: Draft
) -> bool:
    """Whether a cell edited earlier shows another K or lock than the one that holds."""
    for row, cells in (state["edited_rows"] if state else {}).items():
        name = draft.groups[row].id
        holds = {"K": draft.n_clusters[name], "Lock": name in draft.settings.locked}
        if any(cells[field] != holds[field] for field in _EDITABLE if field in cells):
            return True
    return False
