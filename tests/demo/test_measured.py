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


@pytest.mark.parametrize("left", [0, 0.5, 0.999])
def test_a_truncated_archive_counts_as_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, left: float
) -> None:
    whole = next(shipped.FOLDER.glob("*.npz")).read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: int(left * len(whole))])
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    assert read_arrays(tmp_path / "statistics" / "any.npz") is None
    assert "cut.npz cannot be read" in caplog.text


def test_a_damaged_member_counts_as_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    ours = {"kept/all.npz": {"zeros": np.zeros(1000)}, "kept/fine.npz": {"ones": np.ones(3)}}
    shipped.write_archive(tmp_path / "some.npz", ours)
    content = bytearray((tmp_path / "some.npz").read_bytes())
    content[100:110] = b"0123456789"  # within what the first member holds
    (tmp_path / "some.npz").write_bytes(content)
    assert shipped.shipped_arrays("kept/all.npz") is None
    fine = shipped.shipped_arrays("kept/fine.npz")
    assert fine is not None
    np.testing.assert_array_equal(fine["ones"], np.ones(3))
