"""A recipe leaves as JSON and comes back as the settings that it was made with."""

from collections.abc import Mapping

import streamlit as st

from analysis.compression.locked_allocation import allocate_around
from analysis.compression.tree_choice import TreeChoice
from analysis.errors import UserError
from analysis.models.speech_model import SpeechModel
from analysis.plan.choices import BY_TREES, MANUAL
from analysis.plan.compression_plan import CompressionPlan
from pages.planning.hearing import check_excitation, find_excitation
from pages.planning.settings import Settings, adopt, widget_key, write_setting
from pages.session.job_box import show_problem
from pages.session.session import Session
from pages.session.shelves import tree_key, tree_shelf, variances_of

_PROBLEM = "recipe"


def draw(
    model: SpeechModel, settings: Settings, n_clusters: Mapping[str, int], session: Session
) -> None:
    """Two ways with a recipe: take this one along, or load one."""
    with st.popover("Recipe", icon=":material/receipt_long:"):
        st.caption(
            "A recipe holds K of every group and all settings; with the same model it gives the"
            " same bits, here and from the command line."
        )
        if settings.recipe.components:
            st.download_button(
                "Download these settings (JSON)",
                settings.plan(model, n_clusters).to_json(),
                file_name="coalesce-recipe.json",
                mime="application/json",
                icon=":material/download:",
                on_click="ignore",
                width="stretch",
                key=widget_key(model, "recipe-download"),
            )
        version = st.session_state.setdefault("recipe:version", 0)
        key = f"recipe:upload:{version}"
        st.file_uploader(
            "Load a recipe",
            type="json",
            key=key,
            max_upload_size=5,
            on_change=lambda: _load(session, model, key),
        )


def show_problem_of(session: Session) -> None:
    """Why the last recipe was refused."""
    show_problem(session.jobs, _PROBLEM)


def _load(session: Session, model: SpeechModel, key: str) -> None:
    """Callback: adopt an uploaded recipe, or say why not."""
    file = st.session_state[key]
    if file is None:
        return
    session.jobs.problems.pop(_PROBLEM, None)
    # The file has been dealt with either way: the next uploader starts empty.
    st.session_state["recipe:version"] += 1
    try:
        plan = CompressionPlan.from_json(file.getvalue().decode("utf-8", errors="replace"))
        model.check_plan(plan)
        check_excitation(session, model, plan)
    except UserError as error:
        session.jobs.problems[_PROBLEM] = error
        return
    take_over(session, model, plan)
    st.toast("The recipe is loaded; press Compress to make the model.", icon=":material/check:")


def take_over(session: Session, model: SpeechModel, plan: CompressionPlan) -> None:
    """Edit a plan from here on: its settings, and its K; from a callback.

    K follow the plan's allocation where that gives the same ones around a few that are locked;
    else they are set by hand.
    """
    session.n_clusters[model.weight_hash] = dict(plan.n_clusters)
    locked = _locks_behind(session, model, plan)
    adopt(model, plan, MANUAL if locked is None else plan.recipe.allocation)
    write_setting(model, "locked", locked or {})


def _locks_behind(
    session: Session, model: SpeechModel, plan: CompressionPlan
) -> dict[str, int] | None:
    """The locks around which the plan's allocation, at the slider's whole percent, gives its K.

    Those furthest from what the allocation gives are taken to be locked, one after the other; None
    where half of the groups would be.
    """
    recipe = plan.recipe
    groups = model.groups_for(recipe.components)
    heard = find_excitation(session, model, recipe) if recipe.listens else None
    choice = TreeChoice.of(recipe, heard)
    trees = tree_shelf().find(tree_key(model, choice))
    if recipe.allocation == MANUAL or (recipe.allocation in BY_TREES and trees is None):
        return None
    locked: dict[str, int] = {}
    while len(locked) <= len(groups) / 2:
        allocated = allocate_around(
            groups,
            locked,
            sparsity=round(100 * recipe.sparsity) / 100,
            strategy=recipe.allocation,
            components=recipe.components,
            trees=trees,
            variances=variances_of(model),
            method=recipe.method,
        )
        off = {g.id: abs(allocated[g.id] - plan.n_clusters[g.id]) / g.n_units for g in groups}
        furthest = max(off, key=lambda name: off[name])
        if not off[furthest]:
            return locked
        locked[furthest] = plan.n_clusters[furthest]
    return None
