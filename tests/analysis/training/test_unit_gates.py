"""Unit gates: what is pinched puts out nothing and can be cut out."""

import copy

import pytest
import torch

from analysis.models.speech_model import SpeechModel
from analysis.models.unit_weights import read_units
from analysis.training.gates import Gated, remove_gates, sparsity
from analysis.training.unit_gates import add_unit_gates, units_kept
from tests.helpers import tiny_models


def raise_thresholds(gated: list[Gated], quantile: float) -> None:
    """Put each threshold at a quantile of the norms."""
    with torch.no_grad():
        for one in gated:
            norms = one.gate.squares(one.weight).sqrt()
            one.gate.level.copy_(norms.quantile(quantile) / one.gate.spread)


@pytest.mark.parametrize("family", ["whisper", "hubert", "wav2vec2_large"])
def test_norms_are_those_of_the_unit_vectors(family: str, request: pytest.FixtureRequest) -> None:
    model: SpeechModel = request.getfixturevalue(family)
    module = copy.deepcopy(model.model)
    groups = model.groups
    for one, group in zip(add_unit_gates(module, groups), groups, strict=True):
        assert one.name == group.id
        expected = read_units(model.model, group).vectors().square().sum(dim=1)
        torch.testing.assert_close(one.gate.squares(one.weight), expected)
        assert sparsity([one]) == pytest.approx(0)


def test_pinched_units_put_out_nothing() -> None:
    model = tiny_models.tiny_whisper()
    module = copy.deepcopy(model.model)
    groups = model.groups
    gated = add_unit_gates(module, groups)
    raise_thresholds(gated, 0.6)
    kept = units_kept(gated, groups)
    hard = {one.name: one.gate.hard(one.weight) for one in gated}
    remove_gates(gated)
    for group in groups:
        output = read_units(module, group).output
        assert 1 <= kept[group.id] < group.n_units
        assert int(hard[group.id].sum()) == kept[group.id]
        assert not output[~hard[group.id]].any()
        assert torch.equal(
            output[hard[group.id]], read_units(model.model, group).output[hard[group.id]]
        )


def test_one_unit_always_stays() -> None:
    model = tiny_models.tiny_hubert()
    module = copy.deepcopy(model.model)
    groups = model.groups
    gated = add_unit_gates(module, groups)
    with torch.no_grad():
        for one in gated:
            one.gate.level.add_(1_000)
    assert set(units_kept(gated, groups).values()) == {1}


def test_gradients_are_those_of_the_soft_objective() -> None:
    """Central differences over the threshold, an output column and an input row."""
    model = tiny_models.tiny_hubert()
    module = copy.deepcopy(model.model).double().requires_grad_(True)
    group = next(group for group in model.groups if group.component == "heads")
    [one] = add_unit_gates(module, [group])
    one.gate.double()
    raise_thresholds([one], 0.5)
    direction = torch.randn(
        one.weight.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    (one.linear.weight * direction).sum().backward()

    def objective() -> float:
        with torch.no_grad():
            soft = one.gate.soft(one.weight).repeat_interleave(group.rows)
            return float((one.weight * soft * direction).sum())

    query = module.get_submodule(group.input_paths["query"])
    for parameter, place in (
        (one.gate.level, ()),
        (one.weight, (3, 5)),
        (query.weight, (9, 2)),
        (query.bias, (9,)),
    ):
        step = 1e-6
        assert isinstance(parameter, torch.nn.Parameter)
        before = parameter.detach()[place].clone()
        values = []
        for sign in (1, -1):
            parameter.data[place] = before + sign * step
            values.append(objective())
        parameter.data[place] = before
        assert parameter.grad is not None
        measured = (values[0] - values[1]) / (2 * step)
        assert float(parameter.grad[place]) == pytest.approx(measured, rel=1e-4, abs=1e-9)
        assert abs(measured) > 1e-8
