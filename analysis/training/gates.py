"""Self-pinching gates: one learnable threshold per weight matrix, pruning and learning in one pass.

Source: arXiv 2505.22608. A gate with threshold t multiplies its matrix W by the hard mask
[W² >= t²] on the way forward; on the way back gradients are those of W times the soft mask
M = sigmoid((W² - t²) / (2·τ)). The loss is the task's plus λ times the mean of the soft masks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.utils import parametrize

from analysis.errors import UserError
from analysis.models.modules import linear_at
from analysis.models.unit_groups import UnitGroup
from analysis.plan.training_settings import TEMPERATURE

_START = 0.01  # quantile of the sizes that thresholds start at: no gradient would move t = 0

_BELOW = 0.99  # and a little below it, so that of a few units none is pinched before the first step

_LEAST_SPREAD = 0.01  # of the root mean square; equal entries would leave a threshold no unit


class _StraightThrough(torch.autograd.Function):
    """The value of one tensor with the gradient of another."""

    @staticmethod
    def forward(ctx: object, hard: torch.Tensor, soft: torch.Tensor) -> torch.Tensor:
        return hard

    @staticmethod
    def backward(ctx: object, gradient: torch.Tensor) -> tuple[None, torch.Tensor]:
        return None, gradient


def soft_mask(
    squares: torch.Tensor, threshold: torch.Tensor, temperature: torch.Tensor
) -> torch.Tensor:
    """M = sigmoid((W² - t²) / (2·τ)), entry by entry.

    Parameters
    ----------
    squares : Tensor
        W², or the squared norms of units.
    threshold, temperature : Tensor
        t and τ, scalars.
    """
    return torch.sigmoid((squares - threshold.square()) / (2 * temperature))


class Gate(nn.Module):
    """A threshold and a temperature, fitted to what they gate; subclasses say what that is.

    Parameters
    ----------
    sizes : Tensor
        Absolute entries of the matrix, or norms of the units, before the first step.
    temperature : float
        See `TEMPERATURE`.

    Raises
    ------
    UserError
        When there is nothing but zeros to gate.

    Attributes
    ----------
    level : Parameter
        The threshold in standard deviations of `sizes`, so that one learning rate suits entries,
        which scatter widely, and norms of units, which hardly do.
    """

    spread: torch.Tensor
    temperature: torch.Tensor

    def __init__(self, sizes: torch.Tensor, temperature: float = TEMPERATURE) -> None:
        super().__init__()
        sizes = sizes.detach().float().flatten()
        rms = sizes.square().mean().sqrt()
        spread = torch.maximum(sizes.std(correction=0), _LEAST_SPREAD * rms)
        alive = sizes[sizes > 0]  # what earlier pinching left stays pinched
        if not len(alive):
            raise UserError(
                "A matrix of this model holds nothing but zeros.", "Pinch the model it was made of."
            )
        start = alive.kthvalue(1 + int(_START * len(alive))).values
        self.register_buffer("spread", spread)
        self.register_buffer("temperature", temperature * spread * rms)
        self.level = nn.Parameter(_BELOW * start / spread)

    @property
    def threshold(self) -> torch.Tensor:
        """t, in the unit of what is gated."""
        return self.level * self.spread

    def squares(self, weight: torch.Tensor) -> torch.Tensor:
        """What is compared with t²."""
        raise NotImplementedError

    def over_weight(self, mask: torch.Tensor) -> torch.Tensor:
        """A mask as it is multiplied with the matrix."""
        return mask

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """Weight ⊙ hard mask, with the gradients of weight ⊙ soft mask."""
        squares = self.squares(weight)
        hard = self.over_weight(self._hard(squares)).to(weight.dtype)
        soft = self.over_weight(soft_mask(squares, self.threshold, self.temperature))
        return _StraightThrough.apply(weight * hard, weight * soft)

    def hard(self, weight: torch.Tensor) -> torch.Tensor:
        """Which entries or units stay; always the largest."""
        return self._hard(self.squares(weight))

    def soft(self, weight: torch.Tensor) -> torch.Tensor:
        """Soft mask of every entry or unit."""
        return soft_mask(self.squares(weight), self.threshold, self.temperature)

    def _hard(self, squares: torch.Tensor) -> torch.Tensor:
        squares = squares.detach()
        return squares >= torch.minimum(self.threshold.detach().square(), squares.max())


class ElementGate(Gate):
    """Pinches the entries of one matrix."""

    def __init__(self, weight: torch.Tensor, temperature: float = TEMPERATURE) -> None:
        super().__init__(weight.abs(), temperature)

    def squares(self, weight: torch.Tensor) -> torch.Tensor:
        """W², entry by entry."""
        return weight.square()


@dataclass(frozen=True, slots=True, eq=False)
class Gated:
    """A gate in its place.

    Parameters
    ----------
    name : str
        Path of the matrix from the model's root, or id of the unit group.
    linear : torch.nn.Linear
        Whose weight is gated.
    gate : Gate
    n_parameters : int
        What the gate decides about.
    """

    name: str
    linear: nn.Linear
    gate: Gate
    n_parameters: int

    @property
    def weight(self) -> torch.Tensor:
        """The matrix as it is learned, before the gate."""
        weight: torch.Tensor = self.linear.parametrizations.weight.original  # type: ignore[union-attr, assignment]
        return weight

    def kept(self) -> float:
        """Share of the entries or units that stay."""
        return float(self.gate.hard(self.weight).float().mean())

    def softly_kept(self) -> torch.Tensor:
        """Mean of the soft mask."""
        return self.gate.soft(self.weight).mean()


def add_element_gates(
    module: nn.Module, groups: Sequence[UnitGroup], temperature: float = TEMPERATURE
) -> list[Gated]:
    """Gate the attention projections and the two FFN matrices of every transformer layer.

    Parameters
    ----------
    module : torch.nn.Module
        A model of one's own; its forward stays as it is (`torch.nn.utils.parametrize`).
    groups : sequence of UnitGroup
        All unit groups of the model.
    temperature : float
        See `TEMPERATURE`.

    Returns
    -------
    list of Gated
        One for each matrix.
    """
    gated = []
    for path in matrix_paths(groups):
        linear = linear_at(module, path)
        gate = ElementGate(linear.weight, temperature)
        parametrize.register_parametrization(linear, "weight", gate)
        gated.append(Gated(path, linear, gate, linear.weight.numel()))
    return gated


def matrix_paths(groups: Sequence[UnitGroup]) -> Iterator[str]:
    """Paths of all matrices that belong to units, in the order in which a signal passes them."""
    for group in groups:
        yield from (*group.input_paths.values(), group.output_path)


def remove_gates(gated: Sequence[Gated]) -> None:
    """Make the masks final: plain matrices again, with exact zeros."""
    for one in gated:
        parametrize.remove_parametrizations(one.linear, "weight", leave_parametrized=True)


def sparsity(gated: Sequence[Gated]) -> float:
    """Share of what the gates decide about that is pinched, by the hard masks."""
    total = sum(one.n_parameters for one in gated)
    return 1 - sum(one.kept() * one.n_parameters for one in gated) / total


def density(gated: Sequence[Gated]) -> torch.Tensor:
    """The sparsity term before its weight λ: mean of all soft masks, by parameters."""
    total = sum(one.n_parameters for one in gated)
    return torch.stack([one.softly_kept() * (one.n_parameters / total) for one in gated]).sum()


@dataclass(slots=True)
class SparsityControl:
    """λ that leads to a wanted sparsity: a proportional-integral controller on a schedule.

    Parameters
    ----------
    target : float
        Sparsity at the end, 0 < target < 1.
    n_steps : int
        Of the whole training.
    ramp : float
        Share of the steps in which the wanted sparsity rises to the target, cubically as in Zhu
        and Gupta, "To prune, or not to prune", 2017; the rest is for the weights to settle.
    gain : float
        λ per unit of missing sparsity.
    memory : float
        λ that a unit of missing sparsity adds, were it missing during all steps.
    integral : float
        What was added so far; belongs into a training checkpoint.
    """

    target: float
    n_steps: int
    ramp: float = 0.6
    gain: float = 20.0
    memory: float = 200.0
    integral: float = 0.0

    def __post_init__(self) -> None:
        """Check the target.

        Raises
        ------
        UserError
        """
        if not 0 < self.target < 1:
            raise UserError(
                f"sparsity is {self.target:g}.", "Choose a fraction above 0 and below 1."
            )

    def wanted(self, step: int) -> float:
        """Sparsity that should be reached by a step."""
        missing = max(0.0, 1 - step / (self.ramp * self.n_steps))
        return self.target * (1 - missing**3)

    def update(self, reached: float, step: int) -> float:
        """λ for a step; below 0 where the sparsity is too high."""
        error = self.wanted(step) - reached
        self.integral += self.memory * error / self.n_steps
        return self.gain * error + self.integral
