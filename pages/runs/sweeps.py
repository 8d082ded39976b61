"""The sweep of a visitor: what was asked for, the job that runs it, the rows as they come."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from analysis.cache import cache_folder
from analysis.compression.compress import Compression
from analysis.errors import UserError
from analysis.evaluation.corpora import Corpus, Fault, read_corpus
from analysis.evaluation.hub_corpora import fetch, is_hub_id
from analysis.evaluation.results import ResultStore
from analysis.evaluation.sweep import Row, Skipped
from analysis.evaluation.sweep import sweep as run_sweep
from analysis.evaluation.sweep_spec import SweepSpec
from analysis.evaluation.uploads import lay_out_upload
from analysis.models.loading import DEMO_MODELS
from analysis.models.speech_model import SpeechModel
from analysis.progress import Watch
from analysis.serving import serving
from analysis.speech.recognition import TranscriptionOptions
from pages.session.jobs import Job, Parts
from pages.session.session import Session
from pages.session.shelves import model_id
from pages.session.sweep_state import SweepState, Upload

SLOT = "sweep"

HELDOUT = next(iter(DEMO_MODELS.values())).parent / "heldout"
"""200 sentences that the demo models never heard, by voices that they never heard."""

_UPLOAD = "sweep-upload"


def state_of(session: Session, model: SpeechModel) -> SweepState:
    """The sweep on show: the last one of the model in use."""
    return session.sweeps.setdefault(model_id(model), SweepState())


def uploaded_folder(files: Sequence[UploadedFile]) -> tuple[Path | None, tuple[Fault, ...]]:
    """A folder of this session with the files of an uploader, and what was left out of it.

    It is gone when the session is.

    Raises
    ------
    UserError
        See `analysis.evaluation.uploads.lay_out_upload`.
    """
    if not files:
        return None, ()
    ids = tuple(file.file_id for file in files)
    known: Upload | None = st.session_state.get(_UPLOAD)
    if known is None or known[0] != ids:
        folder = TemporaryDirectory(prefix="coalesce-")  # removed with the object
        corpus = Path(folder.name) / "upload"
        corpus.mkdir()
        laid_out = lay_out_upload(((file.name, file.getvalue()) for file in files), corpus)
        known = st.session_state[_UPLOAD] = (ids, folder, laid_out.faults)
    return Path(known[1].name) / "upload", known[2]


def heldout_seconds(n_utterances: int | None) -> float:
    """Seconds of sound in the held-out set, or in that many utterances of it."""
    seconds, n_all = _heldout()
    return seconds * min(n_utterances or n_all, n_all) / n_all


@st.cache_resource(show_spinner=False)
def _heldout() -> tuple[float, int]:
    corpus = read_corpus(HELDOUT)
    return corpus.seconds, len(corpus.utterances)


def start(
    session: Session,
    model: SpeechModel,
    spec: SweepSpec,
    made: Mapping[str, Compression],
    n_utterances: int | None,
    options: TranscriptionOptions | None = None,
) -> None:
    """Start a sweep; transcripts that are there from an earlier one are not computed again."""
    upload: Upload | None = st.session_state.get(_UPLOAD)
    try:
        _require_data(spec.data, upload)
    except UserError as error:
        session.jobs.problems[SLOT] = error
        return
    options = options or TranscriptionOptions()
    state = session.sweeps[model_id(model)] = SweepState(upload=upload, options=options)
    parts = Parts()

    def work(watch: Watch) -> None:
        # what is read is no sound that was heard: it only changes the note
        reading = Watch(lambda done, total, note: watch.progress(0, 0, note), watch.should_cancel)
        source = Path(spec.data)
        if is_hub_id(spec.data):
            source = fetch(spec.data, watch=reading)
        may_read = partial(serving().allows_folder, within=source)
        corpus = read_corpus(source, may_read=may_read, watch=reading)
        _require_short(corpus)
        state.corpus = corpus.excerpt(n_utterances) if n_utterances else corpus
        parts.one_is_ready()

        def on_row(row: Row | Skipped) -> None:
            state.rows.append(row)
            parts.one_is_ready()

        run_sweep(
            model,
            spec.cells(),
            state.corpus,
            options,
            spec.normaliser,
            made=made,
            stress=spec.stress,
            store=ResultStore(cache_folder("evaluations")),
            on_row=on_row,
            watch=watch,
        )

    job: Job[None] = Job(
        "Evaluating",
        work,
        lambda nothing: None,
        after_cancel="What was transcribed is kept; start it again, and it goes on from there.",
        parts=parts,
    )
    session.jobs.start(SLOT, job, lane="evaluate")


def _require_data(data: str, upload: Upload | None) -> None:
    """Refuse data that visitors of this server may not name.

    Raises
    ------
    UserError
    """
    own = str(Path(upload[1].name) / "upload") if upload is not None else None
    if data in (str(HELDOUT), own):
        return
    if is_hub_id(data):
        serving().require_downloads()
    else:
        serving().require_folder(data)


def _require_short(corpus: Corpus) -> None:
    """Refuse clips that are longer than visitors of an open server may give.

    Raises
    ------
    UserError
    """
    longest = max((one.duration for one in corpus.utterances), default=0.0)
    limit = serving().limits.clip_seconds
    if serving().is_open and longest > limit:
        raise UserError(
            f"A clip of the corpus has {longest:.0f} s, and this server takes {limit:g} s.",
            "Cut it into pieces, or leave it out.",
        )
