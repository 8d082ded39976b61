"""Presets on Compress: a few settings to start from, each with what to expect of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from analysis.checkpoints import SpeechModel
from pages.common.controls import widget_key, write_setting


@dataclass(frozen=True, slots=True)
class Preset:
    """Settings under a name; what it does not name stays as it is, locks included."""

    name: str
    expect: str
    settings: Mapping[str, Any]


PRESETS: tuple[Preset, ...] = (
    Preset(
        "Mild 10 %",
        "A tenth of the heads and channels, the same share of every layer. What a speech model"
        " usually bears without training.",
        {
            "sparsity": 10,
            "components": ["ffn", "heads"],
            "allocation": "uniform",
            "method": "cluster",
        },
    ),
    Preset(
        "Channels only 20 %",
        "A fifth of the FFN channels, the cheapest merges first; every head stays. Heads are few"
        " and differ more, so they are the harder part to merge.",
        {"sparsity": 20, "components": ["ffn"], "allocation": "distortion", "method": "cluster"},
    ),
    Preset(
        "Half",
        "Half of everything: to hear what breaks, and a start for fine-tuning. Without training,"
        " expect few right words.",
        {
            "sparsity": 50,
            "components": ["ffn", "heads"],
            "allocation": "uniform",
            "method": "cluster",
        },
    ),
)


def draw(model: SpeechModel) -> None:
    """A popover with a button per preset."""
    with st.popover("Presets", width="stretch"):
        for preset in PRESETS:
            st.button(
                preset.name,
                key=widget_key(model, f"preset:{preset.name}"),
                width="stretch",
                on_click=_use,
                args=(model, preset),
            )
            st.caption(preset.expect)
        st.caption("Distance, merge rule and locked groups stay as they are. Undo takes it back.")


def _use(model: SpeechModel, preset: Preset) -> None:
    """Callback: set what the preset names."""
    for name, value in preset.settings.items():
        write_setting(model, name, value)
