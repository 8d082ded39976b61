"""Compressed models: what changes, what must not, and that the same plan gives the same bits."""

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from analysis.clustering.clusterings import clustering_inertia
from analysis.clustering.distances import squared_distances
from analysis.clustering.trees import build_trees
from analysis.compression import compress as compression_module
from analysis.compression.allocation import allocate
from analysis.compression.compress import compress
from analysis.errors import Cancelled, UserError
from analysis.models.modules import linear_at
from analysis.models.speech_model import SpeechModel
from analysis.models.statistics import group_variances
from analysis.models.unit_groups import UnitGroup, unit_groups
from analysis.models.unit_weights import UnitWeights, read_units
from analysis.plan.choices import ALLOCATIONS, DISTANCES, MERGE_RULES, METHODS
from analysis.plan.compression_plan import CompressionPlan
from tests.helpers.random_units import rotated
from tests.helpers.tiny_models import (
    BUILDERS,
    hash_weights,
    logits,
    make_plan,
    tiny_hubert,
    tiny_whisper,
)
from tests.helpers.tiny_models import speech_model as wrap


def same_bits(a: SpeechModel, b: SpeechModel) -> bool:
    mine, theirs = a.model.state_dict(), b.model.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[k], theirs[k]) for k in mine)


def own_tensors(model: SpeechModel, touched: set[str]) -> set[str]:
    """Names of the tensors that merging the groups `touched` may replace."""
    names = set()
    for group in unit_groups(model):
        if group.id in touched:
            for path in group.input_paths.values():
                names |= {f"{path}.weight", f"{path}.bias"}
            names.add(f"{group.output_path}.weight")
    return names & set(model.model.state_dict())


def overwrite(module: PreTrainedModel, group: UnitGroup, weights: UnitWeights) -> None:
    """Put units into a model of one's own, in place."""
    width = group.n_units * group.rows
    for role, path in group.input_paths.items():
        linear = linear_at(module, path)
        linear.weight.data.copy_(weights.inputs[role].reshape(width, -1))
        if role in weights.biases:
            linear.bias.data.copy_(weights.biases[role].reshape(width))
    linear_at(module, group.output_path).weight.data.copy_(weights.output.reshape(width, -1).T)


# --- identity ----------------------------------------------------------------------------------


def test_all_units_kept_is_the_identity(speech_model: SpeechModel) -> None:
    plan = make_plan(speech_model, n_clusters={})
    result = compress(speech_model, plan)
    assert result.groups == {}
    assert result.model.plan == plan
    assert torch.equal(logits(result.model), logits(speech_model))


@pytest.mark.parametrize("block", ["ffn", "self_attention", "cross_attention"])
@pytest.mark.parametrize("family", list(BUILDERS))
def test_duplicated_units_merge_with_no_change_of_output(family: str, block: str) -> None:
    """A unit and its copy, for heads turned inside, become one, and nobody hears it."""
    model = BUILDERS[family]()
    wanted = {}
    for group in unit_groups(model):
        if group.block != block:
            continue
        weights = read_units(model.model, group).clone()
        for part in (*weights.inputs.values(), *weights.biases.values(), weights.output):
            part[-1] = part[0]
        if group.component == "heads":
            weights = rotated(weights, group.n_units - 1, seed=group.layer)
        overwrite(model.model, group, weights)
        wanted[group.id] = group.n_units - 1
    if not wanted:
        assert model.architecture.decoding == "ctc"
        return
    model = wrap(model.model, model.processor, "with-copies")

    result = compress(model, make_plan(model, n_clusters=wanted))
    assert result.groups.keys() == wanted.keys()
    for done in result.groups.values():
        assert done.labels.tolist() == [*range(done.n_clusters), 0]
        assert done.error < 1e-5
    torch.testing.assert_close(logits(result.model), logits(model), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("family", list(BUILDERS))
def test_channels_without_output_or_input_are_free(family: str) -> None:
    """Dead channels are equal to each other: all of them together cost nothing."""
    model = BUILDERS[family]()
    wanted = {}
    for group in unit_groups(model):
        if group.component == "ffn":
            weights = read_units(model.model, group).clone()
            for part in (*weights.inputs.values(), *weights.biases.values(), weights.output):
                part[-4:] = 0
            overwrite(model.model, group, weights)
            wanted[group.id] = group.n_units - 3
    model = wrap(model.model, model.processor, "with-dead-channels")
    result = compress(model, make_plan(model, n_clusters=wanted))
    torch.testing.assert_close(logits(result.model), logits(model), rtol=1e-4, atol=1e-4)
    # magnitude drops the very same ones
    pruned = compress(model, make_plan(model, n_clusters=wanted, method="magnitude"))
    torch.testing.assert_close(logits(pruned.model), logits(model), rtol=1e-4, atol=1e-4)


# --- every combination -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "engine", "distance", "merge", "align_heads", "refine"),
    [
        combination
        for combination in product(
            METHODS, ("ward", "kmeans"), DISTANCES, MERGE_RULES, (True, False), (True, False)
        )
        # engine and refinement say nothing about the baselines
        if (combination[0] == "cluster" or combination[1::4] == ("ward", False))
        and (combination[0] != "surgeon" or combination[2] == "contribution")
    ],
)
def test_every_method_gives_the_shapes_that_the_plan_says(
    hubert: SpeechModel,
    method: str,
    engine: str,
    distance: str,
    merge: str,
    align_heads: bool,
    refine: bool,
) -> None:
    plan = make_plan(
        hubert,
        method=method,
        engine=engine,
        distance=distance,
        merge=merge,
        align_heads=align_heads,
        refine=refine,
    )
    result = compress(hubert, plan)
    sizes = {group.id: group.n_units for group in unit_groups(result.model)}
    assert sizes == dict(plan.n_clusters)
    for group_id, done in result.groups.items():
        kept = done.labels[done.labels >= 0]
        assert np.array_equal(np.unique(kept), np.arange(plan.n_clusters[group_id]))
        assert (method == "cluster") == bool((done.labels >= 0).all())
        assert 0 < done.error < 1
        after = next(g for g in unit_groups(result.model) if g.id == group_id)
        written = read_units(result.model.model, after).vectors()
        assert torch.equal(written, done.weights.vectors())
    out = logits(result.model)
    assert torch.isfinite(out).all()
    assert not torch.allclose(out, logits(hubert))


@pytest.mark.parametrize("allocation", list(ALLOCATIONS))
@pytest.mark.parametrize("method", list(METHODS))
def test_every_allocation_of_every_method_runs(
    whisper: SpeechModel, method: str, allocation: str
) -> None:
    groups = unit_groups(whisper)
    listens = method == "surgeon" or allocation == "output-error"
    distance = "contribution" if listens else "weights"
    trees = build_trees(whisper, distance, removal=listens)
    k = allocate(
        groups,
        sparsity=0.3,
        strategy=allocation,
        trees=trees,
        variances=group_variances(whisper),
        method=method,
    )
    choices = {"method": method, "allocation": allocation, "distance": distance}
    plan = make_plan(whisper, n_clusters=k, sparsity=0.3, **choices)
    result = compress(whisper, plan, trees=trees)
    assert {g.id: g.n_units for g in unit_groups(result.model)} == k
    assert torch.isfinite(logits(result.model)).all()


@pytest.mark.parametrize("family", list(BUILDERS))
def test_one_unit_everywhere_runs(family: str, request: pytest.FixtureRequest) -> None:
    model: SpeechModel = request.getfixturevalue(family)
    k = {group.id: 1 for group in unit_groups(model)}
    assert torch.isfinite(logits(compress(model, make_plan(model, n_clusters=k)).model)).all()


# --- errors that are reported ------------------------------------------------------------------


@pytest.mark.parametrize("align_heads", [False, True])
@pytest.mark.parametrize(("engine", "refine"), [("ward", False), ("ward", True), ("kmeans", False)])
def test_reported_error_is_the_relative_inertia_of_the_labels(
    hubert: SpeechModel, engine: str, refine: bool, align_heads: bool
) -> None:
    plan = make_plan(hubert, engine=engine, refine=refine, align_heads=align_heads)
    for done in compress(hubert, plan).groups.values():
        # k-means knows means only: it clusters and is scored without alignment
        align = align_heads and engine != "kmeans"
        distances = squared_distances(hubert.model, done.group, "weights", align_heads=align)
        expected = clustering_inertia(distances, done.labels) / distances.norms.sum()
        assert done.error == pytest.approx(expected, rel=1e-4)


def test_refining_never_raises_the_error(speech_model: SpeechModel) -> None:
    plain = compress(speech_model, make_plan(speech_model))
    refined = compress(speech_model, make_plan(speech_model, refine=True))
    for group_id, done in refined.groups.items():
        assert done.error <= plain.groups[group_id].error * (1 + 1e-6)


def test_clusters_beat_both_baselines_at_the_same_size(speech_model: SpeechModel) -> None:
    errors = {
        method: compress(speech_model, make_plan(speech_model, method=method)).groups
        for method in ("cluster", "magnitude", "random")
    }
    for group_id, done in errors["cluster"].items():
        assert done.error < errors["magnitude"][group_id].error
        assert errors["magnitude"][group_id].error <= errors["random"][group_id].error


# --- what must not change ----------------------------------------------------------------------


def test_the_original_stays_as_it_is(speech_model: SpeechModel) -> None:
    before, config = hash_weights(speech_model.model), speech_model.config.to_json_string()
    generation = str(getattr(speech_model.model, "generation_config", None))
    out = logits(speech_model)
    for method, repair in (("cluster", "none"), ("random", "none"), ("surgeon", "refit")):
        distance = "contribution" if method == "surgeon" else "weights"
        choices = {"method": method, "distance": distance, "repair": repair}
        compress(speech_model, make_plan(speech_model, **choices))
    assert hash_weights(speech_model.model) == before
    assert speech_model.config.to_json_string() == config
    assert str(getattr(speech_model.model, "generation_config", None)) == generation
    assert torch.equal(logits(speech_model), out)


def test_everything_but_the_merged_matrices_is_shared(speech_model: SpeechModel) -> None:
    """Embeddings, convolutions, norms, positions, output biases: the very same memory."""
    plan = make_plan(speech_model)
    result = compress(speech_model, plan)
    touched = {g.id for g in unit_groups(speech_model) if plan.n_clusters[g.id] < g.n_units}
    replaced = own_tensors(speech_model, touched)
    mine = {k: v.data_ptr() for k, v in result.model.model.state_dict().items()}
    theirs = {k: v.data_ptr() for k, v in speech_model.model.state_dict().items()}
    assert mine.keys() == theirs.keys()
    assert {name for name in mine if mine[name] != theirs[name]} == replaced
    assert any(name.endswith("out_proj.bias") for name in mine if name not in replaced)


def test_an_untouched_group_owns_nothing(whisper: SpeechModel) -> None:
    result = compress(whisper, make_plan(whisper, n_clusters={"decoder.1.cross_attention": 1}))
    mine, theirs = result.model.model.state_dict(), whisper.model.state_dict()
    changed = {k for k in mine if mine[k].data_ptr() != theirs[k].data_ptr()}
    assert changed == own_tensors(whisper, {"decoder.1.cross_attention"})


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("family", ["whisper", "hubert_large"])
def test_dtype_stays(family: str, dtype: torch.dtype) -> None:
    half = BUILDERS[family]()
    half = wrap(half.model.to(dtype=dtype), half.processor, half.name)  # type: ignore[call-arg]
    result = compress(half, make_plan(half))
    assert {p.dtype for p in result.model.model.parameters()} == {dtype}
    assert torch.isfinite(logits(result.model)).all()


# --- determinism -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "choices",
    [
        {},
        {"engine": "kmeans", "n_init": 2, "seed": 5},
        {"engine": "kmeans", "seeding": "random"},
        {"method": "random", "seed": 3},
        {"method": "magnitude"},
        {"refine": True, "distance": "normalised", "merge": "medoid"},
    ],
)
def test_the_same_plan_gives_the_same_bits(
    whisper: SpeechModel, choices: dict[str, object]
) -> None:
    plan = make_plan(whisper, **choices)
    first = compress(whisper, plan)
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002  (global state must not matter)
    second = compress(whisper, CompressionPlan.from_json(plan.to_json()))
    assert same_bits(first.model, second.model)
    assert first.model.weight_hash == second.model.weight_hash


def test_another_seed_is_another_model(whisper: SpeechModel) -> None:
    a, b = (compress(whisper, make_plan(whisper, method="random", seed=seed)) for seed in (0, 1))
    assert not same_bits(a.model, b.model)
    assert a.model.weight_hash != b.model.weight_hash


@pytest.mark.parametrize("block", ["ffn", "self_attention"])
def test_order_of_the_units_does_not_matter(block: str) -> None:
    """A model with its units in another order is the same function; so is what becomes of it."""
    model, shuffled = tiny_hubert(), tiny_hubert()
    rng = np.random.default_rng(0)
    for group in unit_groups(shuffled):
        if group.block == block:
            order = torch.from_numpy(rng.permutation(group.n_units))
            overwrite(shuffled.model, group, read_units(shuffled.model, group).take(order))
    shuffled = wrap(shuffled.model, shuffled.processor, "shuffled")
    torch.testing.assert_close(logits(shuffled), logits(model), rtol=1e-4, atol=1e-4)
    wanted = {g.id: g.n_units // 2 + 1 for g in unit_groups(model) if g.block == block}
    results = [compress(m, make_plan(m, n_clusters=wanted)) for m in (model, shuffled)]
    torch.testing.assert_close(
        logits(results[1].model), logits(results[0].model), rtol=1e-3, atol=1e-3
    )
    assert not torch.allclose(logits(results[0].model), logits(model), atol=1e-2)


# --- reuse, trees, progress, cancel ------------------------------------------------------------


def test_reuse_redoes_only_what_changed(
    whisper: SpeechModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = compress(whisper, make_plan(whisper))
    moved = make_plan(whisper, n_clusters={**first.plan.n_clusters, "encoder.1.ffn": 7})
    redone = []
    original = compression_module.compress_group

    def spy(model: object, group: UnitGroup, *rest: object, **options: object) -> object:
        redone.append(group.id)
        return original(model, group, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(compression_module, "compress_group", spy)
    second = compress(whisper, moved, reuse=first)
    assert redone == ["encoder.1.ffn"]
    assert same_bits(second.model, compress(whisper, moved).model)


@pytest.mark.parametrize(
    "change", [{"merge": "medoid"}, {"align_heads": False}, {"method": "magnitude"}, {"seed": 1}]
)
def test_reuse_takes_nothing_from_another_method(
    whisper: SpeechModel, change: dict[str, object]
) -> None:
    first = compress(whisper, make_plan(whisper))
    plan = make_plan(whisper, **change)
    reused, fresh = compress(whisper, plan, reuse=first), compress(whisper, plan)
    assert same_bits(reused.model, fresh.model)
    for group_id, done in reused.groups.items():
        assert done is not first.groups[group_id]


def test_reuse_takes_nothing_from_another_model(whisper: SpeechModel) -> None:
    other = tiny_whisper(seed=42)
    first = compress(other, make_plan(other))
    plan = make_plan(whisper)
    assert same_bits(compress(whisper, plan, reuse=first).model, compress(whisper, plan).model)


def test_given_trees_are_used(whisper: SpeechModel, monkeypatch: pytest.MonkeyPatch) -> None:
    trees = build_trees(whisper)
    plan = make_plan(whisper)
    expected = compress(whisper, plan).model

    def never(*_: object, **__: object) -> None:
        raise AssertionError("a tree was built that had been given")

    monkeypatch.setattr(compression_module, "build_tree", never)
    assert same_bits(compress(whisper, plan, trees=trees).model, expected)


def test_progress_counts_the_groups_that_become_smaller(whisper: SpeechModel) -> None:
    seen: list[tuple[int, int, str]] = []
    wanted = {"encoder.0.ffn": 3, "decoder.0.cross_attention": 1}
    compress(
        whisper,
        make_plan(whisper, n_clusters=wanted),
        progress=lambda done, total, note: seen.append((done, total, note)),
    )
    assert seen == [
        (1, 2, "Encoder 0 · FFN channels"),
        (2, 2, "Decoder 0 · cross-attention heads"),
    ]


def test_cancel_stops_between_groups(whisper: SpeechModel) -> None:
    done: list[int] = []
    before = hash_weights(whisper.model)
    with pytest.raises(Cancelled):
        compress(
            whisper,
            make_plan(whisper),
            progress=lambda n, _total, _note: done.append(n),
            should_cancel=lambda: len(done) == 3,
        )
    assert done == [1, 2, 3]
    assert hash_weights(whisper.model) == before


# --- whisper: generation and word timestamps ---------------------------------------------------


@pytest.mark.parametrize("n_beams", [1, 3])
@pytest.mark.parametrize("cache", ["dynamic", "static"])
def test_generation_with_another_head_count_in_every_layer(
    whisper: SpeechModel, n_beams: int, cache: str
) -> None:
    """Cached decoding gives the tokens that decoding without a cache gives."""
    wanted = {
        "encoder.0.self_attention": 3,
        "encoder.1.self_attention": 1,
        "decoder.0.self_attention": 1,
        "decoder.1.cross_attention": 1,
        "decoder.2.ffn": 5,
    }
    model: Any = compress(whisper, make_plan(whisper, n_clusters=wanted)).model.model
    features = torch.randn(2, 16, 200, generator=torch.Generator().manual_seed(3))
    settings = {"num_beams": n_beams, "max_new_tokens": 8, "do_sample": False}
    with torch.inference_mode():
        cached = model.generate(features, cache_implementation=cache, **settings)
        plain = model.generate(features, use_cache=False, **settings)
    assert cached.shape[1] >= 2
    assert torch.equal(cached, plain)


def alignment_heads(model: SpeechModel) -> object:
    return getattr(model.model.generation_config, "alignment_heads", None)


def test_alignment_heads_follow_their_clusters(whisper: SpeechModel) -> None:
    """[1, 0] and [1, 1] meet in one cluster; [2, 1] is untouched."""
    result = compress(whisper, make_plan(whisper, n_clusters={"decoder.1.cross_attention": 1}))
    assert alignment_heads(result.model) == [[1, 0], [2, 1]]
    assert alignment_heads(whisper) == [[1, 0], [1, 1], [2, 1]]


@pytest.mark.parametrize("kept", [0, 1])
def test_alignment_heads_follow_what_pruning_keeps(kept: int) -> None:
    model = tiny_whisper()
    values = model.model.get_parameter("model.decoder.layers.2.encoder_attn.v_proj.weight")
    values.data[16 * kept : 16 * (kept + 1)] *= 10
    model = wrap(model.model, model.processor, "uneven-heads")
    plan = make_plan(model, n_clusters={"decoder.2.cross_attention": 1}, method="magnitude")
    result = compress(model, plan)
    # head 1 of layer 2 stays and becomes head 0, or is dropped and with it its entry
    assert alignment_heads(result.model) == [[1, 0], [1, 1], *([[2, 0]] if kept else [])]


def test_no_alignment_head_left_is_said_by_transformers_itself() -> None:
    model = tiny_whisper()
    model.model.generation_config.update(alignment_heads=[[2, 1]])
    values = model.model.get_parameter("model.decoder.layers.2.encoder_attn.v_proj.weight")
    values.data[:16] *= 10
    model = wrap(model.model, model.processor, "uneven-heads")
    plan = make_plan(model, n_clusters={"decoder.2.cross_attention": 1}, method="magnitude")
    result = compress(model, plan)
    assert not hasattr(result.model.model.generation_config, "alignment_heads")
    assert alignment_heads(model) == [[2, 1]]
    module: Any = result.model.model
    with pytest.raises(ValueError, match="no `alignment_heads`"):
        module.generate(torch.zeros(1, 16, 200), return_token_timestamps=True)


def test_alignment_heads_of_another_model_are_left_out() -> None:
    """Fine-tuned checkpoints carry lists of bigger models; what no head has is dropped."""
    model = tiny_whisper()
    model.model.generation_config.update(alignment_heads=[[1, 1], [2, 5], [9, 0]])
    plan = make_plan(model, n_clusters={"decoder.2.cross_attention": 1})
    assert alignment_heads(compress(model, plan).model) == [[1, 1], [9, 0]]


def test_models_without_a_generation_config_compress() -> None:
    model = tiny_whisper()
    setattr(model.model, "generation_config", None)  # noqa: B010  (typed as always there)
    assert compress(model, make_plan(model)).model.model.generation_config is None


# --- again, and refusals -----------------------------------------------------------------------


def test_a_compressed_model_compresses_again(speech_model: SpeechModel) -> None:
    once = compress(speech_model, make_plan(speech_model, n_clusters={"encoder.0.ffn": 9})).model
    wanted = {"encoder.0.ffn": 4, "encoder.1.self_attention": 2}
    twice = compress(once, make_plan(once, n_clusters=wanted)).model
    sizes = {group.id: group.n_units for group in unit_groups(twice)}
    original = {group.id: group.n_units for group in unit_groups(speech_model)}
    assert sizes == original | wanted
    assert twice.config.merged_units == wanted
    assert once.config.merged_units == {"encoder.0.ffn": 9}
    assert torch.isfinite(logits(twice)).all()


def test_a_plan_for_other_weights_is_refused(whisper: SpeechModel) -> None:
    plan = make_plan(tiny_whisper(seed=5))
    with pytest.raises(UserError, match="other weights"):
        compress(whisper, plan)


def test_a_bad_k_is_refused_by_group(whisper: SpeechModel) -> None:
    with pytest.raises(UserError, match=r"decoder\.2\.ffn.*1 to 20"):
        compress(whisper, make_plan(whisper, n_clusters={"decoder.2.ffn": 21}))


def test_kmeans_with_too_few_distinct_units_names_the_group() -> None:
    model = tiny_hubert()
    for name in ("intermediate_dense.weight", "intermediate_dense.bias", "output_dense.weight"):
        model.model.get_parameter(f"hubert.encoder.layers.1.feed_forward.{name}").data.zero_()
    model = wrap(model.model, model.processor, "zeros")
    plan = make_plan(model, n_clusters={"encoder.1.ffn": 3}, engine="kmeans")
    with (
        pytest.warns(match="distinct clusters"),
        pytest.raises(UserError, match="Encoder 1 · FFN channels"),
    ):
        compress(model, plan)
    ward = compress(model, plan.changed(recipe=plan.recipe.changed(engine="ward")))
    assert ward.groups["encoder.1.ffn"].error == 0


def test_weights_that_are_not_numbers_are_refused_by_group() -> None:
    model = tiny_hubert()
    columns = model.model.get_parameter("hubert.encoder.layers.1.feed_forward.output_dense.weight")
    columns.data[0, 3] = float("nan")
    model = wrap(model.model, model.processor, "nan")
    with pytest.raises(UserError, match=r"encoder\.1\.ffn.*not finite"):
        compress(model, make_plan(model))
