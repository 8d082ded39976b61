"""Compressing again takes over what it may, and what was compressed before."""

import pytest
import torch

from analysis.clustering.trees import build_trees
from analysis.clustering.unit_space import UnitSpace
from analysis.compression import compress as compression_module
from analysis.compression.compress import compress
from analysis.errors import Cancelled, UserError
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from analysis.progress import Watch
from tests.helpers.changed_models import same_bits
from tests.helpers.tiny_models import hash_weights, logits, make_plan, tiny_hubert, tiny_whisper
from tests.helpers.tiny_models import speech_model as wrap

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

    monkeypatch.setattr(UnitSpace, "tree", never)
    assert same_bits(compress(whisper, plan, trees=trees).model, expected)


def test_progress_counts_the_groups_that_become_smaller(whisper: SpeechModel) -> None:
    seen: list[tuple[int, int, str]] = []
    wanted = {"encoder.0.ffn": 3, "decoder.0.cross_attention": 1}
    compress(
        whisper,
        make_plan(whisper, n_clusters=wanted),
        watch=Watch(lambda done, total, note: seen.append((done, total, note))),
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
            watch=Watch(lambda n, _total, _note: done.append(n), lambda: len(done) == 3),
        )
    assert done == [1, 2, 3]
    assert hash_weights(whisper.model) == before


# --- again, and refusals -----------------------------------------------------------------------


def test_a_compressed_model_compresses_again(speech_model: SpeechModel) -> None:
    once = compress(speech_model, make_plan(speech_model, n_clusters={"encoder.0.ffn": 9})).model
    wanted = {"encoder.0.ffn": 4, "encoder.1.self_attention": 2}
    twice = compress(once, make_plan(once, n_clusters=wanted)).model
    sizes = {group.id: group.n_units for group in twice.groups}
    original = {group.id: group.n_units for group in speech_model.groups}
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
