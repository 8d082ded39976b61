"""Another model hears the corpus of a sweep, so that what was found is compared with it."""

from dataclasses import replace

import streamlit as st

from analysis.cache import cache_folder
from analysis.errors import UserError
from analysis.evaluation.results import ResultStore
from analysis.evaluation.saved_results import with_corpus
from analysis.evaluation.sweep import Row
from analysis.evaluation.sweep import sweep as run_sweep
from analysis.models.speech_model import SpeechModel
from analysis.progress import Watch
from analysis.wording import number_of
from pages.runs.opened import clip_of
from pages.runs.sweeps import SLOT
from pages.session.at_hand import AtHand, models_at_hand
from pages.session.job_box import job_line, show_problem
from pages.session.jobs import Job
from pages.session.session import Session
from pages.session.shelves import model_id
from pages.session.sweep_state import SweepState
from pages.widgets.formatting import escape_markdown

OTHER_SLOT = "sweep-other"
"""Of the job in which another model hears the corpus."""


def unheard(session: Session, state: SweepState) -> list[AtHand]:
    """Models at hand that have no row among the results.

    Parameters
    ----------
    session : Session
    state : SweepState
    """
    heard = {row.model for row in state.evaluated if row.cell is None}
    at_hand = models_at_hand(session, with_own=state.is_opened)
    return [one for one in at_hand if one.name not in heard]


def draw_unheard(session: Session, model: SpeechModel, state: SweepState, other: AtHand) -> None:
    """Why there is nothing to compare yet, and the button that changes it; or the progress.

    Parameters
    ----------
    session : Session
    model : SpeechModel
        The one in use, whose sweep is on show.
    state : SweepState
    other : AtHand
    """
    assert state.corpus is not None
    jobs = session.jobs
    if jobs.running(OTHER_SLOT) is None and OTHER_SLOT not in jobs.problems:
        n = len(state.corpus.utterances)
        st.markdown(
            f"**{escape_markdown(other.name)}** has not heard this corpus. When it has, its words"
            f" stand beside those of the others, for the same {number_of(n, 'utterance')}."
        )
        busy = jobs.running(SLOT) is not None
        st.button(
            "Let it hear the corpus",
            icon=":material/hearing:",
            key="hear-other",
            disabled=busy,
            help="A sweep is running: wait for its end, or cancel it." if busy else None,
            on_click=hear,
            args=(session, model, state, other),
        )
    show_problem(jobs, OTHER_SLOT)
    job_line(jobs, OTHER_SLOT)


def hear(session: Session, model: SpeechModel, state: SweepState, other: AtHand) -> None:
    """Start a job that adds a row, under each condition, of another model as it is.

    Parameters
    ----------
    session, model, state, other
        As of `draw_unheard`.
    """
    corpus = state.corpus
    assert corpus is not None
    try:
        utterances = tuple(clip_of(state, utterance) for utterance in corpus.utterances)
    except UserError as error:
        session.jobs.problems[OTHER_SLOT] = error
        return
    load = other.loader()
    normaliser = state.original.scores[0].normaliser
    stress = [condition for condition in state.conditions if condition]

    def work(watch: Watch) -> list[Row]:
        watch.progress(0, 0, "reading weights")
        rows = run_sweep(
            load(),
            (),
            replace(corpus, utterances=utterances),
            state.options,
            normaliser,
            stress=stress,
            store=ResultStore(cache_folder("evaluations")),
            watch=watch,
        )
        # under the name by which it was chosen: two may have one, in several dtypes
        named = [replace(row, model=other.name) for row in rows if isinstance(row, Row)]
        return [row for row in with_corpus(named, corpus) if isinstance(row, Row)]

    def arrived(rows: list[Row]) -> None:
        if session.sweeps.get(model_id(model)) is state:
            state.rows.extend(rows)
            state.heard_later[other.id] = other.name

    job = Job(
        f"{other.name} hears the corpus",
        work,
        arrived,
        after_cancel="What was transcribed is kept; start it again, and it goes on from there.",
    )
    session.jobs.start(OTHER_SLOT, job, lane="evaluate")
