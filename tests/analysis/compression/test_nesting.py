"""Ranks of heads are cut: alone, inside heads that go or merge, and again later."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from analysis.clustering.unit_space import UnitSpace
from analysis.compression.allocation import achieved_sparsity, allocate
from analysis.compression.compress import compress
from analysis.compression.locked_allocation import allocate_around
from analysis.compression.nesting import write_changes
from analysis.compression.planner import Planner
from analysis.compression.stock import stock_widths
from analysis.models.footprint import footprint, predict_footprint
from analysis.models.loading import load
from analysis.models.modules import linear_at, share_modules
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import kept_parameters, unit_parameters
from analysis.plan.compression_plan import CompressionPlan
from analysis.plan.recipe import complete
from analysis.speech.excitation import Excitation
from tests.helpers.group_shapes import evidence
from tests.helpers.repaired_models import listening_plan
from tests.helpers.tiny_models import BUILDERS, group_of, logits, make_plan
from tests.helpers.tiny_models import speech_model as wrap

ALL = ("ffn", "heads", "ranks")


def test_all_ranks_in_their_basis_are_the_same_model(
    speech_model: SpeechModel, sound: Excitation
) -> None:
    space = UnitSpace("influence", excitation=sound)
    groups = {g.id: g for g in speech_model.groups_for(ALL)}
    module = share_modules(speech_model.model)
    ranks = {name: group for name, group in groups.items() if group.inside}
    write_changes(module, groups, {n: space.units(speech_model, g) for n, g in ranks.items()})
    same = replace(speech_model, model=module)
    torch.testing.assert_close(logits(same), logits(speech_model), rtol=1e-3, atol=1e-4)


def test_attention_whose_ranks_all_stay_keeps_its_bits(whisper: SpeechModel) -> None:
    plan = make_plan(whisper, components=ALL, n_clusters={"encoder.1.self_attention_ranks": 3})
    made = compress(whisper, plan).model
    query = linear_at(made.model, "model.encoder.layers.1.self_attn.q_proj")
    assert query.weight.shape == (4 * 3, 32)
    before = whisper.model.state_dict()
    touched = {n for n, tensor in made.model.state_dict().items() if tensor is not before[n]}
    changed = {n for n in touched if not torch.equal(made.model.state_dict()[n], before[n])}
    block = "model.encoder.layers.1.self_attn."
    assert changed == {f"{block}q_proj.weight", f"{block}q_proj.bias", f"{block}k_proj.weight"}


def test_weak_ranks_go_first(hubert: SpeechModel, sound: Excitation) -> None:
    """A query that answers to nothing in half of its directions can lose them."""
    group = group_of(hubert, "encoder.1.self_attention_ranks")
    module = share_modules(hubert.model, lambda tensor: tensor.detach().clone())
    linear = linear_at(module, group.input_paths["query"])
    with torch.no_grad():
        linear.weight.view(4, 8, -1)[:, 1::2] = 0
        linear.bias.view(4, 8)[:, 1::2] = 0
    model = replace(hubert, model=module.requires_grad_(False), weight_hash="weak ranks")
    plan = listening_plan(model, sound, components=("ranks",), n_clusters={group.id: 4})
    made = compress(model, plan, excitation=sound).model
    torch.testing.assert_close(logits(made), logits(model), rtol=1e-3, atol=1e-3)
    other = make_plan(model, components=("ranks",), n_clusters={group.id: 3})
    assert not torch.allclose(logits(compress(model, other).model), logits(model), atol=1e-3)


@pytest.mark.parametrize(
    "choices",
    [
        {"method": "cluster", "repair": "none"},
        {"method": "cluster"},
        {"method": "surgeon"},
        {"method": "surgeon", "sequential": True},
        {"method": "magnitude", "repair": "none", "distance": "weights"},
        {"method": "cluster", "repair": "none", "distance": "weights"},
    ],
)
@pytest.mark.parametrize("family", ["whisper", "wav2vec2_large"])
def test_cost_is_foreseen_whatever_is_done_to_heads_and_ranks_together(
    family: str, sound: Excitation, choices: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    model = request.getfixturevalue(family)
    plan = listening_plan(model, sound, components=ALL, **choices)
    made = compress(model, plan, excitation=sound).model
    assert logits(made).isfinite().all()
    assert [g.n_units for g in made.groups_for(ALL)] == list(plan.n_clusters.values())
    found, foreseen = footprint(made), predict_footprint(model, footprint(model), plan.n_clusters)
    assert found.parameters == foreseen.parameters
    assert found.macs == pytest.approx(foreseen.macs, rel=1e-9)
    assert kept_parameters(made.groups) == kept_parameters(model.groups, plan.n_clusters)
    assert stock_widths(made) is None


def test_heads_that_stay_keep_just_the_ranks_that_stay(whisper: SpeechModel) -> None:
    """Dropping a head and cutting ranks at once is dropping the head of the cut model."""
    heads = "encoder.0.self_attention"
    cut = {f"{heads}_ranks": 5}
    together = make_plan(whisper, method="magnitude", components=ALL, n_clusters={**cut, heads: 3})
    first = compress(whisper, make_plan(whisper, components=ALL, n_clusters=cut)).model
    at_once = compress(whisper, together)
    gone = int((at_once.groups[heads].labels < 0).argmax())
    block = "model.encoder.layers.0.self_attn."
    for name in ("q_proj", "k_proj"):
        kept = linear_at(first.model, block + name).weight.view(4, 5, -1)
        expected = torch.cat([kept[:gone], kept[gone + 1 :]]).flatten(end_dim=1)
        assert torch.equal(linear_at(at_once.model.model, block + name).weight, expected)


def test_ranks_of_a_compressed_model_are_cut_again_and_its_heads_merged(
    whisper: SpeechModel,
) -> None:
    ranks, heads = "encoder.0.self_attention_ranks", "encoder.0.self_attention"
    once = compress(whisper, make_plan(whisper, components=ALL, n_clusters={ranks: 6})).model
    twice = compress(once, make_plan(once, components=ALL, n_clusters={ranks: 4})).model
    assert twice.config.merged_ranks == {heads: 4}
    assert once.config.merged_ranks == {heads: 6}
    merged = compress(twice, make_plan(twice, n_clusters={heads: 2})).model
    assert merged.config.merged_units == {heads: 2}
    group = group_of(merged, heads)
    assert (group.n_units, group.rows, group.ranks) == (2, 8, 4)
    assert logits(merged).isfinite().all()


def test_a_changed_number_of_ranks_reaches_heads_that_are_reused(whisper: SpeechModel) -> None:
    heads = "encoder.0.self_attention"
    first = {f"{heads}_ranks": 5, heads: 3}
    plan = make_plan(whisper, method="magnitude", components=ALL, n_clusters=first)
    other = plan.with_clusters({**plan.n_clusters, f"{heads}_ranks": 8})
    reused = compress(whisper, other, reuse=compress(whisper, plan)).model
    assert torch.equal(logits(reused), logits(compress(whisper, other).model))


@pytest.mark.parametrize("components", [ALL, ("ffn", "ranks"), ("heads", "ranks")])
@pytest.mark.parametrize("strategy", ["variance", "distortion", "output-error", "end-to-end"])
def test_the_budget_counts_what_heads_and_ranks_share_once(
    speech_model: SpeechModel, strategy: str, components: tuple[str, ...]
) -> None:
    groups = speech_model.groups_for(ALL)
    trees, variances = evidence(groups)
    chosen = [group for group in groups if group.component in components]
    unit = max(group.parameters_per_unit for group in chosen) / kept_parameters(chosen)
    for sparsity in (0.0, 0.1, 0.3, 0.6):
        k = allocate(
            groups,
            sparsity=sparsity,
            strategy=strategy,
            components=components,
            trees=trees,
            variances=variances,
        )
        found = achieved_sparsity(groups, k, components)
        assert found == pytest.approx(sparsity, abs=unit + 1e-9)
        left = kept_parameters(chosen, k)
        by_units = kept_parameters(chosen) - left
        foreseen = kept_parameters(speech_model.groups) - kept_parameters(speech_model.groups, k)
        assert by_units == foreseen


@pytest.mark.parametrize("locked", [{"encoder.0.self_attention": 1}, {"encoder.1.ffn": 24}])
@pytest.mark.parametrize("strategy", ["uniform", "distortion"])
def test_locks_hold_and_the_others_meet_the_budget(
    whisper: SpeechModel, strategy: str, locked: dict[str, int]
) -> None:
    groups = whisper.groups_for(ALL)
    trees, _ = evidence(groups)
    locked |= {"encoder.1.self_attention_ranks": 2}
    k = allocate_around(
        groups, locked, sparsity=0.3, strategy=strategy, trees=trees, components=ALL
    )
    assert all(k[name] == own for name, own in locked.items())
    unit = max(unit_parameters(group, {}) for group in groups) / kept_parameters(groups)
    assert achieved_sparsity(groups, k, ALL) == pytest.approx(0.3, abs=unit)


def test_what_is_saved_by_hand(whisper: SpeechModel) -> None:
    """Of tiny Whisper's 4 heads of 8: 2 heads, each with 5 ranks of 2·32+1 numbers, are left."""
    groups = [
        group
        for group in whisper.groups_for(ALL)
        if group.id.startswith("encoder.0.self_attention")
    ]
    k = {"encoder.0.self_attention": 2, "encoder.0.self_attention_ranks": 5}
    assert kept_parameters(groups) == 4 * (8 * (4 * 32 + 2))
    assert kept_parameters(groups, k) == 2 * (5 * (2 * 32 + 1) + 8 * (2 * 32 + 1))


@pytest.mark.slow
def test_the_default_recipe_measures_and_cuts_ranks() -> None:
    demo_hubert = load("demo-hubert")
    recipe = complete(sparsity=0.1, components=ALL, level="quick", swaps=False)
    prepared = Planner(demo_hubert).prepare(recipe)
    plan = CompressionPlan.from_json(prepared.plan.to_json())
    assert plan == prepared.plan
    lost = [g for g in demo_hubert.groups_for(ALL) if plan.n_clusters[g.id] < g.n_units]
    assert {group.component for group in lost} >= {"ffn", "ranks"}
    assert all(tree.inflation is not None for tree in prepared.trees.values())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("family", ["whisper", "hubert"])
def test_the_default_recipe_works_in_half_precision(
    family: str, dtype: torch.dtype, sound: Excitation
) -> None:
    sound = replace(sound, kind="calibrated")
    recipe = complete(sparsity=0.3, excitation=sound.kind, swaps=False)
    whole, half = BUILDERS[family](), BUILDERS[family]()
    half = wrap(half.model.to(dtype=dtype), half.processor, half.name)  # type: ignore[call-arg]
    exact = Planner(whole, sound).prepare(recipe).plan
    prepared = Planner(half, sound).prepare(recipe)
    made = compress(half, prepared.plan, trees=prepared.trees, excitation=sound).model
    assert {parameter.dtype for parameter in made.model.parameters()} == {dtype}
    assert torch.isfinite(logits(made)).all()
    groups = half.groups_for(ALL)
    assert achieved_sparsity(groups, prepared.plan.n_clusters, ALL) == pytest.approx(0.3, abs=0.01)
    kept = [prepared.plan.n_clusters[g.id] / g.n_units for g in groups]
    expected = [exact.n_clusters[g.id] / g.n_units for g in groups]
    assert sum(abs(a - b) for a, b in zip(kept, expected, strict=True)) / len(kept) < 0.1
