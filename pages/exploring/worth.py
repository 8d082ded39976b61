"""What each layer is worth, on Variance: measured when somebody asks, shown where it is there."""

from collections.abc import Mapping, Sequence

import streamlit as st

from analysis.clustering.merge_tree import MergeTree
from analysis.compression.tree_choice import TreeChoice
from analysis.compression.worth import losses, position_of, worth_of, worth_tables
from analysis.figures.worth import CURVE_HEIGHT, worth_curve, worth_heatmap, worth_height
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from analysis.plan.choices import END_TO_END, INFLUENCE
from pages.exploring.measurements import find_trees, tree_slot
from pages.planning.group_choice import same_kind, select_group, selected_group
from pages.planning.hearing import find_excitation
from pages.planning.settings import read_settings, widget_key
from pages.session.job_box import job_slot, show_problem
from pages.session.session import Session
from pages.session.shelves import tree_key, tree_shelf
from pages.widgets.basics import PANELS_WIDTH, figure, wide
from pages.widgets.exports import draw_exports

EXPLANATION = (
    "**What a layer is worth.** Units of one group go, in the surgeon's order, the outputs of their"
    " block are refitted, and the model listens to 75 s of voices that no fit heard. The number is"
    " the **KL divergence** of the changed model's distributions from the original's, over the"
    " original's own words (CTC: frames): how many nats a word costs more. A tenth and two fifths"
    " are measured; in between stands what the gradient foresees, scaled to meet them. The"
    " **end-to-end** allocation takes first what costs least of it per parameter.",
    "**Worked example.** Where the original expects “cat” with 0.9 and “hat” with 0.1, and without"
    " some heads it is 0.8 and 0.2, the divergence is 0.9·ln(0.9/0.8) + 0.1·ln(0.1/0.2) = 0.106 -"
    " 0.069 = 0.037 nat. Nothing moves: 0. Each time the original is sure of a word and the changed"
    " model gives it a half, it is ln 2 = 0.69.",
)


def draw(session: Session, model: SpeechModel, groups: Sequence[UnitGroup]) -> None:
    """The section: a heatmap of all groups, the curve of the chosen one, or how to get them."""
    heading, corner = st.columns([3, 1], vertical_alignment="bottom")
    heading.header("What each layer is worth")
    st.markdown(
        "How far the model's own words move when units of one layer go: where the numbers are"
        " small, much can go."
    )
    trees = _find(session, model)
    if trees is None:
        return
    worths = {name: worth_of(tree) for name, tree in trees.items()}
    position = position_of(model)
    lost = losses(groups, worths)
    chosen = selected_group(model, groups)
    heatmap = worth_heatmap(groups, lost, position=position, selected=chosen.id)
    key = f"worth:{model.weight_hash[:16]}"

    def clicked() -> None:
        points = st.session_state[key]["selection"]["points"]
        if points:
            select_group(model, points[0]["customdata"][0])

    with wide(PANELS_WIDTH):
        figure(
            heatmap,
            key=key,
            alt="How far the model's words move when 10, 20, 30 or 40 % of each group go.",
            height=worth_height(groups),
            on_select=clicked,
            selection_mode="points",
        )
    st.caption(
        "A click on a cell selects its group, whose curve stands below. Units go whole: a tenth of"
        f" six heads is one head. Refitted at the level “{read_settings(model).recipe.level}”; the"
        " less a refit hears, the higher the numbers."
    )
    alike = same_kind(groups, chosen)
    curve = worth_curve(chosen, worths, position=position, others=alike)
    figure(
        curve,
        key=f"worth-curve:{model.weight_hash[:16]}",
        alt=f"Divergence of the words against the units that {chosen.title} keep; thin lines:"
        " the same block in other layers.",
        height=CURVE_HEIGHT,
    )
    with corner, st.container(horizontal=True, horizontal_alignment="right"):
        tables = worth_tables(groups, worths, position)
        draw_exports("worth", {"layer-worth": heatmap, "layer-worth-curve": curve}, tables)


def _find(session: Session, model: SpeechModel) -> Mapping[str, MergeTree] | None:
    """The measured trees; without them, what will be here, and the button or the progress."""
    recipe = read_settings(model).recipe.changed(distance=INFLUENCE, allocation=END_TO_END)
    choice = TreeChoice.of(recipe, find_excitation(session, model, recipe))
    slot, asked = tree_slot(choice), widget_key(model, "measure-worth")
    trees = (
        find_trees(session, model, choice)
        if st.session_state.get(asked) == slot
        else tree_shelf().find(tree_key(model, choice))
    )
    if trees is not None:
        return trees

    def measure() -> None:
        st.session_state[asked] = slot

    show_problem(session.jobs, slot, "Measure it now")
    if session.jobs.running(slot) is not None:
        job_slot(session.jobs, slot)
    elif slot not in session.jobs.problems:
        st.button("Measure it", icon=":material/hearing:", key="measure-worth", on_click=measure)
        st.caption(
            "The model listens to the speech that ships with Coalesce; the rest of the page stays"
            " usable meanwhile, and what was measured is kept."
        )
    return None
