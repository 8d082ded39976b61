"""What a training run is told; the defaults are the papers' where they state them."""

from dataclasses import dataclass
from typing import Literal

from analysis.errors import UserError
from analysis.plan.choices import NORMALISERS

TEMPERATURE = 0.1
"""τ, relative to spread times root mean square of a matrix's entries at the start."""


GateKind = Literal["elements", "units"]


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How to train; epochs, optimiser, rate and batch as arXiv 2606.11836 has them.

    Parameters
    ----------
    epochs : int
    learning_rate : float
        Peak of AdamW's; rises linearly over `warm_up`, then falls linearly to 0.
    batch_size : int
        Clips per step of the optimiser, over all processes and accumulated gradients.
    accumulation : int
        Parts that a process computes its share of a batch in, for want of memory.
    warm_up : float
        Share of all steps.
    weight_decay : float
    max_gradient_norm : float
    gradient_checkpointing : bool
        Whether to compute activations twice instead of keeping them.
    max_seconds : float
        Longer clips are left out.
    language : str or None
        Of the data, for a multilingual Whisper.
    teacher_weight : float
        Share of the distance to the teacher in the loss, where there is a teacher.
    normaliser : str
        For the validation WER; key of `analysis.plan.choices.NORMALISERS`.
    evaluation_batch : int
        Clips transcribed together for it.
    seed : int

    Raises
    ------
    UserError
        For a value that makes no sense.
    """

    epochs: int = 3
    learning_rate: float = 2e-4
    batch_size: int = 16
    accumulation: int = 1
    warm_up: float = 0.1
    weight_decay: float = 0.01
    max_gradient_norm: float = 1.0
    gradient_checkpointing: bool = False
    max_seconds: float = 30.0
    language: str | None = None
    teacher_weight: float = 0.5
    normaliser: str = "whisper-english"
    evaluation_batch: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        """Check every value."""
        positive = ("epochs", "learning_rate", "batch_size", "accumulation", "evaluation_batch")
        for name in (*positive, "max_gradient_norm", "max_seconds"):
            if not getattr(self, name) > 0:
                raise UserError(f"{name} is {getattr(self, name):g}.", "Choose more than 0.")
        for name in ("warm_up", "teacher_weight"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"{name} is {getattr(self, name):g}.", "Choose from 0 to 1.")
        if self.weight_decay < 0:
            raise UserError(f"weight_decay is {self.weight_decay:g}.", "Choose 0 or more.")
        if not 0 <= self.seed < 2**32:
            raise UserError(f"seed is {self.seed}.", f"Choose a number from 0 to {2**32 - 1}.")
        if self.normaliser not in NORMALISERS:
            raise UserError(
                f"There is no normaliser {self.normaliser!r}.",
                f"Choose one of {', '.join(NORMALISERS)}.",
            )


@dataclass(frozen=True, slots=True)
class GateSettings:
    """How to pinch.

    Parameters
    ----------
    kind : {"elements", "units"}
        Single weights, as arXiv 2505.22608, or whole heads and channels, Coalesce's variant.
    sparsity : float or None
        To reach, by an adaptive λ; None leaves λ at `weight`.
    weight : float
        λ of the sparsity term where it is fixed: nats per token that all the weights are worth.
    temperature : float
        τ; see `analysis.plan.training_settings.TEMPERATURE`.
    learning_rate : float or None
        Of the thresholds, in standard deviations of what they are compared with; by default such
        that they can travel 10 of them in the whole run, unless it is very short.

    Raises
    ------
    UserError
        For a value that makes no sense.
    """

    kind: GateKind = "elements"
    sparsity: float | None = None
    weight: float = 0.05
    temperature: float = TEMPERATURE
    learning_rate: float | None = None

    def __post_init__(self) -> None:
        """Check every value."""
        if self.sparsity is not None and not 0 < self.sparsity < 1:
            raise UserError(
                f"sparsity is {self.sparsity:g}.", "Choose a fraction above 0 and below 1."
            )
        if self.weight < 0:
            raise UserError(f"The sparsity weight is {self.weight:g}.", "Choose 0 or more.")
        for name in ("temperature", "learning_rate"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UserError(f"{name} of the gates is {value:g}.", "Choose more than 0.")

    def threshold_rate(self, n_steps: int) -> float:
        """Learning rate of the thresholds; falling linearly, it lets them travel half of n·rate."""
        if self.learning_rate is not None:
            return self.learning_rate
        return min(2 * _TRAVEL / n_steps, _MOST_TRAVEL)


_TRAVEL = 10.0


_MOST_TRAVEL = 0.2  # in one step; a run of a few steps would jump over all that it pinches
