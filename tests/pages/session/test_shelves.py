"""What visitors share is made once, however many ask at a time, and goes when nobody has it."""

import gc
import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.compression.compress import Compression
from analysis.delivery.saving import save
from analysis.errors import Cancelled
from analysis.models.loading import load
from analysis.models.speech_model import SpeechModel
from analysis.plan.compression_plan import CompressionPlan
from analysis.plan.health import Health
from analysis.plan.recipe import complete
from analysis.progress import Watch
from pages.session.shelves import Shelf, _compressions, model_id, origin_id, share_compression
from tests.helpers.tiny_models import tiny_hubert, tiny_whisper


def plan_of(model: SpeechModel, seed: int = 0) -> CompressionPlan:
    recipe = complete(method="random", distance="weights", allocation="manual", seed=seed)
    n_clusters = {group.id: group.n_units for group in model.groups}
    return CompressionPlan(origin=model.origin, recipe=recipe, n_clusters=n_clusters)


def test_eight_visitors_with_one_plan_wait_for_one_compression(whisper: SpeechModel) -> None:
    made: list[int] = []
    got: list[Compression] = []
    heard: list[str] = []
    gc.collect()
    before = len(_compressions()[1])  # of other visitors, in other tests

    def make(watch: Watch) -> Compression:
        made.append(1)
        watch.progress(1, 2, "repairing")
        time.sleep(0.5)
        return Compression(whisper, plan_of(whisper), {})

    def ask() -> None:
        watch = Watch(lambda done, total, note: heard.append(note))
        got.append(share_compression(whisper, plan_of(whisper), make, watch))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert made == [1]
    assert len({id(one) for one in got}) == 1
    assert heard.count("repairing") >= 8  # each saw how far it was
    other = share_compression(whisper, plan_of(whisper, seed=1), make, Watch())
    assert other is not got[0]
    got.clear()
    del other
    gc.collect()
    assert len(_compressions()[1]) == before


def test_visitors_with_one_plan_have_it_checked_once(whisper: SpeechModel) -> None:
    plan = plan_of(whisper, seed=2)
    health = Health(
        divergence=0.1, divergence_said=0.1, sure_words_lost=0.0, words_changed=0.1, looping=0.0
    )
    made = share_compression(whisper, plan, lambda _: Compression(whisper, plan, {}), Watch())
    checks: list[int] = []

    def check(watch: Watch) -> Compression:
        checks.append(1)
        return replace(made, model=replace(made.model, health=health))

    got = [share_compression(whisper, plan, check, Watch(), checked=True) for _ in range(3)]
    assert checks == [1]
    assert [one.model.health for one in got] == [health] * 3
    # who compresses now gets the one that was checked
    assert share_compression(whisper, plan, check, Watch()) is got[0]


def test_who_waits_at_a_shelf_may_go() -> None:
    shelf: Shelf[str, int] = Shelf(2)
    begun, go = threading.Event(), threading.Event()

    def make(watch: Watch) -> int:
        begun.set()
        assert go.wait(10)
        return 1

    first = threading.Thread(target=lambda: shelf.get("x", make))
    first.start()
    assert begun.wait(10)
    with pytest.raises(Cancelled):
        shelf.get("x", make, Watch(should_cancel=lambda: True))
    go.set()
    first.join(10)
    assert shelf.find("x") == 1


def test_other_settings_share_variants_and_no_words(tmp_path: Path) -> None:
    """The same weights under other settings say something else; plans are of the weights alone."""
    folder = save(tiny_whisper(), tmp_path / "whisper")
    before, again = load(str(folder)), load(str(folder))
    assert model_id(again) == model_id(before)
    settings = json.loads((folder / "generation_config.json").read_text())
    settings["num_beams"] = 2
    (folder / "generation_config.json").write_text(json.dumps(settings))
    after = load(str(folder))
    assert origin_id(after) == origin_id(before)
    assert model_id(after) != model_id(before)


def test_other_letters_are_other_words(tmp_path: Path) -> None:
    folder = save(tiny_hubert(), tmp_path / "hubert")
    before = load(str(folder))
    vocabulary = json.loads((folder / "vocab.json").read_text())
    one, other = [letter for letter in vocabulary if len(letter) == 1 and letter.isalpha()][:2]
    vocabulary[one], vocabulary[other] = vocabulary[other], vocabulary[one]
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    assert model_id(load(str(folder))) != model_id(before)


def test_a_word_that_is_no_text_any_more_is_another_text(tmp_path: Path) -> None:
    """The vocabulary is the same, and a special token is not written down."""
    folder = save(tiny_whisper(), tmp_path / "whisper")
    before = load(str(folder))
    settings = json.loads((folder / "tokenizer.json").read_text())
    first = next(iter(settings["model"]["vocab"]))
    marked = {"id": settings["model"]["vocab"][first], "content": first, "special": True}
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    settings["added_tokens"].append(marked | flags)
    (folder / "tokenizer.json").write_text(json.dumps(settings))
    after = load(str(folder))
    assert after.processor.tokenizer.get_vocab() == before.processor.tokenizer.get_vocab()
    assert model_id(after) != model_id(before)
