"""Fit a budget on Compress: the sparsity slider goes where a size, a cost or a distance is met."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import streamlit as st

from analysis.compression.budget import fit_divergence, smallest_sparsity
from analysis.errors import UserError
from analysis.plan.budget import Budget
from analysis.plan.choices import BY_TREES, MANUAL
from analysis.plan.options import option_of
from analysis.progress import Watch
from pages.planning.draft import Draft
from pages.planning.settings import choose_n_clusters, widget_key, write_setting
from pages.session.jobs import Job
from pages.session.shelves import footprint_of, load_trees, tree_shelf, variances_of
from pages.widgets.formatting import percent

SLOT = "budget"
"""Of the job that measures, and of what could not be met."""


@dataclass(frozen=True, slots=True)
class _Limit:
    """A limit as the popover asks for it: a number, its unit in words, and as `Budget` reads it."""

    unit: str
    written: str
    first: float


_LIMITS: Mapping[str, _Limit] = {
    "max_size": _Limit("MB", "MB", 10.0),
    "max_parameters": _Limit("millions", "M", 3.0),
    "max_macs": _Limit("% of the original's", "%", 75.0),
    "max_divergence": _Limit("nats per word or frame", "", 0.1),
}


def draw(draft: Draft) -> None:
    """A popover beside the slider; sizes are met at once, a distance by a job."""
    model = draft.model
    trees_needed = draft.settings.recipe.allocation in BY_TREES and draft.trees is None
    by_hand = draft.settings.recipe.allocation == MANUAL
    with st.popover("Fit a budget", icon=":material/straighten:", disabled=by_hand or trees_needed):
        name = st.selectbox(
            "Limit",
            list(_LIMITS),
            format_func=lambda one: option_of(Budget, one).option.label,
            key=widget_key(model, "budget:limit"),
            filter_mode=None,
        )
        limit = _LIMITS[name]
        value = st.number_input(
            f"At most ({limit.unit})",
            min_value=0.001,
            value=limit.first,
            key=widget_key(model, f"budget:{name}"),
            help=option_of(Budget, name).option.help,
        )
        st.button(
            "Fit",
            icon=":material/straighten:",
            width="stretch",
            key=widget_key(model, "budget:fit"),
            on_click=_fit,
            args=(draft, name, value),
            help="Sets the sparsity slider to what meets the limit with the settings on show.",
        )


def _fit(draft: Draft, name: str, value: float) -> None:
    """Callback: set the slider, or start the job that finds where it should be."""
    session, model, settings = draft.session, draft.model, draft.settings
    by_variance = settings.recipe.allocation.startswith("variance")
    variances = variances_of(model) if by_variance else None
    shelf = tree_shelf()
    session.jobs.problems.pop(SLOT, None)

    def n_clusters(sparsity: float) -> Mapping[str, int]:
        recipe = settings.recipe.changed(sparsity=sparsity)
        wanted = replace(settings, recipe=recipe)
        return choose_n_clusters(draft.groups, wanted, draft.trees, variances, None)

    def found(sparsity: float) -> None:
        write_setting(model, "sparsity", round(100 * sparsity))
        st.toast(f"{percent(sparsity, 0)} sparsity meets it.", icon=":material/check:")

    if name != "max_divergence":
        budget = Budget.read({name: f"{value:.6f}{_LIMITS[name].written}"})
        try:
            found(smallest_sparsity(model, budget, n_clusters, footprint_of(model)))
        except UserError as error:
            session.jobs.problems[SLOT] = error
        return

    def work(watch: Watch) -> float:
        trees = load_trees(shelf, model, settings.trees, watch)
        return fit_divergence(
            model,
            value,
            lambda sparsity: replace(
                settings, recipe=settings.recipe.changed(sparsity=sparsity)
            ).plan(model, n_clusters(sparsity)),
            trees=trees,
            excitation=settings.heard,
            watch=watch,
        )

    session.jobs.start(SLOT, Job("Fitting a budget", work, found))
