"""Models and merge trees that all sessions of this server share, loaded once and read-only."""

import os
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

import streamlit as st

from analysis.clustering.merge_tree import MergeTree
from analysis.compression.compress import Compression
from analysis.compression.tree_choice import TreeChoice
from analysis.errors import UserError
from analysis.models.footprint import Footprint, footprint
from analysis.models.loading import DEMO_MODELS, load
from analysis.models.speech_model import SpeechModel, default_dtype
from analysis.models.statistics import group_variances
from analysis.plan.compression_plan import CompressionPlan
from analysis.progress import UNWATCHED, Progress, Watch, no_progress
from analysis.serving import OWN_MODEL, serving
from analysis.speech.recognition import configuration
from analysis.turns import Turns

MAX_MODELS = 3
"""Originals kept in memory beyond those that a session is using."""

MAX_TREES = 12
"""Models times distances whose merge trees are kept in memory; all are on disk."""

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

Stamp = tuple[tuple[str, int, int], ...]
"""Names, sizes and times of a folder's files."""


@dataclass(frozen=True, slots=True)
class ModelKey:
    """Everything that decides which weights are loaded, and how.

    Parameters
    ----------
    source : str
        Demo name, folder or hub id, as typed.
    revision : str or None
        Of a hub id.
    device, dtype : str
    """

    source: str
    revision: str | None
    device: str
    dtype: str

    @property
    def stamp(self) -> Stamp:
        """Of a folder's files: one that was rewritten is loaded anew."""
        folder = DEMO_MODELS.get(self.source, Path(self.source).expanduser())
        if not folder.is_dir():
            return ()
        files = [*folder.glob("*.json"), *folder.glob("*.safetensors")]
        return tuple(
            sorted((f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in files if f.is_file())
        )


class Shelf(Generic[K, V]):
    """Keeps the values used last; each is made once, however many sessions ask at a time.

    Parameters
    ----------
    capacity : int
        Values kept.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._values: OrderedDict[K, V] = OrderedDict()
        self._seconds: dict[K, float] = {}
        self._turns = Turns()
        self._lock = threading.Lock()

    def find(self, key: K) -> V | None:
        """The value, if it is on the shelf."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def keys(self) -> list[K]:
        """Of the values kept, those used last at the end."""
        with self._lock:
            return list(self._values)

    def seconds(self, key: K) -> float:
        """How long it took to make a value that is kept, or to read it from disk."""
        with self._lock:
            return self._seconds.get(key, 0.0)

    def get(self, key: K, make: Callable[[Watch], V], watch: Watch = UNWATCHED) -> V:
        """The value, made by the first who asks; the others wait for it and see how far it is.

        Raises
        ------
        Cancelled
        """
        with self._turns.take(key, watch) as own:
            value = self.find(key)
            if value is None:
                began = time.perf_counter()
                value = make(own)
                with self._lock:
                    self._values[key] = value
                    self._seconds[key] = time.perf_counter() - began
                    while len(self._values) > self._capacity:
                        gone, _ = self._values.popitem(last=False)
                        del self._seconds[gone]
            return value


ModelShelf = Shelf[tuple[ModelKey, Stamp], SpeechModel]
TreeShelf = Shelf[tuple[Hashable, ...], Mapping[str, MergeTree]]


@st.cache_resource(show_spinner=False)
def model_shelf() -> ModelShelf:
    """Originals, by key and folder stamp."""
    return Shelf(MAX_MODELS)


@st.cache_resource(show_spinner=False)
def tree_shelf() -> TreeShelf:
    """Merge trees, by model and `TreeChoice`."""
    return Shelf(MAX_TREES)


def require_source(source: str) -> None:
    """Refuse a model that visitors of this server may not load, whether it is there or not.

    Raises
    ------
    UserError
    """
    allowed = serving()
    if not allowed.is_confined or source in (*DEMO_MODELS, os.environ.get(OWN_MODEL)):
        return
    is_there = allowed.allows_contents(source) and Path(source).expanduser().is_dir()
    is_on_hub = allowed.downloads and bool(_HUB_ID.fullmatch(source)) and not Path(source).exists()
    if not (is_there or is_on_hub):
        raise UserError(
            "This model is not open to visitors of this server.",
            f"Choose {', '.join(DEMO_MODELS)}, or ask who runs it (coalesce app --help).",
        )


def load_model(shelf: ModelShelf, key: ModelKey, progress: Progress = no_progress) -> SpeechModel:
    """Load through the shelf; safe in a worker thread.

    Raises
    ------
    UserError
        See `analysis.models.loading.load`.
    """
    require_source(key.source)
    progress(0, 0, "reading weights")
    dtype = asked_dtype(key.device, key.dtype)
    return shelf.get(
        (key, key.stamp),
        lambda watch: load(key.source, revision=key.revision, device=key.device, dtype=dtype),
    )


def asked_dtype(device: str, dtype: str) -> str | None:
    """What somebody chose beside the usual dtype, so that what is saved is stored in it, too."""
    return None if dtype == default_dtype(device) else dtype


def tree_key(model: SpeechModel, choice: TreeChoice) -> tuple[str, Hashable]:
    """Names a model's merge trees."""
    return (model_id(model), choice.identity)


def load_trees(
    shelf: TreeShelf,
    model: SpeechModel,
    choice: TreeChoice,
    watch: Watch,
) -> Mapping[str, MergeTree]:
    """Build or read trees through the shelf; safe in a worker thread.

    Raises
    ------
    Cancelled
    """
    return shelf.get(
        tree_key(model, choice),
        lambda own: choice.build(model, watch=own),
        watch,
    )


def share_compression(
    model: SpeechModel,
    plan: CompressionPlan,
    make: Callable[[Watch], Compression],
    watch: Watch,
    *,
    checked: bool = False,
) -> Compression:
    """A model by a plan, made once for all visitors who have it; safe in a worker thread.

    It is kept as long as one of them keeps it.

    Parameters
    ----------
    model : SpeechModel
        The original.
    plan : CompressionPlan
        Names the sound that it listened to, too.
    make : callable
    watch : Watch
    checked : bool
        Whether one that was made, and not checked, is to be made anew.

    Raises
    ------
    Cancelled
    """
    key = (model_id(model), plan.identity)
    turns, made = _compressions()
    with turns.take(key, watch) as own:
        found = made.get(key)
        if found is None or (checked and found.model.health is None):
            found = made[key] = make(own)
        return found


@st.cache_resource(show_spinner=False)
def _compressions() -> "tuple[Turns, WeakValueDictionary[tuple[str, str], Compression]]":
    return Turns(), WeakValueDictionary()


def variances_of(model: SpeechModel) -> Mapping[str, float]:
    """Parameter variance of every group, measured once."""
    return _variances(model_id(model), model)


def footprint_of(model: SpeechModel) -> Footprint:
    """Size and cost of a model, counted once."""
    return _footprint(model_id(model), model)


def origin_id(model: SpeechModel) -> str:
    """Names what variants are made from, as their plans do: weights, device and dtype."""
    return f"{model.weight_hash}:{model.device}:{model.dtype}"


def model_id(model: SpeechModel) -> str:
    """Tells apart all that changes a number or a transcript: the origin and the settings."""
    return f"{origin_id(model)}:{configuration(model)[:12]}"


# The id stands for the model in the keys: hashing a model would take longer than the work.


@st.cache_data(show_spinner="Measuring the variance of every group", max_entries=64)
def _variances(identity: str, _model: SpeechModel) -> Mapping[str, float]:
    return group_variances(_model)


@st.cache_data(show_spinner="Counting the model's multiply-accumulates", max_entries=64)
def _footprint(identity: str, _model: SpeechModel) -> Footprint:
    return footprint(_model)
