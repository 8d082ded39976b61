"""Variants that are kept as recipes, from an earlier visit or a link, are made again.

The same recipe on the same weights gives the same bits, so that what was heard and measured of a
variant still holds. Where that is quick it begins by itself; a large model waits for its visitor.
"""

from dataclasses import replace

import streamlit as st

from analysis.compression.compress import compress
from analysis.errors import UserError
from analysis.models.footprint import footprint
from analysis.models.quantising import quantise
from analysis.models.speech_model import SpeechModel
from analysis.plan.choices import CALIBRATED
from analysis.progress import Watch
from analysis.speech.excitation import Excitation, calibrate_on
from analysis.wording import number_of
from pages.session.job_box import job_line, show_problem
from pages.session.jobs import Job
from pages.session.session import KeptVariant, Session
from pages.session.shelves import footprint_of
from pages.variants.more import Made, read_checkpoint
from pages.widgets.basics import swatch
from pages.widgets.formatting import escape_markdown

QUICK_PARAMETERS = 12_000_000
"""Models with more parameters are compressed again when somebody asks: it takes a minute."""


def begin(session: Session, model: SpeechModel) -> None:
    """Start what waits for a small model; once in every run, nothing is started twice."""
    if is_quick(model):
        start(session, model)


def is_quick(model: SpeechModel) -> bool:
    """Whether variants of a model are made without being asked for."""
    return footprint_of(model).parameters <= QUICK_PARAMETERS


def start(session: Session, model: SpeechModel) -> None:
    """Start a job for each variant of a model that waits, where none has failed."""
    for kept in session.waiting_of(model):
        slot = _slot(kept)
        if session.jobs.running(slot) is None and slot not in session.jobs.problems:
            _start(session, model, kept)


def draw_rows(session: Session, model: SpeechModel) -> None:
    """The variants that wait: their names, and what is to be done about them."""
    for kept in session.waiting_of(model):
        slot = _slot(kept)
        st.markdown(
            f"{swatch(kept.color)} {escape_markdown(kept.name)}  \n"
            ":small[:gray[kept as its recipe]]"
        )
        job_line(session.jobs, slot)
        show_problem(session.jobs, slot, "Try again")
        if session.jobs.running(slot) is None:
            with st.container(horizontal=True, gap="small"):
                if slot not in session.jobs.problems:
                    st.button(
                        "Make it",
                        key=f"remake:{kept.id}",
                        on_click=_start,
                        args=(session, model, kept),
                    )
                st.button(
                    "Delete", key=f"remake-delete:{kept.id}", on_click=_drop, args=(session, kept)
                )


def draw_offer(session: Session, model: SpeechModel) -> None:
    """One line for the page itself, where variants wait that nobody asked for yet."""
    idle = [kept for kept in session.waiting_of(model) if session.jobs.running(_slot(kept)) is None]
    if not idle:
        return
    with st.container(horizontal=True, vertical_alignment="center", border=True):
        st.markdown(
            f"{number_of(len(idle), 'variant')} of this model came back as"
            f" {'recipes' if len(idle) > 1 else 'a recipe'}.",
            width="content",
        )
        st.button(
            "Make them" if len(idle) > 1 else "Make it",
            icon=":material/compress:",
            key="remake:all",
            on_click=start,
            args=(session, model),
        )


def remake(model: SpeechModel, kept: KeptVariant, heard: Excitation | None, watch: Watch) -> Made:
    """Make a variant again, in a worker thread.

    Parameters
    ----------
    model : SpeechModel
        The original.
    kept : KeptVariant
    heard : Excitation or None
        The visitor's own clip, where the recipe listened to it.
    watch : Watch

    Raises
    ------
    UserError
        Where the recipe or the folder does not fit the model any more.
    Cancelled
    """
    if kept.folder is not None:
        compression, _ = read_checkpoint(model, kept.folder)
    else:
        compression = compress(model, kept.plan, excitation=heard, watch=watch)
        compression = replace(compression, model=replace(compression.model, health=kept.health))
    if kept.is_int8:
        compression = replace(compression, model=quantise(compression.model))
    return compression, footprint(compression.model)


def _start(session: Session, model: SpeechModel, kept: KeptVariant) -> None:
    """Start the job of one variant."""
    slot = _slot(kept)
    try:
        heard = _own_clip(session, kept)
    except UserError as error:
        session.jobs.problems[slot] = error
        return
    job: Job[Made] = Job(
        f"Making {kept.name}",
        lambda watch: remake(model, kept, heard, watch),
        lambda made: session.put_back(kept, *made),
        after_cancel="Its recipe is still here.",
    )
    session.jobs.start(slot, job)


def _own_clip(session: Session, kept: KeptVariant) -> Excitation | None:
    """What a recipe listened to, where that was a clip of the visitor."""
    if kept.folder is not None or kept.plan.recipe.excitation != CALIBRATED:
        return None
    for clip in session.clips.values():
        heard = calibrate_on([clip.audio])
        if heard.identity == kept.plan.excitation_hash:
            return heard
    raise UserError(
        f"{kept.name} listened to a clip that is not here any more.",
        "Open that clip on Transcribe and try again, or delete the variant.",
    )


def _drop(session: Session, kept: KeptVariant) -> None:
    """Callback: forget a recipe, and the job that follows it."""
    session.jobs.cancel(_slot(kept))
    session.jobs.problems.pop(_slot(kept), None)
    session.waiting = [each for each in session.waiting if each is not kept]


def _slot(kept: KeptVariant) -> str:
    return f"remake:{kept.id}"
