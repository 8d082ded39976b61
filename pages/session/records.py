"""A session as items that are kept, and back: variants as recipes, sound without loss, else JSON.

Nothing is pickled, and everything that is read is checked. An item that is damaged is left out,
with a sentence for its visitor; the others come back.
"""

import hashlib
import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from pydantic import TypeAdapter
from pydantic_core import to_json

from analysis.errors import UserError
from analysis.evaluation.corpora import Corpus
from analysis.evaluation.drift import Drift
from analysis.evaluation.saved_results import with_corpus, without_corpus
from analysis.evaluation.speed import EncoderSpeed
from analysis.evaluation.sweep import Row, Skipped
from analysis.speech.audio import read_audio
from analysis.speech.lossless import to_file
from analysis.speech.transcription import Transcript, TranscriptionOptions
from pages.session.session import Clip, KeptVariant, Session, Variant, clip_id
from pages.session.shelves import ModelKey
from pages.session.store import HEAD, Store
from pages.session.sweep_state import SweepState

FORMAT = 1

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Item:
    """One file of a session.

    Parameters
    ----------
    fingerprint : hashable
        Differs when the content does; cheap.
    content : callable
        Makes the bytes.
    """

    fingerprint: Hashable
    content: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Head:
    """The item that every session has.

    Parameters
    ----------
    format : int
    model : ModelKey
        The one in use.
    n_variants_made : int
    current_clip : str or None
    hidden_variants, n_clusters, training, choices
        As of `Session`.
    counts : mapping of str to int
        How many variants and clips there are, for the offer to come back.
    heard : list of str
        Sounds of the visitor's that models listened to, by their identities.
    """

    format: int
    model: ModelKey
    n_variants_made: int
    current_clip: str | None
    hidden_variants: list[str]
    n_clusters: dict[str, dict[str, int]]
    training: dict[str, str]
    choices: dict[str, Any]
    counts: dict[str, int]
    heard: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ClipRecord:
    """All about a clip but its samples."""

    id: str
    name: str
    reference: str
    origin: str
    is_shared: bool
    original_sampling_rate: int
    original_channels: int


@dataclass(frozen=True, slots=True)
class TranscriptRecord:
    """A transcript and its key."""

    clip: str
    model: str
    options: TranscriptionOptions
    transcript: Transcript


@dataclass(frozen=True, slots=True)
class SweepRecord:
    """What a sweep found; the corpus stands once, and its rows without."""

    model: str
    corpus: Corpus
    rows: list[Row | Skipped]


@dataclass(frozen=True, slots=True)
class Measured:
    """Drifts by clip and model, times of encoders by model."""

    drifts: list[tuple[str, str, Drift]]
    speeds: dict[str, EncoderSpeed]


def items_of(session: Session) -> dict[str, Item]:
    """Everything of a session that is kept, by file name; nothing where there is nothing."""
    kept = [*map(as_recipe, session.variants), *session.waiting]
    items = {_variant_file(each.id): _item(each, (each.name,)) for each in kept}
    for clip in session.clips.values():
        items |= _clip_items(clip)
    for (heard, model, options), transcript in session.transcripts.items():
        if heard in session.clips:
            record = TranscriptRecord(heard, model, options, transcript)
            items[f"transcript-{_hashed(heard, model, repr(options))}.json"] = _item(record, ())
    for model, state in list(session.sweeps.items()):
        if state.rows and state.corpus is not None:
            make = partial(_sweep_json, model, state.corpus, tuple(state.rows))
            items[f"sweep-{_hashed(model)}.json"] = Item(len(state.rows), make)
    if session.drifts or session.speeds:
        drifts = [(clip, model, drift) for (clip, model), drift in session.drifts.items()]
        fingerprint = (frozenset(session.drifts), *session.speeds.items())
        items["measured.json"] = _item(Measured(drifts, session.speeds), fingerprint)
    head = _head(session, len(kept))
    return items | {HEAD: _item(head, to_json(head))}


def as_recipe(variant: Variant) -> KeptVariant:
    """All that it takes to make a variant again."""
    return KeptVariant(
        variant.id,
        variant.name,
        variant.error,
        variant.base,
        variant.color,
        variant.folder,
        variant.compression.plan,
        variant.is_int8,
        variant.model.health,
    )


def read_head(store: Store) -> Head | None:
    """What the session is about; None where it cannot be read, or a newer version wrote it."""
    try:
        head = _read(store, HEAD, Head)
    except UserError:
        return None
    return head if head.format == FORMAT else None


def restore(store: Store, session_id: str) -> Session | None:
    """A session from what is kept; the model is not loaded, and variants wait to be made.

    Parameters
    ----------
    store : Store
    session_id : str

    Returns
    -------
    Session or None
        None where nothing is kept. What could not be brought back stands in `lost`.
    """
    head = read_head(store) if store.exists else None
    if head is None:
        return None
    session = Session(
        head.model,
        session_id,
        n_variants_made=head.n_variants_made,
        n_clusters=head.n_clusters,
        hidden_variants=set(head.hidden_variants),
        training=head.training,
        choices=head.choices,
        heard=set(head.heard),
    )
    for name in store.names():
        reader = _READERS.get(name.partition("-")[0].removesuffix(".json"))
        if reader is None or not name.endswith(".json"):
            continue
        try:
            reader(store, name, session)
        except UserError as error:
            session.lost.append(error.message)
    if head.current_clip in session.clips:
        session.current_clip = head.current_clip
    session.waiting.sort(key=lambda kept: kept.id)
    session.saved = {name: item.fingerprint for name, item in items_of(session).items()}
    return session


def read_clip(store: Store, name: str) -> Clip:
    """A clip, checked against the hash that is its id.

    Raises
    ------
    UserError
        When it is damaged.
    """
    record = _read(store, name, ClipRecord)
    try:
        content = store.read(sound_file(record.id))
        audio = read_audio(content, name=record.name)
    except (OSError, ValueError, UserError) as error:
        raise _damaged(f"The clip “{record.name}”", error) from error
    if clip_id(audio) != record.id:
        raise _damaged(f"The clip “{record.name}”", None)
    audio = replace(
        audio,
        original_sampling_rate=record.original_sampling_rate,
        original_channels=record.original_channels,
    )
    return Clip(record.id, audio, record.reference, record.origin, record.is_shared)


def clip_file(identity: str) -> str:
    """The name of the item that tells about a clip."""
    return f"clip-{identity}.json"


def sound_file(identity: str) -> str:
    """The name of the item that is a clip's sound, FLAC or WAV."""
    return f"clip-{identity}.sound"


def _restore_variant(store: Store, name: str, session: Session) -> None:
    session.waiting.append(_read(store, name, KeptVariant))


def _restore_clip(store: Store, name: str, session: Session) -> None:
    clip = read_clip(store, name)
    session.clips[clip.id] = clip


def _restore_transcript(store: Store, name: str, session: Session) -> None:
    record = _read(store, name, TranscriptRecord)
    session.transcripts[record.clip, record.model, record.options] = record.transcript


def _restore_sweep(store: Store, name: str, session: Session) -> None:
    record = _read(store, name, SweepRecord)
    rows = with_corpus(record.rows, record.corpus)
    # as of a file: its clips are asked for again before they are played
    session.sweeps[record.model] = SweepState(rows, record.corpus, is_opened=True)


def _restore_measured(store: Store, name: str, session: Session) -> None:
    record = _read(store, name, Measured)
    session.drifts.update({(clip, model): drift for clip, model, drift in record.drifts})
    session.speeds = record.speeds


_READERS: Mapping[str, Callable[[Store, str, Session], None]] = {
    "variant": _restore_variant,
    "clip": _restore_clip,
    "transcript": _restore_transcript,
    "sweep": _restore_sweep,
    "measured": _restore_measured,
}
"""By how the names of the items begin."""

_TITLES: Mapping[str, str] = {
    "variant": "A variant",
    "clip": "A clip",
    "transcript": "A transcript",
    "sweep": "The results of a sweep",
    "measured": "Measured drifts and times",
    "session": "The session",
}


def _read(store: Store, name: str, kind: type[T]) -> T:
    """One item of JSON, checked against its declaration."""
    try:
        return TypeAdapter(kind).validate_json(store.read(name))
    except (OSError, ValueError, RecursionError) as error:  # a ValidationError is a ValueError
        title = _TITLES[name.partition("-")[0].removesuffix(".json")]
        raise _damaged(title, error) from error


def _damaged(what: str, error: Exception | None) -> UserError:
    return UserError(
        f"{what} of this session is damaged on disk and did not come back.",
        "Make or upload it again.",
        repr(error) if error else "",
    )


def _head(session: Session, n_variants: int) -> Head:
    return Head(
        FORMAT,
        session.key,
        session.n_variants_made,
        session.current_clip,
        sorted(session.hidden_variants),
        session.n_clusters,
        session.training,
        session.choices,
        {"variants": n_variants, "clips": len(session.clips)},
        sorted(session.heard),
    )


def _clip_items(clip: Clip) -> dict[str, Item]:
    """The sound, and what is told about it."""
    audio = clip.audio
    record = ClipRecord(
        clip.id,
        audio.name,
        clip.reference,
        clip.origin,
        clip.is_shared,
        audio.original_sampling_rate,
        audio.original_channels,
    )
    return {
        sound_file(clip.id): Item((), lambda: to_file(audio.samples)),
        clip_file(clip.id): _item(record, (clip.reference, clip.is_shared)),
    }


def _sweep_json(model: str, corpus: Corpus, rows: Sequence[Row | Skipped]) -> bytes:
    return _json(SweepRecord(model, corpus, without_corpus(rows)))


def _item(record: object, fingerprint: Hashable) -> Item:
    return Item(fingerprint, lambda: _json(record))


def _json(record: object) -> bytes:
    """As JSON that `TypeAdapter` reads again, with NaN where a test was not possible."""
    return to_json(record, inf_nan_mode="constants")


def _variant_file(identity: str) -> str:
    return f"variant-{_hashed(identity)}.json"


def _hashed(*texts: str) -> str:
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:24]
