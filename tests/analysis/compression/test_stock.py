"""Stock classes only: what they can hold, from the allocation to a plain `from_pretrained`."""

import pytest

from analysis.clustering.trees import build_trees
from analysis.compression.allocation import allocate
from analysis.compression.compress import compress
from analysis.compression.stock import (
    extend_to_stacks,
    level,
    require_whole_heads,
    stock_widths,
    whole_stacks,
)
from analysis.errors import UserError
from analysis.models.speech_model import SpeechModel
from analysis.plan.choices import STOCK_COMPONENTS
from tests.helpers.tiny_models import make_plan


def test_a_levelled_allocation_keeps_the_budget_of_each_stack(speech_model: SpeechModel) -> None:
    groups = speech_model.groups
    found = allocate(
        groups,
        sparsity=0.3,
        strategy="distortion",
        components=STOCK_COMPONENTS,
        trees=build_trees(speech_model),
    )
    levelled = level(groups, found)
    for stack in {group.stack for group in groups}:
        ffns = [g.id for g in groups if g.stack == stack and g.component == "ffn"]
        assert len({levelled[name] for name in ffns}) == 1
        kept = sum(levelled[name] for name in ffns) - sum(found[name] for name in ffns)
        assert abs(kept) <= len(ffns) / 2
    for group in groups:
        if group.component == "heads":
            assert levelled[group.id] == group.n_units
    assert level(groups, levelled) == levelled
    model = compress(speech_model, make_plan(speech_model, n_clusters=levelled)).model
    assert stock_widths(model) is not None


def test_no_layer_gets_more_channels_than_it_has(whisper: SpeechModel) -> None:
    uneven = compress(whisper, make_plan(whisper, n_clusters={"encoder.0.ffn": 5})).model
    groups = uneven.groups
    levelled = level(groups, {group.id: group.n_units for group in groups})
    assert {levelled["encoder.0.ffn"], levelled["encoder.1.ffn"]} == {5}
    assert levelled["decoder.0.ffn"] == 20


def test_a_hand_on_one_layer_moves_its_stack(whisper: SpeechModel) -> None:
    groups = whisper.groups
    moved = extend_to_stacks(groups, {"decoder.1.ffn": 11, "encoder.0.self_attention": 2})
    assert moved == {f"decoder.{layer}.ffn": 11 for layer in range(3)}


def test_lost_heads_are_named(whisper: SpeechModel) -> None:
    hidden = whisper.config.hidden_size
    require_whole_heads(whisper.groups, hidden)
    fewer = compress(whisper, make_plan(whisper, n_clusters={"decoder.1.self_attention": 1})).model
    with pytest.raises(UserError, match="Decoder 1 · self-attention"):
        require_whole_heads(fewer.groups, hidden)


def test_a_lock_of_a_whole_stack_survives_levelling(whisper: SpeechModel) -> None:
    groups = whisper.groups
    stack = [g.id for g in groups if g.id.startswith("encoder") and g.component == "ffn"]
    assert len(stack) > 1
    whole = dict.fromkeys(stack, 5)
    heads = {g.id: 1 for g in groups if g.component == "heads"}
    assert whole_stacks(groups, whole | heads) == whole
    assert whole_stacks(groups, whole | {stack[0]: 6}) == {}
    assert whole_stacks(groups, {stack[0]: 5}) == {}
    free = {g.id: g.n_units for g in groups}
    assert {level(groups, free | whole)[name] for name in stack} == {5}
