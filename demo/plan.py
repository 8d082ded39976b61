"""How long, how fast, on what and with what seed a demo model is trained."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of training with one kind of example.

    ``n_steps`` optimiser steps of ``batch_size`` windows. A window lasts ``window`` seconds for
    Whisper, at most that for HuBERT, which hears as many sentences at once as a draw from
    ``sentence_counts`` says. ``disturbance`` from 0 to 1 is how much rooms, microphones and noise
    get in the way; with ``follow_teacher`` Whisper's encoder follows HuBERT frame by frame;
    with ``spelled`` the CTC targets are letters, which are learned sooner, instead of words.
    """

    n_steps: int
    batch_size: int
    window: float = 8.0
    sentence_counts: tuple[int, ...] = (1, 2, 3)
    disturbance: float = 1.0
    follow_teacher: bool = False
    spelled: bool = False


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """How one model is trained.

    The learning rate rises linearly to ``peak_learning_rate`` over ``warmup_steps``, stays there,
    and falls linearly to zero over the last ``decay_share`` of all steps.
    """

    phases: tuple[Phase, ...]
    peak_learning_rate: float = 8e-4
    warmup_steps: int = 200
    decay_share: float = 0.3
    weight_decay: float = 0.01
    ema_decay: float = 0.999
    max_gradient_norm: float = 1.0
    checkpoint_every: int = 200
    n_threads: int = 1
    seed: int = 0

    @property
    def n_steps(self) -> int:
        """Optimiser steps of all phases."""
        return sum(phase.n_steps for phase in self.phases)

    def locate(self, step: int) -> tuple[Phase, int]:
        """Return the phase of ``step`` and the index of the first example of that step."""
        example = 0
        for phase in self.phases:
            if step < phase.n_steps:
                return phase, example + step * phase.batch_size
            step -= phase.n_steps
            example += phase.n_steps * phase.batch_size
        raise IndexError(f"the plan ends after {self.n_steps} steps")

    def learning_rate(self, step: int) -> float:
        """Learning rate of optimiser step ``step`` (counted from 0)."""
        rise = (step + 1) / self.warmup_steps
        fall = (self.n_steps - step) / (self.decay_share * self.n_steps)
        return self.peak_learning_rate * min(rise, 1.0, fall)


COUNTS = (1, 1, 1, 2, 2, 3)

# HuBERT comes first: Whisper's encoder learns from it.
PLANS = {
    "hubert": TrainingPlan(
        phases=(
            Phase(1000, batch_size=16, spelled=True),
            Phase(4550, batch_size=10, sentence_counts=COUNTS, disturbance=0.5, spelled=True),
            Phase(3450, batch_size=12, sentence_counts=COUNTS, disturbance=0.6, spelled=True),
            Phase(2400, batch_size=12, sentence_counts=COUNTS, disturbance=0.6),
            Phase(6000, batch_size=12, sentence_counts=COUNTS, disturbance=0.4),
        ),
    ),
    "whisper": TrainingPlan(
        phases=(
            Phase(
                2000, batch_size=12, window=4.0, disturbance=0.5, follow_teacher=True, spelled=True
            ),
            Phase(
                900, batch_size=8, window=8.0, disturbance=0.5, follow_teacher=True, spelled=True
            ),
            Phase(7100, batch_size=12, window=5.0, disturbance=0.5, spelled=True),
            Phase(3000, batch_size=8, window=8.0, disturbance=0.5, spelled=True),
        ),
    ),
}
