"""What is foreseen of listening: more sound takes longer, what is kept takes nothing."""

import pytest

from analysis.compression import effort
from analysis.compression.effort import BLOCK_SECONDS, SLOWER, about, listening_seconds, stages
from analysis.compression.tree_choice import TreeChoice
from analysis.models.footprint import footprint
from analysis.models.speech_model import SpeechModel
from analysis.plan.recipe import Recipe, complete
from analysis.speech.excitation import Excitation, make_excitation, shipped_seconds

pytestmark = pytest.mark.usefixtures("steady")


def test_more_sound_takes_longer_and_silence_nothing(speech_model: SpeechModel) -> None:
    cost = footprint(speech_model)
    quick, thorough = (
        listening_seconds(speech_model, cost, complete(level=level))
        for level in ("quick", "thorough")
    )
    assert 0 < quick < thorough
    assert listening_seconds(speech_model, cost, Recipe()) == 0


def test_each_choice_brings_its_stages(hubert: SpeechModel, whisper: SpeechModel) -> None:
    cost = footprint(hubert)

    def names(**choices: object) -> list[str]:
        return [stage.name for stage in stages(hubert, cost, complete(**choices))]

    assert names(distance="weights", repair="refit") == ["words", "units"]
    assert names(distance="contribution") == ["words", "units", "orders"]
    assert names(allocation="uniform") == ["words", "units", "orders"]
    assert names()[-3:] == ["words", "worth", "worth of ranks"]
    assert names(components=("ffn", "heads"))[-2:] == ["words", "worth"]
    # a CTC model writes nothing down before it is measured
    kinds = {kind for stage in stages(hubert, cost, complete()) for kind in stage.work}
    assert kinds == set(SLOWER) - {"writing"}
    written = [s for s in stages(whisper, footprint(whisper), complete()) if s.name == "words"]
    assert all(stage.work["writing"] > 0 for stage in written)


def test_what_was_measured_before_is_free(whisper: SpeechModel, sound: Excitation) -> None:
    cost, recipe = footprint(whisper), complete(excitation="sounds")
    heard = Excitation(sound.kind, sound.clips[:2])  # that no other test has played to it
    before = listening_seconds(whisper, cost, recipe, heard)
    assert before > 0
    TreeChoice.of(recipe.changed(allocation="uniform"), heard).build(whisper)
    between = listening_seconds(whisper, cost, recipe, heard)
    assert 0 < between < before
    left = [stage.name for stage in stages(whisper, cost, recipe, heard) if not stage.kept]
    assert left == ["words", "worth", "worth of ranks"]
    TreeChoice.of(recipe, heard).build(whisper)
    assert listening_seconds(whisper, cost, recipe, heard) == 0


def test_seconds_add_up_by_kind() -> None:
    stage = effort.Stage("units", {"squares": 2e9, "cubes": 3e9}, blocks=10, kept=False)
    computed = 2 * SLOWER["squares"] + 3 * SLOWER["cubes"]
    assert stage.seconds(1e9) == pytest.approx(computed + 10 * BLOCK_SECONDS)
    assert stage.seconds(2e9) == pytest.approx(computed / 2 + 10 * BLOCK_SECONDS)


def test_no_duration_is_told_finer_than_it_is_known() -> None:
    assert [about(seconds) for seconds in (0, 12, 54, 61, 560, 3000, 3400)] == [
        *("a few seconds", "about 10 s", "about 50 s", "about 1 min", "about 9 min"),
        *("about 50 min", "about 1 h"),
    ]


def test_seconds_that_ship_are_told_without_reading_them() -> None:
    read = make_excitation("speech", level="quick").seconds
    assert shipped_seconds("quick") == pytest.approx(read, rel=1e-3)
    assert shipped_seconds("thorough") > 20 * 60
    assert shipped_seconds("standard", ("en", "de")) > shipped_seconds("standard")
