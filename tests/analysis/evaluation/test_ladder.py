"""The ladder: its words are those of models that were compressed, and are kept by weights."""

from dataclasses import replace
from pathlib import Path

import pytest

from analysis.compression.compress import compress
from analysis.compression.planner import Planner
from analysis.errors import Cancelled
from analysis.evaluation import ladder
from analysis.evaluation.ladder import PERCENTS, RECIPE, SIDES, Ladder
from analysis.files import PROJECT
from analysis.models.footprint import footprint
from analysis.models.speech_model import SpeechModel
from analysis.plan.recipe import complete
from analysis.progress import Watch
from analysis.speech.audio import Audio, read_audio
from analysis.speech.transcription import transcribe

PERCENT = 70


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COALESCE_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def clip() -> Audio:
    return read_audio(PROJECT / "demo" / "clips" / "shopping.flac")


def refuse(*_: object, **__: object) -> None:
    raise AssertionError("the clip is heard anew")


def test_the_recipe_listens_to_nothing() -> None:
    assert RECIPE.method == "cluster"
    assert not RECIPE.listens
    assert PERCENTS[0] == 0


def test_the_words_are_those_of_compressed_models(demo_model: SpeechModel, clip: Audio) -> None:
    rungs = Ladder(demo_model)
    heard = {side: rungs.hear(clip, PERCENT, side) for side in SIDES}
    assert heard["original"].text == transcribe(demo_model, clip).text

    plan = Planner(demo_model).prepare(RECIPE.changed(sparsity=PERCENT / 100)).plan
    merged = compress(demo_model, plan).model
    assert heard["merged"].text == transcribe(merged, clip).text
    by_size = complete(method="magnitude", allocation="manual", sparsity=PERCENT / 100)
    pruned = compress(demo_model, plan.changed(recipe=by_size)).model
    assert heard["pruned"].text == transcribe(pruned, clip).text
    assert len({own.text for own in heard.values()}) == 3

    for side, model in (("original", demo_model), ("merged", merged), ("pruned", pruned)):
        own, size = heard[side], footprint(model)  # type: ignore[index]
        assert own.parameters == size.parameters
        assert own.macs == pytest.approx(size.macs)


def test_nothing_removed_is_the_original(demo_model: SpeechModel, clip: Audio) -> None:
    rungs = Ladder(demo_model)
    assert len({rungs.hear(clip, 0, side) for side in SIDES}) == 1


def test_words_are_kept_and_read(
    demo_model: SpeechModel, clip: Audio, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = [Ladder(demo_model).hear(clip, PERCENT, side) for side in SIDES]
    monkeypatch.setattr(ladder, "transcribe", refuse)
    assert [Ladder(demo_model).hear(clip, PERCENT, side) for side in SIDES] == first


def test_other_weights_another_clip_or_rung_are_heard_anew(
    demo_model: SpeechModel, clip: Audio, monkeypatch: pytest.MonkeyPatch
) -> None:
    Ladder(demo_model).hear(clip, PERCENT, "merged")
    monkeypatch.setattr(ladder, "transcribe", refuse)
    others = replace(demo_model, weight_hash="1" * 64)
    half = replace(clip, samples=clip.samples[: len(clip.samples) // 2])
    for model, audio, percent, side in (
        (others, clip, PERCENT, "merged"),
        (demo_model, half, PERCENT, "merged"),
        (demo_model, clip, PERCENT - 10, "merged"),
        (demo_model, clip, PERCENT, "pruned"),
    ):
        with pytest.raises(AssertionError, match="heard anew"):
            Ladder(model).hear(audio, percent, side)  # type: ignore[arg-type]


def test_a_broken_file_is_made_anew(
    demo_model: SpeechModel, clip: Audio, empty_cache: Path
) -> None:
    first = Ladder(demo_model).hear(clip, PERCENT, "original")
    (file,) = empty_cache.glob("*/transcripts/**/*.npz")
    file.write_bytes(file.read_bytes()[:40])
    assert Ladder(demo_model).hear(clip, PERCENT, "original") == first


def test_it_can_be_cancelled(demo_model: SpeechModel, clip: Audio) -> None:
    with pytest.raises(Cancelled):
        Ladder(demo_model).hear(clip, PERCENT, "merged", watch=Watch(should_cancel=lambda: True))
