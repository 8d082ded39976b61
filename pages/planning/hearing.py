"""What a compression listens to, where it measures what units do."""

import streamlit as st

from analysis.errors import UserError
from analysis.models.speech_model import SpeechModel
from analysis.plan.choices import CALIBRATED, Level
from analysis.plan.compression_plan import CompressionPlan
from analysis.plan.recipe import Recipe
from analysis.speech.audio import Audio
from analysis.speech.excitation import Excitation, calibrate_on, make_excitation
from analysis.speech.languages import language_codes
from pages.session.session import Session


def find_excitation(session: Session, model: SpeechModel, recipe: Recipe) -> Excitation | None:
    """What a recipe listens to; None for the visitor's clip where there is none."""
    if recipe.excitation != CALIBRATED:
        return _data_free(recipe.excitation, recipe.level, language_codes(model))
    clip = session.clips.get(session.current_clip or "")
    if clip is None:
        return None
    found = _calibrated(clip.id, clip.audio)
    session.heard.add(found.identity)
    return found


def check_excitation(session: Session, model: SpeechModel, plan: CompressionPlan) -> None:
    """Refuse a plan that listened to something that is not here.

    Raises
    ------
    UserError
    """
    if not plan.recipe.listens:
        return
    found = find_excitation(session, model, plan.recipe)
    if found is None or plan.excitation_hash not in (None, found.identity):
        raise UserError(
            "This recipe listened to a clip that is not on show here.",
            "Open that clip on Transcribe, then load the recipe again.",
        )


@st.cache_resource(show_spinner=False)
def _data_free(kind: str, level: Level, languages: tuple[str, ...]) -> Excitation:
    return make_excitation(kind, level=level, languages=languages)


@st.cache_resource(show_spinner=False, max_entries=32)
def _calibrated(clip: str, _audio: Audio) -> Excitation:
    return calibrate_on([_audio])
