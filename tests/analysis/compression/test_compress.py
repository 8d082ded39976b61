"""Compressed models: what changes, what must not, and that the same plan gives the same bits."""

from itertools import product

import numpy as np
import pytest
import torch

from analysis.clustering.clusterings import clustering_inertia
from analysis.clustering.distances import squared_distances
from analysis.compression.allocation import allocate
from analysis.compression.compress import compress
from analysis.models.speech_model import SpeechModel
from analysis.models.statistics import group_variances
from analysis.models.unit_weights import read_units
from analysis.plan.choices import ALLOCATIONS, DISTANCES, LISTENING, MERGE_RULES, METHODS
from analysis.plan.compression_plan import CompressionPlan
from analysis.speech.excitation import Excitation
from tests.helpers.changed_models import overwrite, same_bits
from tests.helpers.chosen_trees import distance_for, trees_for
from tests.helpers.random_units import rotated
from tests.helpers.tiny_models import BUILDERS, hash_weights, logits, make_plan, tiny_hubert
from tests.helpers.tiny_models import speech_model as wrap


def own_tensors(model: SpeechModel, touched: set[str]) -> set[str]:
    """Names of the tensors that merging the groups `touched` may replace."""
    names = set()
    for group in model.groups:
        if group.id in touched:
            for path in group.input_paths.values():
                names |= {f"{path}.weight", f"{path}.bias"}
            names.add(f"{group.output_path}.weight")
    return names & set(model.model.state_dict())


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
    for group in model.groups:
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
    for group in model.groups:
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
        and (combination[0] != "surgeon" or combination[2] in LISTENING)
    ],
)
def test_every_method_gives_the_shapes_that_the_plan_says(
    hubert: SpeechModel,
    sound: Excitation,
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
        excitation=sound.kind,
    )
    result = compress(hubert, plan, excitation=sound)
    sizes = {group.id: group.n_units for group in result.model.groups}
    assert sizes == dict(plan.n_clusters)
    for group_id, done in result.groups.items():
        kept = done.labels[done.labels >= 0]
        assert np.array_equal(np.unique(kept), np.arange(plan.n_clusters[group_id]))
        assert (method == "cluster") == bool((done.labels >= 0).all())
        assert 0 < done.error < 1
        after = next(g for g in result.model.groups if g.id == group_id)
        written = read_units(result.model.model, after).vectors()
        assert torch.equal(written, done.weights.vectors())
    out = logits(result.model)
    assert torch.isfinite(out).all()
    assert not torch.allclose(out, logits(hubert))


@pytest.mark.parametrize("allocation", list(ALLOCATIONS))
@pytest.mark.parametrize("method", list(METHODS))
def test_every_allocation_of_every_method_runs(
    whisper: SpeechModel, sound: Excitation, method: str, allocation: str
) -> None:
    groups = whisper.groups
    distance = distance_for(method, allocation)
    trees = trees_for(whisper, distance, sound)
    k = allocate(
        groups,
        sparsity=0.3,
        strategy=allocation,
        trees=trees,
        variances=group_variances(whisper),
        method=method,
    )
    choices = {"method": method, "allocation": allocation, "distance": distance}
    plan = make_plan(whisper, n_clusters=k, sparsity=0.3, excitation=sound.kind, **choices)
    result = compress(whisper, plan, trees=trees, excitation=sound)
    assert {g.id: g.n_units for g in result.model.groups} == k
    assert torch.isfinite(logits(result.model)).all()


@pytest.mark.parametrize("family", list(BUILDERS))
def test_one_unit_everywhere_runs(family: str, request: pytest.FixtureRequest) -> None:
    model: SpeechModel = request.getfixturevalue(family)
    k = {group.id: 1 for group in model.groups}
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


def test_the_original_stays_as_it_is(speech_model: SpeechModel, sound: Excitation) -> None:
    before, config = hash_weights(speech_model.model), speech_model.config.to_json_string()
    generation = str(getattr(speech_model.model, "generation_config", None))
    out = logits(speech_model)
    for method, repair in (("cluster", "none"), ("random", "none"), ("surgeon", "refit")):
        distance = "contribution" if method == "surgeon" else "weights"
        choices = {"method": method, "distance": distance, "repair": repair}
        plan = make_plan(speech_model, excitation=sound.kind, **choices)
        compress(speech_model, plan, excitation=sound)
    assert hash_weights(speech_model.model) == before
    assert speech_model.config.to_json_string() == config
    assert str(getattr(speech_model.model, "generation_config", None)) == generation
    assert torch.equal(logits(speech_model), out)


def test_everything_but_the_merged_matrices_is_shared(speech_model: SpeechModel) -> None:
    """Embeddings, convolutions, norms, positions, output biases: the very same memory."""
    plan = make_plan(speech_model)
    result = compress(speech_model, plan)
    touched = {g.id for g in speech_model.groups if plan.n_clusters[g.id] < g.n_units}
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
    for group in shuffled.groups:
        if group.block == block:
            order = torch.from_numpy(rng.permutation(group.n_units))
            overwrite(shuffled.model, group, read_units(shuffled.model, group).take(order))
    shuffled = wrap(shuffled.model, shuffled.processor, "shuffled")
    torch.testing.assert_close(logits(shuffled), logits(model), rtol=1e-4, atol=1e-4)
    wanted = {g.id: g.n_units // 2 + 1 for g in model.groups if g.block == block}
    results = [compress(m, make_plan(m, n_clusters=wanted)) for m in (model, shuffled)]
    torch.testing.assert_close(
        logits(results[1].model), logits(results[0].model), rtol=1e-3, atol=1e-3
    )
    assert not torch.allclose(logits(results[0].model), logits(model), atol=1e-2)
