"""The controls of a compression: one widget for each choice of the recipe."""

from collections.abc import Mapping
from typing import Literal

import streamlit as st

from analysis.models.speech_model import SpeechModel
from analysis.plan.choices import (
    COMPONENTS,
    CONTRIBUTION,
    DISTANCES,
    ENGINES,
    EXCITATIONS,
    MERGE_RULES,
    METHODS,
    OUTPUT_ERROR,
    REPAIRS,
    SEEDINGS,
    SURGEON,
)
from pages.planning.hearing import CALIBRATED
from pages.planning.settings import (
    ALLOCATION_CHOICES,
    COMPONENT_NAMES,
    DEFAULTS,
    MANUAL,
    MAX_SPARSITY,
    held_setting,
    widget_key,
    write_setting,
)
from pages.session.session import current

SENTENCE_HEIGHT = 92
"""Four lines in a narrow column, in pixels: a longer sentence must not push the page down."""


def draw_sparsity(model: SpeechModel) -> None:
    """The one slider that moves everything."""
    by_hand = held_setting(model, "allocation") == MANUAL
    st.slider(
        "Sparsity"
        if not by_hand
        else "Sparsity (K is set by hand; choose an allocation to use it)",
        0,
        MAX_SPARSITY,
        held_setting(model, "sparsity"),
        step=1,
        format="%d %%",
        key=widget_key(model, "sparsity"),
        persist_state="session",
        disabled=by_hand,
        help=(
            "Nominal share of units removed from every group. Without training, models bear about"
            " 10 %; beyond 20 % most collapse. Heads are few, so what is achieved differs."
        ),
    )


def draw_choices(model: SpeechModel) -> None:
    """Four choices in a row, each with a sentence on what is chosen."""
    for column, label, name, options in zip(
        st.columns(4),
        ("Method", "Allocation", "Distance", "Merge rule"),
        ("method", "allocation", "distance", "merge"),
        (METHODS, ALLOCATION_CHOICES, DISTANCES, MERGE_RULES),
        strict=True,
    ):
        with column:
            _choice(model, label, name, options, SENTENCE_HEIGHT)


def draw_repair(model: SpeechModel) -> None:
    """What is done about the changed layers' outputs, and what is listened to for it."""
    with st.popover("Repair", icon=":material/hearing:", width="stretch"):
        _choice(model, "Repair", "repair", REPAIRS)
        st.toggle(
            "Layer after layer",
            value=held_setting(model, "sequential"),
            key=widget_key(model, "sequential"),
            persist_state="session",
            disabled=held_setting(model, "repair") == "none",
            help="Each layer is repaired on what the compressed layers below give it, not on what"
            " the original's give.",
        )
        session = current()
        here = session.current_clip in session.clips
        kinds = {k: text for k, text in EXCITATIONS.items() if here or k != CALIBRATED}
        _choice(model, "Listens to", "excitation", kinds)
        st.caption(
            "Repairs and the distance “contribution” hear this sound. “calibrated” is the clip"
            " on show on Transcribe."
        )


def draw_more(model: SpeechModel) -> None:
    """What most people leave alone, folded away."""
    with st.popover("More", icon=":material/tune:", width="stretch"):
        _more(model)


def _more(model: SpeechModel) -> None:
    st.pills(
        "Units to remove",
        list(COMPONENTS),
        selection_mode="multi",
        default=held_setting(model, "components"),
        format_func=lambda name: COMPONENT_NAMES[name],
        key=widget_key(model, "components"),
        persist_state="session",
        disabled=held_setting(model, "stock"),
        help=" ".join(COMPONENTS.values()),
    )
    st.toggle(
        "Align heads before averaging",
        value=held_setting(model, "align_heads"),
        key=widget_key(model, "align_heads"),
        persist_state="session",
        help="Rotates heads inside Q/K and V/O onto each other; no head's function changes.",
    )
    st.toggle(
        "Refine the clusters",
        value=held_setting(model, "refine"),
        key=widget_key(model, "refine"),
        persist_state="session",
        help="Hartigan moves of single units after the Ward cut; never raises the error.",
    )
    _choice(model, "Clustering engine", "engine", ENGINES)
    _choice(model, "k-means seeding", "seeding", SEEDINGS)
    left, right = st.columns(2)
    left.number_input(
        "k-means restarts",
        min_value=1,
        max_value=50,
        step=1,
        value=held_setting(model, "n_init"),
        key=widget_key(model, "n_init"),
        persist_state="session",
    )
    right.number_input(
        "Seed",
        min_value=0,
        max_value=2**31 - 1,
        step=1,
        value=held_setting(model, "seed"),
        key=widget_key(model, "seed"),
        persist_state="session",
        help="Of k-means and of the random baseline; same seed, same bits.",
    )


def _choice(
    model: SpeechModel,
    label: str,
    name: str,
    options: Mapping[str, str],
    height: Literal["content"] | int = "content",
) -> None:
    """A choice with the sentence of what is chosen under it, in a box of some pixels' height."""
    names, held = list(options), held_setting(model, name)
    with st.container(gap="xxsmall"):
        chosen = st.selectbox(
            label,
            names,
            index=names.index(held) if held in names else 0,
            key=widget_key(model, name),
            persist_state="session",
            filter_mode=None,
            on_change=_fit_together,
            args=(model, name),
            help="  \n".join(f"**{option}**: {sentence}" for option, sentence in options.items()),
        )
        with st.container(height=height, border=False):
            st.caption(options[chosen])


def _fit_together(model: SpeechModel, changed: str) -> None:
    """Callback: what goes with the distance “contribution” only brings it, or leaves with it."""

    needs = (
        held_setting(model, "method") == SURGEON
        or held_setting(model, "allocation") == OUTPUT_ERROR
    )
    if not needs or held_setting(model, "distance") == CONTRIBUTION:
        return
    if changed != "distance":
        write_setting(model, "distance", CONTRIBUTION)
        return
    if held_setting(model, "method") == SURGEON:
        write_setting(model, "method", DEFAULTS["method"])
    if held_setting(model, "allocation") == OUTPUT_ERROR:
        write_setting(model, "allocation", "distortion")
