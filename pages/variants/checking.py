"""A variant that was just made is checked: it can be looked at before, and is heard after.

Making it takes a second or two where the model was listened to before; the check writes words, and
takes longer. It is the next job of the same lane, so that no transcript comes before the verdict.
"""

import streamlit as st

from analysis.compression.compress import Compression
from analysis.compression.guard import examined
from analysis.models.speech_model import SpeechModel
from analysis.plan.health import VERDICTS
from analysis.progress import Watch
from pages.planning.settings import Settings
from pages.session.jobs import Job
from pages.session.session import Session, Variant
from pages.session.shelves import load_trees, share_compression, tree_shelf
from pages.variants.health import VERDICT_ICONS
from pages.widgets.formatting import escape_markdown


def start(session: Session, model: SpeechModel, variant: Variant, settings: Settings) -> None:
    """Check a variant; what another visitor had checked by the same plan is not checked again.

    Parameters
    ----------
    session : Session
    model : SpeechModel
        The original.
    variant : Variant
        Of the session.
    settings : Settings
        By which it was made.
    """
    if variant.model.health is not None:
        return
    shelf, made = tree_shelf(), variant.compression

    def work(watch: Watch) -> Compression:
        trees = load_trees(shelf, model, settings.trees, watch)

        def check(watch: Watch) -> Compression:
            return examined(made, model, trees, watch=watch)

        return share_compression(model, made.plan, check, watch, checked=True)

    def deliver(checked: Compression) -> None:
        if variant not in session.variants:
            return
        variant.compression = checked
        health = variant.model.health
        if health is not None and health.verdict != "sound":
            st.toast(
                f"{escape_markdown(variant.name)}: {VERDICTS[health.verdict]}",
                icon=VERDICT_ICONS[health.verdict],
            )

    job = Job(
        f"Checking {variant.name}", work, deliver, after_cancel="The variant is made, unchecked."
    )
    session.jobs.start(slot_of(variant), job)


def slot_of(variant: Variant) -> str:
    """Of the job that checks a variant."""
    return f"check:{variant.id}"
