"""Self-pinching gates: masks, gradients, the way to a wanted sparsity."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from analysis.errors import UserError
from analysis.models.modules import linear_at
from analysis.models.speech_model import SpeechModel
from analysis.training.gates import (
    ElementGate,
    Gated,
    SparsityControl,
    add_element_gates,
    density,
    remove_gates,
    soft_mask,
    sparsity,
)
from tests.helpers import tiny_models


def gate_at(weight: torch.Tensor, threshold: float) -> ElementGate:
    gate = ElementGate(weight)
    with torch.no_grad():
        gate.level.copy_(threshold / gate.spread)
    return gate.to(weight.dtype)


def gated_matrix(weight: torch.Tensor) -> list[Gated]:
    linear = nn.Linear(weight.shape[1], weight.shape[0]).double()
    with torch.no_grad():
        linear.weight.copy_(weight)
    gate = ElementGate(linear.weight).double()
    parametrize.register_parametrization(linear, "weight", gate)
    return [Gated("the matrix", linear, gate, weight.numel())]


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_forward_keeps_what_reaches_the_threshold() -> None:
    weight = torch.tensor([[0.5, -1.0], [2.0, -0.99]])
    pinched = gate_at(weight, 1.0)(weight)
    assert pinched.tolist() == [[0.0, -1.0], [2.0, 0.0]]


def test_one_entry_always_stays() -> None:
    weight = torch.tensor([[0.5, -1.0], [2.0, 0.1]])
    assert gate_at(weight, 50.0)(weight).tolist() == [[0.0, 0.0], [2.0, 0.0]]


def test_gradients_are_those_of_the_soft_objective() -> None:
    """Central differences of f(W ⊙ soft mask), f a function whose gradient depends on its place."""
    weight = drawn(4, 3).requires_grad_()
    gate = gate_at(weight.detach(), 0.8)
    direction = drawn(4, 3, seed=1)
    gate(weight).backward(direction)  # ∂f/∂(pinched W) is given, so that f is linear in it

    def objective(entries: torch.Tensor, level: torch.Tensor) -> float:
        mask = soft_mask(entries.square(), level * gate.spread, gate.temperature)
        return float((entries * mask * direction).sum())

    step, level, entries = 1e-6, gate.level.detach(), weight.detach()
    for index in range(entries.numel()):
        shift = torch.zeros(12, dtype=torch.float64)
        shift[index] = step
        moved = shift.reshape(4, 3)
        expected = objective(entries + moved, level) - objective(entries - moved, level)
        assert weight.grad is not None
        assert weight.grad.flatten()[index] == pytest.approx(expected / (2 * step), abs=1e-8)
    expected = objective(entries, level + step) - objective(entries, level - step)
    assert gate.level.grad == pytest.approx(expected / (2 * step), abs=1e-8)
    assert abs(float(gate.level.grad)) > 1e-3


def test_sparsity_term_is_differentiated_by_thresholds_and_weights() -> None:
    gated = gated_matrix(drawn(4, 5))
    density(gated).backward()
    gate, weight = gated[0].gate, gated[0].weight
    step = 1e-6

    def mean(level: torch.Tensor, entries: torch.Tensor) -> float:
        threshold = level * gate.spread
        return float(soft_mask(entries.square(), threshold, gate.temperature).mean())

    level, entries = gate.level.detach(), weight.detach()
    expected = (mean(level + step, entries) - mean(level - step, entries)) / (2 * step)
    assert gate.level.grad == pytest.approx(expected, rel=1e-5)
    assert float(gate.level.grad) < 0  # a higher threshold leaves less
    moved = torch.zeros_like(entries)
    moved[0, 0] = step
    expected = (mean(level, entries + moved) - mean(level, entries - moved)) / (2 * step)
    assert weight.grad is not None
    assert weight.grad[0, 0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_gates_know_no_scale(scale: float) -> None:
    """The same matrix in other units has the same masks at the same level."""
    weight = drawn(30, 20).float()
    gate, other = ElementGate(weight), ElementGate(scale * weight)
    assert other.level.item() == pytest.approx(gate.level.item(), rel=1e-4)
    soft = gate.soft(weight)
    torch.testing.assert_close(other.soft(scale * weight), soft, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("family", ["whisper", "hubert", "wav2vec2"])
def test_every_transformer_matrix_is_gated_and_baked(
    family: str, request: pytest.FixtureRequest
) -> None:
    model: SpeechModel = request.getfixturevalue(family)
    module = copy.deepcopy(model.model)
    groups = model.groups
    gated = add_element_gates(module, groups)
    assert len(gated) == sum(2 if group.component == "ffn" else 4 for group in groups)
    assert sum(one.n_parameters for one in gated) < sum(group.n_parameters for group in groups)
    with torch.no_grad():
        for one in gated:
            one.gate.level.add_(1)
    expected = {one.name: one.gate(one.weight).detach().clone() for one in gated}
    reached = sparsity(gated)
    remove_gates(gated)
    names = {name for name, _ in module.named_parameters()}
    assert names == {name for name, _ in model.model.named_parameters()}
    for path, weight in expected.items():
        assert torch.equal(linear_at(module, path).weight, weight)
        assert 0.3 < float((weight == 0).float().mean()) < 1
    zeros = sum(int((weight == 0).sum()) for weight in expected.values())
    assert reached == pytest.approx(zeros / sum(weight.numel() for weight in expected.values()))


def test_gated_model_computes_what_the_baked_one_does() -> None:
    model = tiny_models.tiny_hubert()
    module = copy.deepcopy(model.model)
    gated = add_element_gates(module, model.groups)
    with torch.no_grad():
        for one in gated:
            one.gate.level.add_(0.5)
    samples = torch.randn(1, 8_000, generator=torch.Generator().manual_seed(7))
    with torch.inference_mode():
        before = module(samples).logits
    remove_gates(gated)
    with torch.inference_mode():
        assert torch.equal(module(samples).logits, before)
        assert not torch.allclose(model.model(samples).logits, before, atol=1e-3)


def test_control_leads_a_matrix_to_the_wanted_sparsity() -> None:
    """With nothing but the sparsity term, at three targets, to within a point and a half."""
    for target in (0.2, 0.5, 0.9):
        gated = gated_matrix(drawn(200, 100, seed=3))
        control = SparsityControl(target, 400)
        optimizer = torch.optim.Adam([gated[0].gate.level], lr=0.02)
        for step in range(400):
            optimizer.zero_grad()
            (control.update(sparsity(gated), step) * density(gated)).backward()
            optimizer.step()
        assert sparsity(gated) == pytest.approx(target, abs=0.015)


def test_schedule_rises_to_the_target_and_stays() -> None:
    control = SparsityControl(0.6, 10, ramp=0.5)
    wanted = [control.wanted(step) for step in range(11)]
    assert wanted[0] == 0
    assert wanted == sorted(wanted)
    assert wanted[5:] == [pytest.approx(0.6)] * 6
    assert control.update(0.7, 10) < 0  # λ gives back what is too much
    with pytest.raises(UserError, match="sparsity is 1"):
        SparsityControl(1.0, 10)
