"""A session that is kept and brought back is the same; what is damaged is named, the rest comes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic_core import to_json

from analysis.compression.compress import compress
from analysis.evaluation.drift import Drift, LayerDrift
from analysis.models.footprint import footprint
from analysis.models.speech_model import SpeechModel
from analysis.plan.compression_plan import CompressionPlan
from analysis.plan.health import Health
from analysis.plan.recipe import Recipe
from analysis.progress import UNWATCHED
from analysis.speech.audio import Audio
from analysis.speech.transcription import Transcript, TranscriptionOptions
from pages.session import records, visit
from pages.session.records import clip_file, items_of, restore, sound_file
from pages.session.session import Clip, Session, clip_id
from pages.session.shelves import ModelKey, model_id
from pages.session.store import HEAD, Store, new_id, store_of
from pages.session.sweep_state import SweepState
from pages.variants.remaking import remake
from tests.helpers.sweeps import rows_of, three_utterances

ID = new_id()
NORMALISER = f"normaliser:{'0' * 16}"


@pytest.fixture(scope="module")
def session(hubert: SpeechModel, tmp_path_factory: pytest.TempPathFactory) -> Session:
    """Of a tiny model: two variants, two clips, a transcript, a sweep, a drift, a training run."""
    session = Session(ModelKey("tiny", "main", "cpu", "float32"), ID)
    n_clusters = {group.id: max(1, group.n_units // 2) for group in hubert.groups}
    plan = CompressionPlan(origin=hubert.origin, recipe=Recipe(sparsity=0.5), n_clusters=n_clusters)
    made = compress(hubert, plan)
    health = Health(
        divergence=0.1,
        divergence_said=0.1,
        sure_words_lost=0.0,
        words_changed=0.1,
        looping=0.0,
        holds_to=0.2,
    )
    made = replace(made, model=replace(made.model, health=health))
    variant = session.add_variant("Größe ½", made, footprint(made.model), 0.25)
    session.duplicate_variant(variant)
    random = np.random.default_rng(0)
    for number, origin in enumerate(("upload", "microphone")):
        samples = random.normal(0, 0.1, 8000).astype(np.float32)
        audio = Audio(f"clip {number}", samples, 44_100, 2)
        session.clips[clip_id(audio)] = Clip(clip_id(audio), audio, "one two", origin)
    session.current_clip = next(iter(session.clips))
    options = TranscriptionOptions(language="english")
    words = Transcript("clip", "m", "one", 0.5, 0.1, 0.2, None, "none", 1, ("A note.",))
    session.transcripts[session.current_clip, model_id(made.model), options] = words
    corpus = three_utterances(tmp_path_factory.mktemp("corpus"))
    rows = rows_of(hubert, corpus, method="cluster,magnitude", sparsity="0.3")
    session.sweeps[model_id(hubert)] = SweepState(rows, corpus)
    layer = LayerDrift("encoder", 0, 0.1, 0.9)
    session.drifts[session.current_clip, model_id(made.model)] = Drift((layer,), 0.5, 0)
    session.training[model_id(hubert)] = "0123456789abcdef"
    session.n_clusters[hubert.weight_hash] = n_clusters
    session.choices[NORMALISER] = "basic"
    return session


@pytest.fixture
def store(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("COALESCE_CACHE", str(tmp_path))
    own = store_of(ID)
    for name, item in items_of(session).items():
        own.write(name, item.content())
    return own


def test_everything_comes_back_as_it_was(session: Session, store: Store) -> None:
    back = restore(store, ID)
    assert back is not None
    assert back.lost == []
    assert (back.key, back.n_variants_made) == (session.key, 2)
    assert [kept.name for kept in back.waiting] == ["Größe ½", "Größe ½ (2)"]
    for kept, variant in zip(back.waiting, session.variants, strict=True):
        assert kept == records.as_recipe(variant)
    assert back.transcripts == session.transcripts
    assert back.current_clip == session.current_clip
    for name, clip in session.clips.items():
        assert np.array_equal(back.clips[name].audio.samples, clip.audio.samples)
        own = back.clips[name]
        assert (own.reference, own.origin) == (clip.reference, clip.origin)
        assert own.audio.name == clip.audio.name
        assert own.audio.original_sampling_rate == clip.audio.original_sampling_rate
        assert own.audio.original_channels == clip.audio.original_channels
    [(model, state)] = back.sweeps.items()
    assert state.corpus == session.sweeps[model].corpus
    assert state.is_opened, "a file of results named these clips, perhaps"
    assert all(row.evaluation.corpus is state.corpus for row in state.evaluated)
    # not ==: a test that was not possible has NaN
    assert to_json(state.rows, inf_nan_mode="constants") == to_json(
        [replace(row, n_clusters=dict(row.n_clusters)) for row in session.sweeps[model].evaluated],
        inf_nan_mode="constants",
    )
    assert (back.drifts, back.training) == (session.drifts, session.training)
    assert (back.n_clusters, back.choices) == (session.n_clusters, session.choices)
    # nothing of it is written again before it changes
    assert {name: item.fingerprint for name, item in items_of(back).items()} == back.saved


def test_a_variant_is_made_again_with_the_same_bits(
    session: Session, store: Store, hubert: SpeechModel
) -> None:
    back = restore(store, ID)
    assert back is not None
    kept = back.waiting[0]
    back.put_back(kept, *remake(hubert, kept, None, UNWATCHED))
    [again], before = back.variants, session.variants[0]
    assert model_id(again.model) == model_id(before.model)
    assert (again.name, again.id, again.color) == (before.name, before.id, before.color)
    assert again.model.health == before.model.health
    assert again.footprint == before.footprint
    assert kept not in back.waiting


def test_one_that_was_deleted_meanwhile_stays_gone(store: Store, hubert: SpeechModel) -> None:
    back = restore(store, ID)
    assert back is not None
    kept = back.waiting.pop()
    back.put_back(kept, *remake(hubert, kept, None, UNWATCHED))
    assert back.variants == []


@pytest.mark.parametrize("damage", [b"", b"{", b'{"id": 1}', b"[" * 100_000, b"\xff\xfe"])
def test_a_damaged_item_is_lost_with_a_sentence_and_no_other(
    session: Session, store: Store, damage: bytes
) -> None:
    variant = next(name for name in store.names() if name.startswith("variant"))
    transcript = next(name for name in store.names() if name.startswith("transcript"))
    clip = next(iter(session.clips))
    for name in (variant, transcript, sound_file(clip)):
        store.write(name, damage)
    back = restore(store, ID)
    assert back is not None
    assert sorted(sentence.split(" of this session")[0] for sentence in back.lost) == [
        "A transcript",
        "A variant",
        "The clip “clip 0”",
    ]
    assert len(back.waiting) == 1
    assert list(back.clips) == [name for name in session.clips if name != clip]
    assert back.current_clip is None
    assert back.sweeps.keys() == session.sweeps.keys()


def test_sound_that_is_not_the_clips_own_is_refused(session: Session, store: Store) -> None:
    first, second = session.clips
    store.write(sound_file(first), store.read(sound_file(second)))
    back = restore(store, ID)
    assert back is not None
    assert list(back.clips) == [second]
    assert len(back.lost) == 1


@pytest.mark.parametrize("head", [b"", b"{}", b'{"format": 99}'])
def test_without_its_head_nothing_comes_back(store: Store, head: bytes) -> None:
    store.write(HEAD, head)
    assert restore(store, ID) is None
    assert restore(store_of(new_id()), ID) is None


def test_a_transcript_of_a_clip_that_is_gone_is_not_kept(session: Session) -> None:
    names = items_of(session).keys()
    clip = session.current_clip
    assert clip is not None
    own = session.clips.pop(clip)
    try:
        without = items_of(session).keys()
    finally:
        session.clips[clip] = own
    gone = names - without
    assert {clip_file(clip), sound_file(clip)} < gone
    assert [name for name in gone if name.startswith("transcript")]


def test_choices_that_make_no_recipe_are_left_out() -> None:
    key = f"plan:{'0' * 16}:sparsity"
    for value in (10**400, "x", [1], -5):
        assert visit._usable({key: value, NORMALISER: "basic"}) == {NORMALISER: "basic"}


def test_a_name_is_taken_by_variants_of_the_same_original_only(session: Session) -> None:
    assert session.free_name("Größe ½", session.variants[0].base) == "Größe ½ (3)"
    assert session.free_name("Größe ½", "another") == "Größe ½"
    assert session.free_name("original", "another") == "original (2)"
