"""A plan by weights alone, there in a moment, while the recipe's own trees still listen."""

from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from analysis.clustering.merge_tree import MergeTree
from analysis.compression.effort import about
from analysis.compression.tree_choice import TreeChoice
from analysis.models.speech_model import SpeechModel
from analysis.plan.choices import BY_TREES, LISTENING, RANKS
from analysis.progress import Watch
from pages.planning.settings import Settings, allocate_by, widget_key
from pages.session.jobs import Job
from pages.session.session import Session
from pages.session.shelves import load_trees, tree_key, tree_shelf
from pages.widgets.formatting import seconds

SLOT = "preview"


def by_weights(settings: Settings) -> Settings:
    """The same, but units are compared by weights, and merged."""
    recipe = settings.recipe.changed(
        distance="weights", method="cluster", allocation="distortion", swaps=False
    )
    return replace(settings, recipe=recipe)


def find_preview(
    session: Session, model: SpeechModel, settings: Settings, awaited: str
) -> Mapping[str, MergeTree] | None:
    """Trees by weights, where the recipe listens; starts building them where there are none yet.

    Parameters
    ----------
    session : Session
    model : SpeechModel
    settings : Settings
        Whose own trees are being built.
    awaited : str
        Slot of the job that builds them; its page is drawn anew when the preview is there.

    Returns
    -------
    mapping of str to MergeTree, or None
    """
    if settings.recipe.distance not in LISTENING:  # its own trees are there as soon
        return None
    shelf, jobs, choice = tree_shelf(), session.jobs, by_weights(settings).trees.bare
    found = shelf.find(tree_key(model, choice))
    if found is not None or jobs.running(SLOT) is not None or SLOT in jobs.problems:
        return found
    better = jobs.running(awaited)

    def work(watch: Watch) -> None:
        load_trees(shelf, model, choice, watch)
        if better is not None:
            better.parts.one_is_ready()

    # a lane of its own: the trees that listen are at work in the other one
    job = Job("Previewing by weights", work, lambda nothing: None, by_itself=True)
    jobs.start(SLOT, job, lane="measure")
    return shelf.find(tree_key(model, choice))


def preview_n_clusters(
    model: SpeechModel, settings: Settings, trees: Mapping[str, MergeTree]
) -> dict[str, int] | None:
    """K by group id as the cheapest merges by weights have it; None where K needs no trees.

    Ranks all stay: weights alone do not tell which of them matter.
    """
    if settings.recipe.allocation not in BY_TREES:
        return None
    merged = tuple(name for name in settings.recipe.components if name != RANKS)
    recipe = settings.recipe.changed(method="cluster", components=merged)
    merging = replace(settings, recipe=recipe)
    return allocate_by(
        "distortion", model.groups_for(settings.recipe.components), merging, trees, None
    )


def draw_sources(
    model: SpeechModel, settings: Settings, *, ready: bool, preview: bool, foreseen: float
) -> None:
    """One line: what the numbers on show come from, and how long each takes or took.

    Parameters
    ----------
    model : SpeechModel
    settings : Settings
    ready : bool
        Whether the recipe's own trees are there.
    preview : bool
        Whether the numbers are those of the preview.
    foreseen : float
        Seconds that the recipe listens.
    """
    distance = settings.recipe.distance
    listens = distance in LISTENING
    icon = ":material/hearing:" if listens else ":material/bolt:"
    if ready:
        text = f"{icon} By {distance}, {_took(model, settings.trees)}"
    elif not listens:
        text = f"{icon} By {distance}: being computed"
    else:
        first = (
            f"**Preview by weights**, {_took(model, by_weights(settings).trees)}"
            if preview
            else "A preview by weights comes in a moment"
        )
        text = f":material/bolt: {first} · {icon} by {distance}: {about(foreseen)}"
    st.caption(text)


def tell_change(model: SpeechModel, settings: Settings, *, ready: bool, k: int) -> None:
    """Say so when the recipe's own clusters take the place of those by weights.

    Parameters
    ----------
    model : SpeechModel
    settings : Settings
    ready : bool
        Whether the recipe's own are on show.
    k : int
        How many are on show now.
    """
    key = widget_key(model, "previewed")
    previewed = st.session_state.get(key, False)
    st.session_state[key] = not ready
    if ready and previewed:
        st.toast(
            f"These are the clusters by {settings.recipe.distance} now: {k:,} of them.",
            icon=":material/published_with_changes:",
            duration="long",
        )


def _took(model: SpeechModel, choice: TreeChoice) -> str:
    shelf = tree_shelf()
    keys = [tree_key(model, choice), tree_key(model, choice.bare)]
    there = next(key for key in keys if shelf.find(key) is not None)
    return f"took {seconds(shelf.seconds(there))}"
