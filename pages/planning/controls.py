"""The controls of a compression: a widget for each option, drawn from the option's declaration."""

from collections.abc import Collection
from typing import Literal

import streamlit as st

from analysis.compression.effort import about, listening_seconds
from analysis.compression.swaps import may_trade
from analysis.models.speech_model import SpeechModel
from analysis.plan.choices import (
    CALIBRATED,
    END_TO_END,
    INFLUENCE,
    LISTENING,
    MANUAL,
    OUTPUT_ERROR,
    SURGEON,
)
from analysis.plan.options import option_of
from analysis.plan.recipe import UNITS, Recipe, complete
from pages.planning.settings import (
    MAX_SPARSITY,
    held_setting,
    read_settings,
    widget_key,
    write_setting,
)
from pages.session.shelves import footprint_of
from pages.session.visit import current

COMPONENT_NAMES = {"ffn": "FFN channels", "heads": "attention heads", "ranks": "ranks of heads"}
"""What people call the kinds of unit."""

CHOICE_WIDTH = 228
"""Pixels of a choice: on a projector two stand in a row, and no name is cut."""

SENTENCE_HEIGHT = 72
"""Three lines in a narrow column, in pixels: a longer sentence must not push the page down."""


def draw_sparsity(model: SpeechModel) -> None:
    """The one slider that moves everything; where K is set by hand, the way back to it."""
    if held_setting(model, "allocation") == MANUAL:
        st.caption("K of every group is set by hand, so no sparsity divides it.")
        st.button(
            "Use a sparsity again",
            icon=":material/tune:",
            key=widget_key(model, "use-sparsity"),
            on_click=_leave_manual,
            args=(model,),
            help="Chooses the allocation that suits the method; locked groups keep their K.",
        )
        return
    option = option_of(Recipe, "sparsity").option
    st.slider(
        option.label,
        0,
        MAX_SPARSITY,
        held_setting(model, "sparsity"),
        step=1,
        format="%d %%",
        key=widget_key(model, "sparsity"),
        persist_state="session",
        help=(
            f"{option.help} Without training, models bear about 10 %; beyond 20 % most collapse."
            " Heads are few, so what is achieved differs."
        ),
    )


def _leave_manual(model: SpeechModel) -> None:
    """Callback: let an allocation divide the sparsity again."""
    method, distance = held_setting(model, "method"), held_setting(model, "distance")
    write_setting(model, "allocation", complete(method=method, distance=distance).allocation)


def draw_choices(model: SpeechModel) -> None:
    """Choices in a row, as many as have a part, each with a sentence on what is chosen."""
    names = ["method", "allocation", "distance"]
    if held_setting(model, "method") == "cluster":  # else no cluster becomes one unit
        names.append("merge")
    grid = st.grid(len(names), min_column_width=CHOICE_WIDTH)
    for name in names:
        with grid.cell():
            _choice(model, name, height=SENTENCE_HEIGHT)


def draw_repair(model: SpeechModel) -> None:
    """What is done about the changed layers' outputs, and what is listened to for it."""
    with st.popover("Repair", icon=":material/hearing:"):
        _choice(model, "repair")
        repairs = held_setting(model, "repair") != "none"
        if repairs:
            _switch(model, "sequential")
        layer_by_layer = repairs and held_setting(model, "sequential")
        by_words = held_setting(model, "allocation") == END_TO_END
        at_once = not layer_by_layer and not held_setting(model, "stock")
        if by_words and at_once and may_trade(model):
            _switch(model, "swaps")
        if not (repairs or held_setting(model, "distance") in LISTENING):
            st.caption("With these settings nothing is listened to.")
            return
        session = current()
        here = session.current_clip in session.clips
        _choice(model, "excitation", without=() if here else (CALIBRATED,))
        if held_setting(model, "excitation") == "speech":
            _choice(model, "level")
            _draw_times(model)
        st.caption(
            "Repairs and the distances “influence” and “contribution” hear this sound. “calibrated”"
            " is the clip on show on Transcribe."
        )


def _draw_times(model: SpeechModel) -> None:
    """How long each level listens to this model here, before it is chosen."""
    settings = read_settings(model)
    recipe, cost = settings.recipe, footprint_of(model)
    times = [
        f"{level} {about(listening_seconds(model, cost, recipe.changed(level=level)))}"
        for level in option_of(Recipe, "level").option.choices
    ]
    left = listening_seconds(model, cost, recipe, settings.heard)
    now = f"{about(left)} for {recipe.level}, then kept" if left else f"{recipe.level} is kept"
    st.caption(f":material/timer: From nothing: {', '.join(times)}. **Now: {now}.**")


def draw_more(model: SpeechModel) -> None:
    """What most people leave alone, folded away, as far as it has a part."""
    recipe, stock = read_settings(model).recipe, held_setting(model, "stock")
    clusters = recipe.method == "cluster"
    if stock and not clusters and not recipe.draws:
        return
    with st.popover("More", icon=":material/tune:"):
        if not stock:
            _components(model)
        if clusters:
            _switch(model, "align_heads")
            _choice(model, "engine")
            if recipe.engine == "kmeans":
                _choice(model, "seeding")
                _number(model, "n_init")
            else:
                _switch(model, "refine")
        if recipe.draws:
            _number(model, "seed")


def _components(model: SpeechModel) -> None:
    """Which kinds of unit may go."""
    components = option_of(Recipe, "components").option
    st.pills(
        components.label,
        list(components.choices),
        selection_mode="multi",
        default=held_setting(model, "components"),
        format_func=lambda name: COMPONENT_NAMES[name],
        key=widget_key(model, "components"),
        persist_state="session",
        help=" ".join(components.choices.values()),
    )


def _switch(model: SpeechModel, name: str) -> None:
    """A toggle for an option that is on or off."""
    option = option_of(Recipe, name).option
    st.toggle(
        option.label,
        value=held_setting(model, name),
        key=widget_key(model, name),
        persist_state="session",
        help=option.help,
    )


def _number(model: SpeechModel, name: str) -> None:
    """A field for a whole number, within the option's limits."""
    declared = option_of(Recipe, name)
    assert declared.at_least is not None
    assert declared.at_most is not None
    st.number_input(
        declared.option.label,
        min_value=int(declared.at_least),
        max_value=int(declared.at_most),
        step=1,
        value=held_setting(model, name),
        key=widget_key(model, name),
        persist_state="session",
        help=declared.option.help,
    )


def _choice(
    model: SpeechModel,
    name: str,
    *,
    without: Collection[str] = (),
    height: Literal["content"] | int = "content",
) -> None:
    """A choice with the sentence of what is chosen under it, in a box of some pixels' height."""
    option = option_of(Recipe, name).option
    choices = {key: text for key, text in option.choices.items() if key not in without}
    names, held = list(choices), held_setting(model, name)
    with st.container(gap="xxsmall"):
        chosen = st.selectbox(
            option.label,
            names,
            index=names.index(held) if held in names else 0,
            key=widget_key(model, name),
            persist_state="session",
            filter_mode=None,
            on_change=_fit_together,
            args=(model, name),
            help="  \n".join(f"**{choice}**: {text}" for choice, text in choices.items()),
        )
        with st.container(height=height, border=False):
            st.caption(choices[chosen])


def _fit_together(model: SpeechModel, changed: str) -> None:
    """Callback: what needs a distance brings it, and leaves where another one is chosen.

    Ranks come and go with the recipe that has them, as long as all other kinds are chosen, too.
    """
    _bring_distance(model, changed)
    held = {name: held_setting(model, name) for name in ("method", "distance", "allocation")}
    if held["allocation"] != MANUAL and set(UNITS) <= set(held_setting(model, "components")):
        write_setting(model, "components", list(complete(**held).components))


def _bring_distance(model: SpeechModel, changed: str) -> None:
    method, allocation = held_setting(model, "method"), held_setting(model, "allocation")
    distance = held_setting(model, "distance")
    if changed == "distance":
        if method == SURGEON and distance not in LISTENING:
            write_setting(model, "method", "cluster")
        if allocation == OUTPUT_ERROR and distance not in LISTENING:
            write_setting(model, "allocation", "distortion")
        if allocation == END_TO_END and distance != INFLUENCE:
            other = OUTPUT_ERROR if distance in LISTENING else "distortion"
            write_setting(model, "allocation", other)
        return
    listens = method == SURGEON or allocation == OUTPUT_ERROR
    if allocation == END_TO_END or (listens and distance not in LISTENING):
        write_setting(model, "distance", INFLUENCE)
