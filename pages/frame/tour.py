"""The guided tour: four steps from variance to hearing the difference, above the pages."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from analysis.clustering.curves import knee, redundancy
from analysis.clustering.merge_tree import MergeTree
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from pages.exploring.cluster_selection import ONE_GROUP, VIEW_KEY
from pages.exploring.measurements import STATISTIC_KEY
from pages.planning.settings import read_settings, widget_key, write_setting
from pages.session.session import Session
from pages.session.shelves import tree_key, tree_shelf
from pages.widgets.basics import primary_button
from pages.widgets.formatting import error_percent

TOUR_KEY = "tour:step"
TOUR_SPARSITY = 30  # percent; enough to be heard
BOX_HEIGHT = 154
"""Pixels; the same in every step, so that the page under it stays where it is."""


@dataclass(frozen=True, slots=True)
class TourStep:
    """One stop of the tour.

    Parameters
    ----------
    page : str
        File that it belongs to.
    title : str
    text : callable
        What to do and to see there, from the loaded model's own numbers.
    prepare : callable
        Sets what the page shall show; called from the button that leads there.
    """

    page: str
    title: str
    text: Callable[[Session, SpeechModel], str]
    prepare: Callable[[SpeechModel], None]


def draw(session: Session, model: SpeechModel, page: str) -> None:
    """The present step, where a tour is under way.

    Parameters
    ----------
    session : Session
    model : SpeechModel
        The one in use.
    page : str
        Title of the page that is shown.
    """
    number = st.session_state.get(TOUR_KEY)
    if number is None:
        return
    step = STEPS[number]
    there = step.page == f"pages/{page.lower()}.py"
    with st.container(border=True, height=BOX_HEIGHT, key="tour"):
        words, buttons = st.columns([4, 1], vertical_alignment="center")
        with words:
            st.markdown(f":small[Tour, step {number + 1} of {len(STEPS)}]  **{step.title}**")
            text = step.text(session, model)
            st.markdown(text if there else "The tour waits where you left it.")
        with buttons:
            _buttons(model, number, there)


def _buttons(model: SpeechModel, number: int, there: bool) -> None:
    last = number + 1 == len(STEPS)
    if not there:
        if primary_button("Back to the tour", "undo", key="tour:back", width="stretch"):
            st.switch_page(STEPS[number].page)
    elif not last and primary_button(
        "Next step", "arrow_forward", key="tour:next", width="stretch"
    ):
        go_to(model, number + 1)
    st.button(
        "Finish" if last and there else "End the tour",
        key="tour:end",
        on_click=lambda: st.session_state.pop(TOUR_KEY),
        width="stretch",
    )


def go_to(model: SpeechModel, number: int) -> None:
    """Prepare a step and switch to its page."""
    st.session_state[TOUR_KEY] = number
    STEPS[number].prepare(model)
    st.switch_page(STEPS[number].page)


def _known_trees(model: SpeechModel) -> Mapping[str, MergeTree] | None:
    settings = read_settings(model)
    return tree_shelf().find(tree_key(model, settings.trees))


def most_redundant(groups: Sequence[UnitGroup], trees: Mapping[str, MergeTree] | None) -> UnitGroup:
    """The group of channels whose half stands best for all; the first one while trees grow."""
    channels = [group for group in groups if group.component == "ffn"] or list(groups)
    if trees is None:
        return channels[0]
    return max(channels, key=lambda group: redundancy(trees[group.id]))


def _on_variance(session: Session, model: SpeechModel) -> str:
    return (
        "Rows are layers, the input at the top; columns are their matrices. The colour says how"
        " alike each unit and its nearest neighbour are: **where it is bright, units repeat"
        " themselves.** Click on a cell to see its numbers."
    )


def _on_clusters(session: Session, model: SpeechModel) -> str:
    trees = _known_trees(model)
    if trees is None:
        return "The merge trees are being built; then every K answers at once."
    group = most_redundant(model.groups, trees)
    tree = trees[group.id]
    bend = knee(tree)
    error = tree.inertia(bend) / (tree.total or 1.0)
    return (
        f"**{group.title}** are the most redundant channels here: {bend:,} clusters, its knee, hold"
        f" its {group.n_units:,} units with an error of {error_percent(error)}. **Drag K to the"
        " left** and see the error grow; click on a point to see what falls together with it."
    )


def _on_compress(session: Session, model: SpeechModel) -> str:
    if session.variants:
        return (
            f"There it is, in the sidebar: **{len(session.variants)} variant"
            f"{'s' if len(session.variants) > 1 else ''}** of the model. Now listen to it."
        )
    return (
        f"The slider stands at {TOUR_SPARSITY} %: that share of all heads and channels will be"
        " merged into their neighbours. The line above it says what remains. **Press Compress**;"
        " it takes no data and no training."
    )


def _on_transcribe(session: Session, model: SpeechModel) -> str:
    return (
        "**Choose a bundled clip**, or speak into the microphone. Original and variant write what"
        " they hear, side by side; S, D and I mark words substituted, deleted and inserted. Then"
        " go back to Compress, move the slider, and find where the words break."
    )


def _show_similarity(model: SpeechModel) -> None:
    st.session_state[STATISTIC_KEY] = "nearest_cosine"


def _select_channels(model: SpeechModel) -> None:
    group = most_redundant(model.groups, _known_trees(model))
    st.session_state[widget_key(model, "group")] = group.id
    st.session_state[VIEW_KEY] = ONE_GROUP


def _set_sparsity(model: SpeechModel) -> None:
    write_setting(model, "sparsity", TOUR_SPARSITY)
    write_setting(model, "allocation", "uniform")
    write_setting(model, "method", "cluster")


def _leave_as_is(model: SpeechModel) -> None:
    """The page is right as it stands."""


STEPS: tuple[TourStep, ...] = (
    TourStep(
        "pages/variance.py", "Which layers repeat themselves?", _on_variance, _show_similarity
    ),
    TourStep("pages/clusters.py", "Who falls together?", _on_clusters, _select_channels),
    TourStep("pages/compress.py", "Merge them", _on_compress, _set_sparsity),
    TourStep("pages/transcribe.py", "Hear the difference", _on_transcribe, _leave_as_is),
)
