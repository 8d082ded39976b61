"""What differs between two models is found, by name, shape and amount; nothing else is."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch

from analysis.models.parameter_difference import (
    group_differences,
    group_table,
    tensor_differences,
    unit_table,
    unmatched,
)
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_weights import read_units, write_units
from tests.helpers.changed_models import narrower, overwrite


def test_a_model_is_equal_to_itself(whisper: SpeechModel) -> None:
    tensors = tensor_differences(whisper, whisper)
    assert {one.status for one in tensors} == {"same"}
    assert len(tensors) == len(list(whisper.model.named_parameters()))
    assert all(one.n_changed == 0 for one in group_differences(whisper, whisper))


def test_one_changed_unit_is_found_with_its_amount(hubert: SpeechModel) -> None:
    group = next(group for group in hubert.groups if group.component == "ffn")
    changed = deepcopy(hubert.model)
    weights = read_units(changed, group).clone()
    for part in (*weights.inputs.values(), *weights.biases.values(), weights.output):
        part[2] *= 1.5
    overwrite(changed, group, weights)
    other = replace(hubert, model=changed)
    found = {one.id: one for one in group_differences(hubert, other)}
    norms = found[group.id].relative_norms
    assert norms[2] == pytest.approx(0.5)
    assert found[group.id].n_changed == sum(one.n_changed for one in found.values()) == 1
    statuses = [one.status for one in tensor_differences(hubert, other)]
    assert statuses.count("changed") == 3  # two matrices and a bias
    assert {*statuses} == {"changed", "same"}


@pytest.mark.parametrize("component", ["heads", "ffn"])
def test_units_that_moved_are_found_where_they_stand_now(
    hubert: SpeechModel, component: str
) -> None:
    group = next(group for group in hubert.groups if group.component == component)
    order = torch.tensor([2, 0, *range(3, group.n_units)])  # unit 1 is gone, the others moved
    small, weights = deepcopy(hubert.model), read_units(hubert.model, group)
    write_units(small, group, weights.take(order))
    other = replace(hubert, model=small)
    found = {one.id: one for one in group_differences(hubert, other)}[group.id]
    assert (found.n_units, found.other_n_units) == (group.n_units, group.n_units - 1)
    assert [found.partners[place] for place in order] == list(range(len(order)))
    assert (found.partners[1], found.relative_norms[1]) == (None, None)
    assert (found.n_changed, set(found.norms)) == (0, {0.0})

    changed = weights.take(order).clone()
    changed.output[0] *= 3  # of unit 2; what it reads stays
    [there] = [one for one in other.groups if one.id == group.id]
    write_units(small, there, changed)
    found = {one.id: one for one in group_differences(hubert, other)}[group.id]
    assert found.n_changed == 1
    assert found.relative_norms[2] is not None
    assert found.relative_norms[2] > 0
    table = unit_table([found])
    assert table["other_unit"].isna().tolist() == [unit == 1 for unit in range(group.n_units)]
    assert group_table([found]).loc[0, ["paired", "changed"]].tolist() == [len(order), 1]


def test_what_is_narrower_is_reshaped_and_has_no_norm(hubert: SpeechModel) -> None:
    small = narrower(hubert)
    reshaped = [one for one in tensor_differences(hubert, small) if one.status == "reshaped"]
    assert reshaped
    assert all(one.relative_norm is None and one.shape != one.other_shape for one in reshaped)
    assert all(one.n_units > one.other_n_units for one in group_differences(hubert, small))


def test_what_only_one_has_is_named(hubert: SpeechModel, whisper: SpeechModel) -> None:
    found = {one.name: one for one in tensor_differences(hubert, whisper)}
    own = set(dict(hubert.model.named_parameters()))
    theirs = set(dict(whisper.model.named_parameters()))
    assert {name for name, one in found.items() if one.status == "missing"} == own - theirs
    assert {name for name, one in found.items() if one.status == "added"} == theirs - own
    assert torch.tensor([one.n_units for one in group_differences(hubert, whisper)]).min() == 0


def said(one: SpeechModel, other: SpeechModel) -> list[str]:
    return unmatched(one, other, tensor_differences(one, other), group_differences(one, other))


def test_layers_without_counterparts_are_named(hubert: SpeechModel, whisper: SpeechModel) -> None:
    assert said(whisper, whisper) == []
    [fewer] = said(hubert, narrower(hubert))  # fewer units are no fault of the layers
    assert "each is compared with the one that reads most alike" in fewer
    names, alone, *unlike = said(whisper, hubert)
    assert "(Whisper)" in names
    assert "(HuBERT-CTC) name their tensors differently" in names
    decoder = [group.id for group in whisper.groups if group.stack == "decoder"]
    assert alone.startswith(f"{whisper.name} alone has {', '.join(decoder[:3])} and ")
    assert alone.endswith(
        f" and {len(decoder) - 3} more groups: no layer of the other corresponds."
    )
    compared = {one.id for one in group_differences(whisper, hubert) if one.partners}
    shared = {group.id for group in whisper.groups} & {group.id for group in hubert.groups}
    assert [sentence.startswith("Units are not compared in ") for sentence in unlike] == (
        [True] * bool(shared - compared)
    )
    assert all(sorted(shared - compared)[0].split(".")[0] in sentence for sentence in unlike)
    assert said(hubert, whisper)[1].startswith(f"{whisper.name} alone has decoder.0.")
