"""Results that were kept in a file, opened on Evaluate; and what may be played of them."""

from dataclasses import replace
from pathlib import Path

import streamlit as st

from analysis.errors import UserError
from analysis.evaluation.corpora import Utterance
from analysis.evaluation.saved_results import RESULTS_FILE, read_results, results_to_json
from analysis.files import absolute
from analysis.models.speech_model import SpeechModel
from analysis.progress import Watch
from analysis.serving import serving
from analysis.wording import number_of
from pages.listening.player import wav
from pages.runs.sweeps import HELDOUT, SLOT
from pages.session.job_box import job_line, show_problem
from pages.session.jobs import Job
from pages.session.session import Session
from pages.session.shelves import model_id
from pages.session.sweep_state import SweepState
from pages.widgets.basics import show_error
from pages.widgets.formatting import escape_markdown

OPEN_SLOT = "open-results"
"""Of the job that reads a file of results."""

_FOLDER, _FILE, _PROBLEM = "results-folder", "results-file", "results-problem"
_OPENED = "results-opened"
_RECORDINGS = "results-recordings"


def draw_open_results(session: Session, model: SpeechModel) -> None:
    """A popover with a folder of the server, where visitors may name one, and an upload."""
    # a box of its own for each file that was opened: it closes
    key = f"results-box:{_n_opened()}"
    with st.popover("Open results", icon=":material/folder_open:", key=key):
        st.caption(
            f"What `coalesce sweep` or `evaluate` kept (`{RESULTS_FILE}`), or what was saved here;"
            " from another computer, too."
        )
        if serving().folders:
            st.text_input(
                "Folder or file",
                key=_FOLDER,
                placeholder="/data/wer",
                help="On the computer that serves this page: what --out named.",
            )
        st.file_uploader(RESULTS_FILE, type=[".json"], key=_file_key())
        st.button("Open", key="open-results", on_click=_open, args=(session, model))
        show_problem(session.jobs, OPEN_SLOT)
        problem: UserError | None = st.session_state.get(_PROBLEM)
        if problem is not None:
            show_error(problem)
    job_line(session.jobs, OPEN_SLOT)


def say_origin(state: SweepState, model: SpeechModel) -> None:
    """Whose results these are, where a file holds those of another model than the one in use."""
    names = dict.fromkeys(row.model for row in state.evaluated)
    if model.name in names:
        return
    said = " and ".join(f"**{escape_markdown(name)}**" for name in names)
    st.info(
        f"These are results of {said}, from a file; **{escape_markdown(model.name)}** is in use."
        " Its variants in the sidebar are other models than those of the same name here.",
        icon=":material/folder_open:",
    )


def draw_save_results(state: SweepState) -> None:
    """The file that opens again."""
    corpus = state.corpus
    if corpus is None or not state.evaluated:
        return
    st.download_button(
        "Save results",
        lambda: results_to_json(corpus, state.rows),
        file_name=RESULTS_FILE,
        mime="application/json",
        icon=":material/save:",
        on_click="ignore",
        key="save-results",
        help="One file with everything; “Open results” reads it, and `coalesce report` makes a"
        " page of it.",
    )


def _open(session: Session, model: SpeechModel) -> None:
    """Start reading what was named; it comes on show when all of it is read."""
    st.session_state.pop(_PROBLEM, None)
    upload = st.session_state.get(_file_key())
    folder = str(st.session_state.get(_FOLDER) or "").strip()
    try:
        if session.jobs.running(SLOT) is not None:
            raise UserError("A sweep is running.", "Cancel it, or wait for its end.")
        if upload is None and not folder:
            raise UserError("Nothing is named.", f"Name a folder, or give a {RESULTS_FILE}.")
        if upload is None:
            serving().require_folder(folder, contents=True)
    except UserError as problem:
        st.session_state[_PROBLEM] = problem
        return
    source = upload.getvalue() if upload is not None else Path(folder)

    def work(watch: Watch) -> SweepState:
        saved = read_results(source, watch=watch)
        state = SweepState(saved.rows, saved.corpus, is_opened=True)
        watch.check()
        _ = state.table_against(0).filters  # made here, so that the page need not
        return state

    def arrived(state: SweepState) -> None:
        session.sweeps[model_id(model)] = state
        st.session_state[_OPENED] = _n_opened() + 1
        n_models = number_of(len(state.evaluated), "result")
        st.toast(f"Opened: {n_models}, below", icon=":material/check:")

    session.jobs.start(OPEN_SLOT, Job("Opening results", work, arrived), lane="read")


def _n_opened() -> int:
    """Files that this visitor has opened."""
    return int(st.session_state.get(_OPENED, 0))


def _file_key() -> str:
    """Of the upload: an empty one after each file that was opened."""
    return f"{_FILE}:{_n_opened()}"


def clip_of(state: SweepState, utterance: Utterance) -> Utterance:
    """An utterance whose clip lies where its results say, or in the folder that was named since.

    Parameters
    ----------
    state : SweepState
    utterance : Utterance

    Returns
    -------
    Utterance

    Raises
    ------
    UserError
        Where that leads nowhere, or to a clip that visitors of this server may not open.
    """
    if not state.is_opened:
        return utterance
    if state.recordings:
        utterance = replace(utterance, path=absolute(Path(state.recordings, utterance.id)))
    if not absolute(utterance.path).is_relative_to(HELDOUT.resolve()):
        serving().require_folder(utterance.path)
    return utterance


def draw_sound(state: SweepState, utterance: Utterance, alt: str) -> None:
    """The player of a clip; where it is not found, why, and a field for the folder it lies in."""
    try:
        st.audio(wav(clip_of(state, utterance).read().samples), alt=alt)
    except UserError as error:
        st.caption(f":material/volume_off: {escape_markdown(str(error))}")
        if state.is_opened and serving().folders:
            _ask_for_recordings(state)


def _ask_for_recordings(state: SweepState) -> None:
    def named() -> None:
        state.recordings = st.session_state[_RECORDINGS].strip()

    st.text_input(
        "Folder of the recordings",
        value=state.recordings,
        key=_RECORDINGS,
        on_change=named,
        placeholder="/data/LibriSpeech/test-clean",
        help="Where they lie on the computer that serves this page. A clip is played where it is"
        " the one that was heard, byte by byte.",
    )
