"""What one visitor has: the model in use, the variants and clips made, the jobs that run.

It lives in `st.session_state` and not in a session-scoped cache: such a cache is emptied when the
connection drops, and a visitor whose wireless blinks must not lose variants. Streamlit lets go of
the whole session, variants included, `server.disconnectedSessionTTL` seconds after its last tab.
"""

import os
from dataclasses import dataclass, field, replace

import streamlit as st

from analysis.compression.compress import Compression
from analysis.errors import UserError
from analysis.evaluation.drift import Drift
from analysis.evaluation.speed import EncoderSpeed
from analysis.figures.palette import variant_color
from analysis.models.footprint import Footprint
from analysis.models.loading import DEMO_MODELS
from analysis.models.quantising import is_quantised
from analysis.models.speech_model import SpeechModel, available_devices, default_dtype
from analysis.speech.audio import Audio
from analysis.speech.transcription import Transcript, TranscriptionOptions
from pages.session.jobs import Job, Jobs
from pages.session.link import MODEL, opened
from pages.session.shelves import ModelKey, load_model, model_id, model_shelf

DEFAULT_MODEL = "demo-whisper"

_STATE = "session"


@dataclass(slots=True, eq=False)
class Variant:
    """A compressed model that the visitor made.

    Parameters
    ----------
    id : str
        In the keys of its widgets.
    name : str
        For people; theirs to change.
    compression : Compression
    footprint : Footprint
    error : float or None
        Relative squared merge error over all groups; None where it was not merged here.
    base : str
        `model_id` of the original.
    color : str
        On every page.
    """

    id: str
    name: str
    compression: Compression
    footprint: Footprint
    error: float | None
    base: str
    color: str

    @property
    def model(self) -> SpeechModel:
        """The compressed model."""
        return self.compression.model

    @property
    def is_int8(self) -> bool:
        """Whether it is another variant's model, quantised."""
        return is_quantised(self.model.model)


@dataclass(slots=True, eq=False)
class Clip:
    """Audio to transcribe.

    Parameters
    ----------
    id : str
        Hash of the samples: the same sound twice is one clip.
    audio : Audio
    reference : str
        What is said in it; empty where nobody told.
    origin : {"bundled", "upload", "microphone"}
    """

    id: str
    audio: Audio
    reference: str
    origin: str


TranscriptKey = tuple[str, str, TranscriptionOptions]
"""Clip id, `model_id` of the model, options."""


@dataclass(slots=True, eq=False)
class Session:
    """One visitor's things; see the module's first lines.

    `drifts` go by clip id and `model_id` of the variant, `speeds` by `model_id`.
    """

    key: ModelKey
    model: SpeechModel | None = None
    variants: list[Variant] = field(default_factory=list)
    n_variants_made: int = 0
    n_clusters: dict[str, dict[str, int]] = field(default_factory=dict)
    clips: dict[str, Clip] = field(default_factory=dict)
    current_clip: str | None = None
    file_problems: list[UserError] = field(default_factory=list)
    hidden_variants: set[str] = field(default_factory=set)
    transcripts: dict[TranscriptKey, Transcript] = field(default_factory=dict)
    drifts: dict[tuple[str, str], Drift] = field(default_factory=dict)
    speeds: dict[str, EncoderSpeed] = field(default_factory=dict)
    jobs: Jobs = field(default_factory=Jobs)
    _asked_for: ModelKey | None = None

    @property
    def coming(self) -> ModelKey:
        """The model that is being loaded, or else the one in use."""
        loading = self.jobs.running("load") is not None
        return self._asked_for if loading and self._asked_for else self.key

    def variants_of(self, model: SpeechModel) -> list[Variant]:
        """Variants made from a model, the oldest first."""
        return [v for v in self.variants if v.base == model_id(model)]

    def add_variant(
        self,
        name: str,
        compression: Compression,
        footprint: Footprint,
        error: float | None,
        base: str | None = None,
    ) -> Variant:
        """Keep a new variant under a name that no other has.

        Without a `base` it lies where its original does, in the same dtype.
        """
        variant = Variant(
            id=f"variant-{self.n_variants_made}",
            name=self.free_name(name),
            compression=compression,
            footprint=footprint,
            error=error,
            base=base
            or model_id(
                replace(compression.model, weight_hash=compression.plan.origin.weight_hash)
            ),
            color=variant_color(self.n_variants_made),
        )
        self.n_variants_made += 1
        self.variants.append(variant)
        return variant

    def duplicate_variant(self, variant: Variant) -> Variant:
        """The same model once more, under a name and a colour of its own."""
        return self.add_variant(
            variant.name, variant.compression, variant.footprint, variant.error, variant.base
        )

    def remove_variant(self, variant: Variant) -> None:
        """Forget a variant, its memory and what was heard and measured of it."""
        self.variants = [kept for kept in self.variants if kept is not variant]
        gone = model_id(variant.model)
        if gone in {model_id(kept.model) for kept in self.variants}:  # of its duplicate, too
            return
        self.transcripts = {k: v for k, v in self.transcripts.items() if k[1] != gone}
        self.drifts = {k: v for k, v in self.drifts.items() if k[1] != gone}
        self.speeds.pop(gone, None)

    def free_name(self, wanted: str) -> str:
        """`wanted`, with a number behind it where the name is taken."""
        taken = {variant.name for variant in self.variants} | {"original"}
        name, number = wanted, 2
        while name in taken:
            name, number = f"{wanted} ({number})", number + 1
        return name

    def use(self, key: ModelKey) -> None:
        """Start loading another model; the one in use stays until it has arrived."""

        def arrived(model: SpeechModel) -> None:
            self.key, self.model = key, model

        self._asked_for = key
        shelf = model_shelf()
        self.jobs.start(
            "load",
            Job(
                f"Loading {key.source}",
                lambda watch: load_model(shelf, key, watch.progress),
                arrived,
            ),
            lane="load",
        )


def current() -> Session:
    """This visitor's session, made on the first visit."""
    if _STATE not in st.session_state:
        source = os.environ.get("COALESCE_MODEL") or DEFAULT_MODEL
        key = _known(opened().get(MODEL, "")) or on_best_device(source)
        st.session_state[_STATE] = Session(key)
        st.session_state[_STATE].use(key)
    session: Session = st.session_state[_STATE]
    return session


def _known(source: str) -> ModelKey | None:
    """The model of a link, if it is at hand: no link makes the server fetch or read anything."""
    kept = (key for key, _ in reversed(model_shelf().keys()) if key.source == source)
    return next(kept, on_best_device(source) if source in DEMO_MODELS else None)


def on_best_device(source: str) -> ModelKey:
    """A model on this server's GPU, if it has one, in the number format that suits it."""
    device = "cuda" if "cuda" in available_devices() else "cpu"
    return ModelKey(source, None, device, default_dtype(device))
