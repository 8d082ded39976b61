"""The words of the bundled models at every sparsity, made beforehand, once for all visitors.

One job makes them, one rung of one clip after the other; those of the clip that somebody looks at
come first. They are kept on disk (`analysis.evaluation.ladder`), so that a second start only reads.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from analysis.evaluation.ladder import PERCENTS, SIDES, Heard, Ladder, Side
from analysis.evaluation.scoring import default_normaliser
from analysis.models.loading import DEMO_MODELS
from analysis.progress import Watch
from analysis.speech.audio import Audio, read_audio
from pages.listening.bundled import BundledClip, bundled_clips, title_of
from pages.listening.opening import clip_on_show
from pages.session.jobs import Job, Jobs
from pages.session.session import DEFAULT_MODEL, Session, on_best_device
from pages.session.shelves import ModelShelf, load_model, model_shelf
from pages.widgets.choices import held

SLOT = "rehearsal"
DEMO_KEY = "listen:demo"

NORMALISER = default_normaliser(DEFAULT_MODEL)
"""Of the error rates on Listen."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One transcript that a visitor may ask for.

    Parameters
    ----------
    model : str
        Name of a bundled model.
    clip : str
        File name of a bundled clip.
    percent : int
        Nominal sparsity; 0 for the original, which has none.
    side : {"original", "merged", "pruned"}
    """

    model: str
    clip: str
    percent: int
    side: Side


class Rehearsal:
    """All transcripts of Listen, and the job that makes them.

    Parameters
    ----------
    shelf : ModelShelf
        Where the models come from.
    models : sequence of str
        Names of bundled models.
    clips : sequence of BundledClip
    percents : sequence of int
        Nominal sparsities.
    """

    def __init__(
        self,
        shelf: ModelShelf,
        models: Sequence[str],
        clips: Sequence[BundledClip],
        percents: Sequence[int] = PERCENTS,
    ) -> None:
        self.jobs = Jobs(of_server=True)
        self._shelf = shelf
        self._clips = {clip.path.name: clip for clip in clips}
        self._heard: dict[Piece, Heard] = {}
        self._pieces = tuple(
            Piece(model, clip, percent, side)
            for model in models
            for clip in self._clips
            for side in SIDES
            for percent in ((0,) if side == "original" else percents)
        )
        self._on_show = Piece("", "", 0, "original")
        self._lock = threading.Lock()  # several visitors look at once

    def show(self, model: str, clip: str, percent: int) -> Mapping[Side, Heard]:
        """What is there of the rung that a visitor looks at; what is missing is made next.

        Parameters
        ----------
        model, clip : str
        percent : int

        Returns
        -------
        mapping of str to Heard
            By side, those that are there.
        """
        self._on_show = Piece(model, clip, percent, "merged")
        with self._lock:
            self.jobs.collect()
            idle = self.jobs.running(SLOT) is None and SLOT not in self.jobs.problems
            if idle and self._next() is not None:
                title = "Making all words beforehand"
                job: Job[None] = Job(title, self._make, lambda nothing: None)
                self.jobs.start(SLOT, job, lane=SLOT)
        found = {
            side: self._heard.get(Piece(model, clip, 0 if side == "original" else percent, side))
            for side in SIDES
        }
        return {side: heard for side, heard in found.items() if heard is not None}

    def n_made(self, model: str, clip: str) -> tuple[int, int]:
        """How many transcripts of a clip by a model are there, and how many there will be."""
        own = [piece for piece in self._pieces if (piece.model, piece.clip) == (model, clip)]
        return sum(piece in self._heard for piece in own), len(own)

    def _make(self, watch: Watch) -> None:
        """The work: whatever is missing, the nearest to what is on show first."""
        ladders: dict[str, Ladder] = {}
        sounds: dict[str, Audio] = {}
        while (piece := self._next()) is not None:
            watch.check()
            watch.progress(len(self._heard), len(self._pieces), piece.model)
            if piece.model not in ladders:
                model = load_model(self._shelf, on_best_device(piece.model))
                ladders[piece.model] = Ladder(model)
            if piece.clip not in sounds:
                clip = self._clips[piece.clip]
                sounds[piece.clip] = read_audio(clip.path, name=title_of(clip))
            # One assignment to a dict is atomic; each transcript is shown as soon as it is there.
            self._heard[piece] = ladders[piece.model].hear(
                sounds[piece.clip],
                piece.percent,
                piece.side,
                watch=Watch(should_cancel=watch.should_cancel),
            )

    def _next(self) -> Piece | None:
        missing = [piece for piece in self._pieces if piece not in self._heard]
        return min(missing, key=self._distance) if missing else None

    def _distance(self, piece: Piece) -> tuple[bool, bool, float, bool, int]:
        """How far a piece is from what is on show; short clips come before long ones."""
        shown = self._on_show
        return (
            piece.model != shown.model,
            piece.clip != shown.clip,
            self._clips[piece.clip].duration,
            piece.side != "original",
            abs(piece.percent - shown.percent),
        )


def model_on_show(session: Session) -> str:
    """The bundled model whose words Listen shows: the one in use, or the one chosen there last."""
    source = session.coming.source
    return source if source in DEMO_MODELS else held(DEMO_KEY, DEFAULT_MODEL)


def heard_on_show(session: Session, percent: int) -> Mapping[Side, Heard]:
    """What is there of the clip and the model on show, at a sparsity."""
    return server_rehearsal().show(model_on_show(session), clip_on_show().path.name, percent)


@st.cache_resource(show_spinner=False)
def server_rehearsal() -> Rehearsal:
    """The one of this server."""
    return Rehearsal(model_shelf(), tuple(DEMO_MODELS), bundled_clips())
