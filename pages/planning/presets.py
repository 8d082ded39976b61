"""Presets on Compress: a few settings to start from, each with what to expect of it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import streamlit as st

from analysis.models.speech_model import SpeechModel
from analysis.plan.choices import COMPONENTS
from analysis.plan.recipe import complete
from pages.planning.settings import widget_key, write_setting


@dataclass(frozen=True, slots=True)
class Preset:
    """Settings under a name; what it does not name stays as it is, locks included."""

    name: str
    expect: str
    settings: Mapping[str, Any]


BOTH = list(COMPONENTS)
LISTENING = asdict(complete())
PAPERS = asdict(complete(distance="weights"))

PRESETS: tuple[Preset, ...] = (
    Preset(
        "Best without data, 30 %",
        "Units merge by what they do on synthesised speech, where that disturbs the model least;"
        " the layers are repaired. Listens to three minutes of sound first.",
        {"sparsity": 30, "components": BOTH, **LISTENING},
    ),
    Preset(
        "The papers' 10 %",
        "A tenth of the heads and channels of every layer, by their weights alone.",
        {"sparsity": 10, "components": BOTH, **PAPERS},
    ),
    Preset(
        "Channels only 20 %",
        "A fifth of the FFN channels, the cheapest merges first; every head stays. Heads are few"
        " and differ more, so they are the harder part to merge.",
        {"sparsity": 20, "components": ["ffn"], **PAPERS, "allocation": "distortion"},
    ),
    Preset(
        "The papers' 50 %",
        "Half of everything by its weights: to hear what breaks, and a start for fine-tuning."
        " Without training, expect few right words.",
        {"sparsity": 50, "components": BOTH, **PAPERS},
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
        st.caption("Locked groups stay as they are. Undo takes it back.")


def _use(model: SpeechModel, preset: Preset) -> None:
    """Callback: set what the preset names."""
    for name, value in preset.settings.items():
        write_setting(model, name, value)
