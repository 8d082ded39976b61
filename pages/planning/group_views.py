"""All groups at once on Compress: as a table, as error curves, under every strategy."""

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from analysis.clustering.merge_tree import MergeTree
from analysis.compression.allocation import achieved_sparsity
from analysis.compression.forecast import error_curve, forecast
from analysis.compression.locked_allocation import budget_miss
from analysis.figures.allocations import (
    STRATEGIES_HEIGHT,
    STRATEGY_STYLES,
    Curve,
    curves_height,
    error_multiples,
    strategy_lines,
)
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup, with_ranks
from analysis.plan.choices import MANUAL
from pages.planning.draft import Draft
from pages.planning.group_choice import select_group, selected_group
from pages.planning.group_editor import draw_selected, draw_selected_curve, draw_table
from pages.planning.settings import allocate_by, widget_key, write_setting
from pages.session.shelves import tree_key, variances_of
from pages.widgets.basics import figure
from pages.widgets.choices import choose_one
from pages.widgets.exports import draw_exports
from pages.widgets.formatting import count, percent
from pages.widgets.presented import scaled

TABLE, CURVES, STRATEGIES = "Table", "Error curves", "Allocations compared"

TABLE_WIDTH = 560
"""Pixels in which all columns of the table can be seen."""


def draw(draft: Draft) -> None:
    """The chosen view of all groups, under what is locked."""
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        st.header("Every group", width="content")
        view = choose_one(
            "View of every group",
            [TABLE, CURVES, STRATEGIES],
            key=widget_key(draft.model, "view"),
        )
    draw_locks(draft)
    if view == TABLE:
        # beside each other where there is room for the whole table, else below each other
        grid = st.grid(3, min_column_width=TABLE_WIDTH // 2, gap="medium")
        with grid.cell(column_span=2):
            draw_table(draft)
        with grid.cell():
            draw_selected(draft)
            draw_selected_curve(draft)
        return
    if draft.trees is None:
        height = STRATEGIES_HEIGHT if view == STRATEGIES else curves_height(draft.groups)
        with st.container(height=scaled(height), border=True):
            st.caption("This picture appears when the merge trees are built.")
        return
    if view == STRATEGIES:
        _strategies(draft, draft.trees)
        return
    _curves(draft, draft.trees)
    draw_selected(draft)


def draw_locks(draft: Draft) -> None:
    """How many groups are locked, and whether the others can meet the budget."""
    settings, locked = draft.settings, draft.settings.locked
    with st.container(horizontal=True, vertical_alignment="center"):
        if not locked:
            st.caption(
                "Set a K, or lock one, to hold it: the other groups then meet the budget in its"
                " stead."
            )
            return
        number = "1 group is" if len(locked) == 1 else f"{len(locked)} groups are"
        if settings.recipe.allocation == MANUAL:
            text = "choose an allocation, and the others meet its budget."
        else:
            text = "the others meet the budget."
            missed = budget_miss(
                draft.groups, draft.n_clusters, settings.recipe.sparsity, settings.recipe.components
            )
            if missed:
                over = "more than the budget allows" if missed > 0 else "fewer than asked for"
                text = (
                    f"**the others cannot make up for it: {count(abs(missed))} parameters"
                    f" {over} stay.**"
                )
        st.caption(f":material/lock: {number} locked; {text}", width="content")
        st.button(
            "Unlock all",
            key=widget_key(draft.model, "unlock-all"),
            type="tertiary",
            on_click=write_setting,
            args=(draft.model, "locked", {}),
        )


def _curves(draft: Draft, trees: Mapping[str, MergeTree]) -> None:
    """Error against K of all groups."""
    model, settings, groups = draft.model, draft.settings, draft.groups
    assert draft.expected is not None
    curves = _all_curves(
        (*tree_key(model, settings.trees), settings.recipe.method, settings.recipe.seed),
        model,
        trees,
        settings.recipe.method,
        settings.recipe.seed,
    )
    key = f"curves:{model.weight_hash[:16]}"

    def clicked() -> None:
        points = st.session_state[key]["selection"]["points"]
        if points:
            select_group(model, groups[int(points[0]["customdata"][0])].id)

    chart = error_multiples(
        groups,
        curves,
        draft.n_clusters,
        draft.expected.errors,
        selected=selected_group(model, groups).id,
        color=draft.color,
    )
    figure(
        chart,
        key=key,
        alt="Merge error against K of every group, a cell per layer; the K now is marked.",
        height=curves_height(groups),
        on_select=clicked,
        selection_mode="points",
    )
    left, right = st.columns([4, 1], vertical_alignment="center")
    thinned = max(groups, key=lambda group: group.n_units)
    drawn = len(curves[thinned.id][0])
    how = "every K" if drawn == thinned.n_units else f"{drawn} of {thinned.n_units:,} K"
    left.caption(
        f"A click on a curve selects its group. Drawn from {how} of each group of channels;"
        " the marks are exact."
    )
    with right.container(horizontal=True, horizontal_alignment="right"):
        rows = [
            {"group": name, "K": k, "merge_error": error}
            for name, curve in curves.items()
            for k, error in zip(*curve, strict=True)
        ]
        draw_exports("curves", {"error-curves": chart}, {"error-curves": pd.DataFrame(rows)})


@st.cache_data(show_spinner="Computing every group's error curve", max_entries=8)
def _all_curves(
    identity: Sequence[object],
    _model: SpeechModel,
    _trees: Mapping[str, MergeTree],
    method: str,
    seed: int,
) -> dict[str, Curve]:
    """Error curves by group id; `identity` stands for the model and its trees."""
    groups = {group.id: group for group in with_ranks(_model.groups)}
    return {
        name: error_curve(groups[name], tree, method, seed=seed) for name, tree in _trees.items()
    }


def _strategies(draft: Draft, trees: Mapping[str, MergeTree]) -> None:
    """What each group would keep under each allocation, at the same sparsity."""
    settings, groups = draft.settings, draft.groups
    variances = variances_of(draft.model)
    choices = {
        name: allocate_by(name, groups, settings, trees, variances) for name in STRATEGY_STYLES
    }
    errors = {
        name: forecast(trees, k, settings.recipe.method, seed=settings.recipe.seed).error
        for name, k in choices.items()
    }
    chart = strategy_lines(groups, choices, errors, draft.n_clusters, color=draft.color)
    figure(
        chart,
        key=f"strategies:{draft.model.weight_hash[:16]}",
        alt="Units kept by every group under each allocation, and as they are now.",
    )
    now = draft.expected.error if draft.expected else float("nan")
    rows = pd.DataFrame(
        {
            "Allocation": name,
            "Merge error (%)": 100 * error,
            "Achieved (%)": 100 * achieved_sparsity(groups, k),
            "Least kept (%)": 100 * min(k[g.id] / g.n_units for g in groups),
        }
        for name, k, error in (
            *((name, k, errors[name]) for name, k in choices.items()),
            ("now", draft.n_clusters, now),
        )
    )
    left, right = st.columns([4, 1], gap="large")
    left.dataframe(
        rows,
        hide_index=True,
        column_config={
            name: st.column_config.NumberColumn(format="%.2f")
            for name in rows.columns
            if name != "Allocation"
        },
        alt="Predicted merge error and achieved sparsity of each allocation.",
    )
    with right:
        draw_exports(
            "strategies",
            {"allocations": chart},
            {"allocations": rows, "allocations-k": _k_table(groups, choices, draft.n_clusters)},
        )
        st.caption(
            f"All asked for {percent(settings.recipe.sparsity, 0)}; locked groups keep their K."
        )


def _k_table(
    groups: Sequence[UnitGroup],
    choices: Mapping[str, Mapping[str, int]],
    present: Mapping[str, int],
) -> pd.DataFrame:
    """K of every group under every strategy."""
    return pd.DataFrame(
        {
            "group": group.id,
            "units": group.n_units,
            **{name: k[group.id] for name, k in choices.items()},
            "now": present[group.id],
        }
        for group in groups
    )
