"""Presets on Compress: a few settings to start from, each with what to expect of it."""

from dataclasses import dataclass

import streamlit as st

from analysis.models.speech_model import SpeechModel
from analysis.plan.recipe import OPEN, Recipe, complete
from pages.planning.settings import in_widgets, widget_key, write_setting


@dataclass(frozen=True, slots=True)
class Preset:
    """A recipe under a name; options of which it says nothing stay as they are, locks, too.

    Parameters
    ----------
    name : str
    expect : str
        What to expect of it, in a sentence or two.
    recipe : Recipe
        Of which the options in `SET` are taken.
    """

    name: str
    expect: str
    recipe: Recipe


SET = ("sparsity", *OPEN)
"""The options that a preset sets."""

PRESETS: tuple[Preset, ...] = (
    Preset(
        "Best without data, 30 %",
        "Units go whose work the others can take over, where the model's own words move least; the"
        " layers are repaired. Listens to synthesised speech first.",
        complete(sparsity=0.3),
    ),
    Preset(
        "The papers' 10 %",
        "A tenth of the heads and channels of every layer, by their weights alone.",
        complete(sparsity=0.1, distance="weights"),
    ),
    Preset(
        "Channels only 20 %",
        "A fifth of the FFN channels, the cheapest merges first; every head stays. Heads are few"
        " and differ more, so they are the harder part to merge.",
        complete(sparsity=0.2, components=("ffn",), distance="weights", allocation="distortion"),
    ),
    Preset(
        "The papers' 50 %",
        "Half of everything by its weights: to hear what breaks, and a start for fine-tuning."
        " Without training, expect few right words.",
        complete(sparsity=0.5, distance="weights"),
    ),
)


def draw(model: SpeechModel) -> None:
    """A popover with a button per preset."""
    with st.popover("Presets"):
        for preset in PRESETS:
            st.button(
                preset.name,
                key=widget_key(model, f"preset:{preset.name}"),
                width="stretch",
                on_click=_use,
                args=(model, preset),
            )
            st.caption(preset.expect)
        st.caption("Locked groups stay as they are. Undo takes it back.")


def _use(model: SpeechModel, preset: Preset) -> None:
    """Callback: set what the preset names."""
    values = in_widgets(preset.recipe)
    for name in SET:
        write_setting(model, name, values[name])
