"""What is done to texts before they are compared: one choice per model, for all pages."""

import streamlit as st

from analysis.evaluation.scoring import default_normaliser
from analysis.models.speech_model import SpeechModel
from analysis.plan.choices import NORMALISERS
from pages.widgets.choices import held


def normaliser_of(model: SpeechModel) -> str:
    """The normaliser that was chosen for a model, or the one that suits it."""
    return held(_key(model), default_normaliser(model.source))


def choose_normaliser(model: SpeechModel) -> str:
    """Draw the choice; a page that shows error rates names it beside them."""
    names = list(NORMALISERS)
    chosen: str = st.selectbox(
        "Normaliser",
        names,
        index=names.index(normaliser_of(model)),
        key=_key(model),
        persist_state="session",
        help="  \n".join(f"**{name}**: {text}" for name, text in NORMALISERS.items()),
    )
    return chosen


def _key(model: SpeechModel) -> str:
    return f"normaliser:{model.weight_hash[:16]}"
