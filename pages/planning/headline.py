"""What the plan on show means: the sentence that writes itself, and its numbers."""

import math

import streamlit as st

from analysis.compression.allocation import achieved_sparsity
from analysis.models.footprint import Footprint
from analysis.models.unit_groups import UNIT_NAMES
from pages.planning.draft import Draft
from pages.planning.settings import MANUAL
from pages.widgets.formatting import count, error_percent, listed, percent, size

_VERBS = {
    "cluster": "Merge",
    "magnitude": "Drop the smallest",
    "surgeon": "Take out the most replaceable",
    "random": "Drop a random",
}
"""How the page's sentence begins; a method without a verb is named."""

METRIC_WIDTH = 200
"""Pixels of a number with its name: none is cut on a projector."""


def sentence(draft: Draft, base: Footprint, cost: Footprint | None, *, whole: bool) -> str:
    """The page's answer as Markdown; without a cost K is still being computed.

    Parameters
    ----------
    draft : Draft
    base : Footprint
        Of the original.
    cost : Footprint or None
        Of the model that the plan makes.
    whole : bool
        Whether the recipe and the predicted error are part of it.
    """
    recipe = draft.settings.recipe
    verb = _VERBS.get(recipe.method, f"Remove by {recipe.method}")
    amount = "the units set by hand" if recipe.allocation == MANUAL else percent(recipe.sparsity, 0)
    kinds = listed([name for kind, name in UNIT_NAMES.items() if kind in recipe.components])
    said = f"{verb} {amount} of {kinds or 'nothing'}"
    if recipe.repair == "refit":
        said += ", and fit the others to take over their work"
    if whole:
        said += f" ({recipe.allocation} allocation, distance: {recipe.distance})"
    said += f": **{count(base.parameters)} → {count(cost.parameters) if cost else '…'} parameters**"
    if whole:
        error = error_percent(draft.expected.error) if draft.expected else "being computed"
        said += f", predicted merge error **{error}**"
    return f"{said}."


def draw_headline(draft: Draft, base: Footprint, cost: Footprint | None, *, preview: bool) -> None:
    """One number, and the group that is hit hardest.

    Parameters
    ----------
    draft : Draft
    base : Footprint
        Of the original.
    cost : Footprint or None
        Of the model that the plan makes.
    preview : bool
        Whether K follows from the weights while the recipe still listens: another group may be
        hit hardest then.
    """
    hit = min(draft.groups, key=lambda group: draft.n_clusters[group.id] / group.n_units)
    kept = draft.n_clusters[hit.id] / hit.n_units
    grid = st.grid(2, min_column_width=METRIC_WIDTH)
    _metric(
        grid,
        "Smaller by",
        percent(1 - cost.bytes / base.bytes) if cost else "…",
        f"{size(base.bytes)} → {size(cost.bytes) if cost else '…'}",
        "Bytes of the weights of the whole model, in their dtype.",
    )
    _metric(
        grid,
        "Hit hardest (preview)" if preview else "Hit hardest",
        f"{percent(kept)} kept" if cost else "…",
        (hit.title if kept < 1 else "no group: all keep their units") if cost else "…",
        "The layer that keeps the smallest share of its heads or channels.",
    )


def draw_metrics(draft: Draft, base: Footprint, cost: Footprint | None) -> None:
    """What the plan saves: sizes, and the share of the units that goes."""
    grid = st.grid(4, min_column_width=METRIC_WIDTH)
    for label, name, text, help_text in (
        (
            "Parameters",
            "parameters",
            count,
            "Unique parameters of the whole model; tied ones count once.",
        ),
        ("Size", "bytes", size, "Bytes of the weights, in their dtype."),
        (
            "MACs/s of audio",
            "macs",
            count,
            "Multiply-accumulates, encoder and decoder, at a usual rate of speech.",
        ),
    ):
        now = getattr(cost, name) if cost else None
        was = f"from {text(getattr(base, name))}"
        _metric(grid, label, "…" if now is None else text(now), was, help_text)
    removed = achieved_sparsity(draft.groups, draft.n_clusters) if cost else math.nan
    _metric(
        grid,
        "Removed",
        percent(removed) if cost else "…",
        "of heads and channels",
        "Achieved sparsity: the share of the heads' and channels' parameters that goes. Heads are"
        " few, so it differs from what is asked for. The predicted merge error in the sentence"
        " above is the squared distance of all units to what replaces them, over the squared norm"
        " of all units, under the chosen distance: of weights, or of what units add to the"
        " residual stream.",
    )


def _metric(
    grid: st.delta_generator.DeltaGenerator, label: str, value: str, under: str, help_text: str
) -> None:
    grid.metric(label, value, delta_description=under, border=True, help=help_text)
