"""What one visitor has: the model in use, the variants and clips made, the jobs that run.

It lives in `st.session_state` and not in a session-scoped cache: such a cache is emptied when the
connection drops, and a visitor whose wireless blinks must not lose variants. Streamlit lets go of
its own session `server.disconnectedSessionTTL` seconds after the last tab; `pages.session.visit`
brings back what is kept of this one on disk.
"""

import hashlib
import secrets
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import Any

import streamlit as st

from analysis.compression.compress import Compression
from analysis.errors import UserError
from analysis.evaluation.drift import Drift
from analysis.evaluation.speed import EncoderSpeed
from analysis.figures.palette import variant_color
from analysis.models.footprint import Footprint
from analysis.models.quantising import is_quantised
from analysis.models.speech_model import SpeechModel, available_devices, default_dtype
from analysis.plan.compression_plan import CompressionPlan
from analysis.plan.health import Health
from analysis.speech.audio import Audio
from analysis.speech.transcription import Transcript, TranscriptionOptions
from analysis.tables import own_name
from analysis.wording import number_of
from pages.session.jobs import Job, Jobs
from pages.session.shelves import ModelKey, load_model, model_id, model_shelf, origin_id
from pages.session.snapshots import Snapshots
from pages.session.sweep_state import SweepState
from pages.widgets.formatting import escape_markdown

DEFAULT_MODEL = "demo-whisper"


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
        `origin_id` of the original.
    color : str
        On every page.
    folder : str or None
        Of the checkpoint that it was read from, or that of which it was quantised.
    """

    id: str
    name: str
    compression: Compression
    footprint: Footprint
    error: float | None
    base: str
    color: str
    folder: str | None = None

    @property
    def model(self) -> SpeechModel:
        """The compressed model."""
        return self.compression.model

    @property
    def is_int8(self) -> bool:
        """Whether it is another variant's model, quantised."""
        return is_quantised(self.model.model)


@dataclass(frozen=True, slots=True)
class KeptVariant:
    """A variant as its recipe: all that it takes to make the same one again.

    Parameters
    ----------
    id, name, error, base, color, folder
        As of `Variant`.
    plan : CompressionPlan
    is_int8 : bool
    health : Health or None
        As it was measured when it was made first.
    """

    id: str
    name: str
    error: float | None
    base: str
    color: str
    folder: str | None
    plan: CompressionPlan
    is_int8: bool
    health: Health | None


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
    is_shared : bool
        Whether the visitor made a link to it: then whoever has the link may hear it.
    """

    id: str
    audio: Audio
    reference: str
    origin: str
    is_shared: bool = False


def clip_id(audio: Audio) -> str:
    """Of a clip: by its samples."""
    return hashlib.sha256(audio.samples.tobytes()).hexdigest()[:24]


TranscriptKey = tuple[str, str, TranscriptionOptions]
"""Clip id, `model_id` of the model, options."""


@dataclass(slots=True, eq=False, weakref_slot=True)
class Session:
    """One visitor's things; see the module's first lines.

    `drifts` go by clip id and `model_id` of the variant, `speeds`, `sweeps` and `training`, the
    name of a run's folder, by `model_id`. `waiting` are variants of an earlier visit, or of a link,
    that are not made yet; `choices` what widgets hold, for the next visit. `used` are all models
    that were in use, the last one at the end. `heard` are identities of the visitor's own sounds
    that models listened to, on which measurements are kept. `lost` says what could not be brought
    back, `saved` what of each item is on disk; `is_forgotten` ends it in all tabs.
    `tabs` are Streamlit's ids of the tabs that show it, with the time when each was last connected.
    """

    key: ModelKey
    id: str = ""
    model: SpeechModel | None = None
    variants: list[Variant] = field(default_factory=list)
    n_variants_made: int = 0
    n_clusters: dict[str, dict[str, int]] = field(default_factory=dict)
    clips: Snapshots[str, Clip] = field(default_factory=Snapshots)
    current_clip: str | None = None
    file_problems: list[UserError] = field(default_factory=list)
    hidden_variants: set[str] = field(default_factory=set)
    transcripts: Snapshots[TranscriptKey, Transcript] = field(default_factory=Snapshots)
    drifts: Snapshots[tuple[str, str], Drift] = field(default_factory=Snapshots)
    speeds: dict[str, EncoderSpeed] = field(default_factory=dict)
    waiting: list[KeptVariant] = field(default_factory=list)
    sweeps: dict[str, SweepState] = field(default_factory=dict)
    training: dict[str, str] = field(default_factory=dict)
    choices: dict[str, Any] = field(default_factory=dict)
    used: list[ModelKey] = field(default_factory=list)
    heard: set[str] = field(default_factory=set)
    lost: list[str] = field(default_factory=list)
    saved: dict[str, Hashable] = field(default_factory=dict)
    is_forgotten: bool = False
    jobs: Jobs = field(default_factory=Jobs)
    tabs: dict[str, float] = field(default_factory=dict)
    _asked_for: ModelKey | None = None

    @property
    def coming(self) -> ModelKey:
        """The model that is being loaded, or else the one in use."""
        loading = self.jobs.running("load") is not None
        return self._asked_for if loading and self._asked_for else self.key

    def variants_of(self, model: SpeechModel) -> list[Variant]:
        """Variants made from a model, the oldest first."""
        return [v for v in self.variants if v.base == origin_id(model)]

    def waiting_of(self, model: SpeechModel) -> list[KeptVariant]:
        """Variants of a model that are kept as recipes and not made yet."""
        return [kept for kept in self.waiting if kept.base == origin_id(model)]

    def add_variant(
        self,
        name: str,
        compression: Compression,
        footprint: Footprint,
        error: float | None,
        base: str | None = None,
        *,
        folder: str | None = None,
    ) -> Variant:
        """Keep a new variant under a name that no other of its original has.

        Without a `base` it lies where its original does, in the same dtype. A `folder` is that of
        the checkpoint that it was read from.
        """
        base = base or origin_id(
            replace(compression.model, weight_hash=compression.plan.origin.weight_hash)
        )
        variant = Variant(
            id=self.free_id(),
            name=self.free_name(name, base),
            compression=compression,
            footprint=footprint,
            error=error,
            base=base,
            color=self.next_color(),
            folder=folder,
        )
        self.n_variants_made += 1
        self.variants.append(variant)
        return variant

    def duplicate_variant(self, variant: Variant) -> Variant:
        """The same model once more, under a name and a colour of its own."""
        return self.add_variant(
            variant.name,
            variant.compression,
            variant.footprint,
            variant.error,
            variant.base,
            folder=variant.folder,
        )

    def put_back(self, kept: KeptVariant, compression: Compression, footprint: Footprint) -> None:
        """A variant that was made again takes its old place; one that was deleted stays gone."""
        if kept not in self.waiting:
            return
        self.waiting.remove(kept)
        self.variants.append(
            Variant(
                kept.id,
                kept.name,
                compression,
                footprint,
                kept.error,
                kept.base,
                kept.color,
                kept.folder,
            )
        )

    def next_color(self) -> str:
        """That the next variant gets."""
        return variant_color(self.n_variants_made)

    def free_id(self) -> str:
        """Of a new variant; two processes that serve one session must not give the same."""
        return f"variant-{self.n_variants_made}-{secrets.token_hex(3)}"

    def remove_variant(self, variant: Variant) -> None:
        """Forget a variant, its memory and what was heard and measured of it.

        See `pages.variants.deleting` for what a visitor presses.
        """
        self.variants = [kept for kept in self.variants if kept is not variant]
        gone = model_id(variant.model)
        if gone in {model_id(kept.model) for kept in self.variants}:  # of its duplicate, too
            return
        self.transcripts.drop(lambda key: key[1] == gone)
        self.drifts.drop(lambda key: key[1] == gone)
        self.speeds.pop(gone, None)

    def free_name(self, wanted: str, base: str) -> str:
        """`wanted`, with a number behind it where another variant of the original has the name.

        Parameters
        ----------
        wanted : str
        base : str
            `origin_id` of the original.
        """
        taken = {"original", *(made.name for made in self.variants if made.base == base)}
        taken |= {kept.name for kept in self.waiting if kept.base == base}
        return own_name(wanted, taken)

    def use(self, key: ModelKey) -> None:
        """Start loading another model; the one in use stays until it has arrived."""

        def arrived(model: SpeechModel) -> None:
            is_another = self.model is not None and model_id(self.model) != model_id(model)
            self.key, self.model = key, model
            self.used = [*(known for known in self.used if known != key), key]
            n_back = len(self.variants_of(model)) + len(self.waiting_of(model))
            if is_another and n_back:
                name = escape_markdown(model.name)
                st.toast(
                    f"**{name}** came back with its {number_of(n_back, 'variant')}.",
                    icon=":material/history:",
                )

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


def on_best_device(source: str) -> ModelKey:
    """A model on this server's GPU, if it has one, in the number format that suits it."""
    device = "cuda" if "cuda" in available_devices() else "cpu"
    return ModelKey(source, None, device, default_dtype(device))
