"""The guard: the original loses nothing, and what is broken is told from what is not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analysis.clustering.trees import build_trees
from analysis.clustering.unit_space import UnitSpace
from analysis.compression.compress import compress
from analysis.compression.guard import Guard, examined, expected_to_hold
from analysis.compression.planner import Planner
from analysis.delivery.saving import save
from analysis.models.loading import load
from analysis.models.speech_model import SpeechModel
from analysis.plan.health import Health
from analysis.plan.recipe import Recipe, complete
from analysis.speech import excitation
from analysis.speech.excitation import Excitation
from tests.helpers.repaired_models import listening_plan
from tests.helpers.tiny_models import make_plan


def test_a_model_loses_nothing_of_itself(speech_model: SpeechModel) -> None:
    guard = Guard.of(speech_model)
    assert guard is not None
    health = guard.examine(speech_model)
    assert health == Health(
        divergence=0, divergence_said=0, sure_words_lost=0, words_changed=0, looping=0
    )
    assert health.verdict == "sound"


def _health(model: SpeechModel, recipe: Recipe) -> Health:
    prepared = Planner(model).prepare(recipe)
    made = examined(compress(model, prepared.plan), model).model
    assert made.health is not None
    return made.health


def test_a_bundled_model_at_a_tenth_is_well_and_at_nine_tenths_it_is_not(
    demo_model: SpeechModel,
) -> None:
    mild = _health(demo_model, complete(distance="weights", sparsity=0.05))
    heavy = _health(demo_model, complete(method="magnitude", sparsity=0.9))
    assert mild.verdict != "broken"
    assert heavy.verdict == "broken"
    assert mild.divergence < heavy.divergence
    assert mild.words_changed < heavy.words_changed <= 1


def test_half_of_the_bundled_hubert_is_strained_and_not_broken() -> None:
    """It has 19 % WER on its own task, though it guesses other words of foreign speech."""
    health = _health(load("demo-hubert"), complete(distance="weights", sparsity=0.5))
    assert health.verdict == "strained"


def test_it_says_how_far_the_recipe_goes(hubert: SpeechModel, sound: Excitation) -> None:
    space = UnitSpace("influence", excitation=sound)
    plain = build_trees(hubert, space, removal=True)
    trees = {
        name: replace(tree, inflation=np.ones(tree.n_units - 1)) for name, tree in plain.items()
    }
    half = {group.id: (group.n_units + 1) // 2 for group in hubert.groups}
    plan = listening_plan(
        hubert,
        sound,
        method="surgeon",
        distance="influence",
        allocation="end-to-end",
        n_clusters=half,
    )
    far = [expected_to_hold(hubert, trees, plan, nats) for nats in (1e-9, 0.3, 3.0, 1e9)]
    assert far == sorted(far, key=lambda value: -(value or 0.0))
    assert far[0] == 0.99
    assert far[-1] == 0
    other = plan.changed(recipe=plan.recipe.changed(allocation="uniform"))
    assert expected_to_hold(hubert, trees, other, 0.3) is None
    whole = plan.with_clusters({group.id: group.n_units for group in hubert.groups})
    assert expected_to_hold(hubert, trees, whole, 0.3) is None


def test_a_window_in_which_the_original_loops_does_not_count(
    whisper: SpeechModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = Guard.of(whisper)
    assert guard is not None
    looping = [(clip.n_prompt, [0] * clip.n_prompt + [1, 2] * 9) for clip in guard.clips]
    monkeypatch.setattr("analysis.compression.guard.write_down", lambda *_, **__: looping)

    def share(*, ends: bool) -> float:
        """Of windows that loop, where the original comes to an end or does not."""
        expected = [logs.clone() for logs in guard.expected]
        for logs in expected:
            logs[-1, whisper.config.eos_token_id] = 1.0 if ends else -9.0
        return replace(guard, expected=expected).examine(whisper).looping

    assert share(ends=True) == 1
    assert share(ends=False) == 0


def test_without_the_voices_nothing_is_said(
    hubert: SpeechModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(excitation, "_FOLDER", tmp_path)
    made = compress(hubert, make_plan(hubert))
    assert examined(made, hubert) is made


def test_of_a_model_that_is_sure_of_nothing_nothing_is_said(whisper: SpeechModel) -> None:
    """It is untrained: whatever another one writes, no word that it is sure of is lost."""
    made = compress(whisper, make_plan(whisper))
    assert examined(made, whisper) is made


def test_a_checkpoint_carries_it_and_another_compression_forgets_it(
    hubert: SpeechModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.compression.guard.FEWEST_SURE", 0)
    made = examined(compress(hubert, make_plan(hubert)), hubert).model
    assert made.health is not None
    loaded = load(str(save(made, tmp_path / "smaller")))
    assert loaded.health == made.health
    card = (tmp_path / "smaller" / "README.md").read_text(encoding="utf-8")
    assert f"**{made.health.verdict}**" in card
    assert compress(loaded, make_plan(loaded)).model.health is None
