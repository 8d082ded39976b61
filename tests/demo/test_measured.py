"""What ships as measured on the bundled models is what anybody would measure, and is found."""

from pathlib import Path

import numpy as np
import pytest

from analysis import shipped
from analysis.cache import is_kept, read_arrays
from analysis.clustering import influence, listening
from analysis.clustering.listening import statistics_folder
from analysis.clustering.trees import build_trees
from analysis.clustering.unit_space import UnitSpace
from analysis.compression import sensitivity
from analysis.compression.divergence import check_clips
from analysis.compression.effort import listening_seconds
from analysis.compression.planner import Planner
from analysis.models.footprint import footprint
from analysis.models.loading import load
from analysis.models.speech_model import SpeechModel
from analysis.plan.recipe import complete
from analysis.progress import UNWATCHED
from analysis.speech.hearing import recipe_excitation

pytestmark = pytest.mark.usefixtures("whole_speech", "fresh_cache")


@pytest.fixture
def fresh_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COALESCE_CACHE", str(tmp_path))


def test_the_default_recipe_measures_nothing_on_a_bundled_model(
    demo_model: SpeechModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is ready at once on a machine that has never seen the model."""
    recipe = complete(sparsity=0.2, swaps=False)
    heard = recipe_excitation(demo_model, recipe)
    assert listening_seconds(demo_model, footprint(demo_model), recipe, heard) < 60

    def measured(*arguments: object, **options: object) -> None:
        raise AssertionError("something was measured that should have shipped")

    monkeypatch.setattr(influence, "gradient_moments", measured)
    monkeypatch.setattr(sensitivity, "_measure", measured)
    monkeypatch.setattr(listening, "write_down", measured)
    prepared = Planner(demo_model).prepare(recipe)
    kept = prepared.plan.n_clusters
    assert any(kept[group.id] < group.n_units for group in demo_model.groups)
    assert check_clips(demo_model)


def test_what_ships_is_what_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demo_hubert, recipe = load("demo-hubert"), complete()
    heard = recipe_excitation(demo_hubert, recipe)
    space = UnitSpace.of(recipe, heard)
    shipped_trees = build_trees(demo_hubert, space, removal=True)
    kept = statistics_folder(demo_hubert, heard) / "sensitivity.npz"
    assert is_kept(kept)
    assert not kept.is_file()
    shipped_worth = read_arrays(kept)

    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "nothing")
    assert not is_kept(kept)
    trees = build_trees(demo_hubert, space, removal=True)
    for name, tree in trees.items():
        before = shipped_trees[name]
        assert tree.removal is not None
        assert before.removal is not None
        np.testing.assert_allclose(tree.norms, before.norms, rtol=1e-3)
        # units that cost next to nothing may go in another order
        costs, earlier = np.cumsum(tree.removal.costs), np.cumsum(before.removal.costs)
        np.testing.assert_allclose(costs, earlier, rtol=0.02, atol=1e-5 * earlier[-1])
    last = demo_hubert.groups[-1]
    clips = check_clips(demo_hubert)
    found = sensitivity._measure(demo_hubert, [last], trees, heard, clips, UNWATCHED)
    assert shipped_worth is not None
    np.testing.assert_allclose(found[last.id], shipped_worth[last.id], rtol=0.02, atol=1e-6)
