"""Groups trade units: the size stays, the words come nearer, what is locked keeps its K."""

import pytest

from analysis.clustering.trees import build_trees
from analysis.clustering.unit_space import UnitSpace
from analysis.compression import swaps
from analysis.compression.compress import compress
from analysis.compression.divergence import check_clips, divergence, log_probabilities
from analysis.compression.effort import trading_seconds
from analysis.compression.planner import Planner
from analysis.compression.swaps import swap_budget
from analysis.errors import UserError
from analysis.models.footprint import footprint
from analysis.models.speech_model import SpeechModel
from analysis.plan.compression_plan import CompressionPlan
from analysis.plan.recipe import Recipe, complete
from analysis.speech.excitation import Excitation
from tests.helpers.repaired_models import listening_plan


def _moved(model: SpeechModel, plan: CompressionPlan, sound: Excitation) -> float:
    clips = check_clips(model)
    original = log_probabilities(model, model.model, clips)
    made = compress(model, plan, excitation=sound).model
    return divergence(model, made.model, clips, original)


def _parameters(model: SpeechModel, plan: CompressionPlan) -> int:
    return sum(plan.n_clusters[g.id] * g.parameters_per_unit for g in model.groups)


def test_a_bad_plan_becomes_a_better_one_of_its_size(
    hubert: SpeechModel, sound: Excitation
) -> None:
    """All channels of one layer are gone but one: others can give better."""
    ffn = [group for group in hubert.groups if group.component == "ffn"]
    plan = listening_plan(
        hubert, sound, method="surgeon", distance="influence", n_clusters={ffn[0].id: 1}
    )
    trees = build_trees(hubert, UnitSpace("influence", excitation=sound), removal=True)
    traded = swap_budget(hubert, plan, trees, sound)
    assert traded.n_clusters != plan.n_clusters
    assert _parameters(hubert, traded) <= _parameters(hubert, plan)
    assert _moved(hubert, traded, sound) < _moved(hubert, plan, sound)
    locked = swap_budget(hubert, plan, trees, sound, locked=[ffn[0].id])
    assert locked.n_clusters[ffn[0].id] == 1


def test_a_planner_trades_where_the_recipe_says_so(
    hubert: SpeechModel, sound: Excitation, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = complete(sparsity=0.5, excitation="calibrated")
    planner = Planner(hubert, Excitation("calibrated", sound.clips))
    monkeypatch.setitem(swaps.WORTH_TRADING, "ctc", 0.0)
    plain = planner.prepare(recipe.changed(swaps=False)).plan
    traded = planner.prepare(recipe.changed(swaps=True)).plan
    assert traded.recipe.swaps
    assert _parameters(hubert, traded) <= _parameters(hubert, plain)
    heard = Excitation("calibrated", sound.clips)
    assert _moved(hubert, traded, heard) <= _moved(hubert, plain, heard)


def test_nothing_is_traded_with_ctc(
    hubert: SpeechModel, sound: Excitation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan comes back before any voice is played, and no time is foreseen for it."""
    heard = Excitation("calibrated", sound.clips)
    planner = Planner(hubert, heard)
    plain = planner.prepare(complete(sparsity=0.5, excitation="calibrated", swaps=False))
    monkeypatch.setattr(swaps, "check_clips", None)
    assert swap_budget(hubert, plain.plan, plain.trees, heard) is plain.plan
    assert trading_seconds(hubert, footprint(hubert), complete(sparsity=0.5)) == 0


def test_nothing_is_traded_where_little_is_lost(
    whisper: SpeechModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    planner = Planner(whisper)
    plain = planner.prepare(complete(sparsity=0.05, swaps=False))
    monkeypatch.setattr(swaps, "check_clips", None)
    monkeypatch.setitem(swaps.WORTH_TRADING, "seq2seq", 1e6)
    assert swap_budget(whisper, plain.plan, plain.trees, plain.excitation) is plain.plan


def test_trades_are_the_default_where_k_follows_from_the_words() -> None:
    assert complete().swaps
    assert not complete(sequential=True).swaps
    assert not complete(allocation="output-error").swaps
    assert not complete(method="magnitude").swaps
    assert not complete(swaps=False).swaps


def test_groups_are_repaired_each_by_itself() -> None:
    with pytest.raises(UserError, match="layer after layer"):
        Recipe(swaps=True, sequential=True, repair="mean")
