"""What a training run is told; the defaults are the papers' where they state them."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from analysis.plan.choices import NORMALISERS, Normaliser
from analysis.plan.options import Option
from analysis.plan.validation import Checked

TEMPERATURE = 0.1
"""τ, relative to spread times root mean square of a matrix's entries at the start."""

GateKind = Literal["elements", "units"]

GATE_KINDS: Mapping[str, str] = {
    "elements": "Single weights, by one threshold per matrix, as arXiv 2505.22608 has it.",
    "units": "Whole heads and channels, which are cut out in the end: Coalesce's variant.",
}
"""What gates pinch."""

SYNTHESISED = "synthesised"
"""What stands for the speech that ships with Coalesce where a folder of data is asked for."""

DISTILLING: Mapping[str, Any] = {
    "epochs": 12,
    "learning_rate": 3e-5,
    "batch_size": 4,
    "teacher_weight": 1.0,
}
"""What is taken on that speech where nobody chose: some hundred gentle steps, no task loss."""

HELD_BACK = 20
"""One clip in so many is for the validation, where no corpus is named for it."""

_TRAVEL = 10.0
_MOST_TRAVEL = 0.2  # in one step; a run of a few steps would jump over all that it pinches


class TrainingSettings(Checked, title="training setting"):
    """How to train; epochs, optimiser, rate and batch as arXiv 2606.11836 has them.

    Raises
    ------
    UserError
        For a value that makes no sense.
    """

    epochs: Annotated[
        int,
        Field(ge=1),
        Option(
            "Epochs",
            "How often the run goes through all clips.",
            by_default="3; 12 without data",
        ),
    ] = 3
    learning_rate: Annotated[
        float,
        Field(gt=0),
        Option(
            "Learning rate",
            "Peak of AdamW's rate, which rises linearly over the warm-up and then falls to 0.",
            by_default="0.0002; 0.00003 without data",
        ),
    ] = 2e-4
    batch_size: Annotated[
        int,
        Field(ge=1),
        Option(
            "Batch size",
            "Clips per step, over all processes and accumulated gradients.",
            by_default="16; 4 without data",
        ),
    ] = 16
    accumulation: Annotated[
        int,
        Field(ge=1),
        Option("Accumulation", "Parts that a process computes its share of a batch in."),
    ] = 1
    warm_up: Annotated[float, Field(ge=0, le=1), Option("Warm-up", "Share of all steps.")] = 0.1
    weight_decay: Annotated[float, Field(ge=0), Option("Weight decay", "Of AdamW.")] = 0.01
    max_gradient_norm: Annotated[
        float,
        Field(gt=0, allow_inf_nan=True),
        Option("Gradient norm", "Longer gradients are cut to this norm."),
    ] = 1.0
    gradient_checkpointing: Annotated[
        bool,
        Option("Less memory", "Activations are computed twice instead of being kept."),
    ] = False
    max_seconds: Annotated[
        float,
        Field(gt=0, allow_inf_nan=True),
        Option("Longest clip", "Longer clips are left out, in seconds."),
    ] = 30.0
    language: Annotated[
        str | None,
        Option("Language", "Of the speech, for a multilingual Whisper.", by_default="detected"),
    ] = None
    teacher_weight: Annotated[
        float,
        Field(ge=0, le=1),
        Option(
            "Teacher's share",
            "Share of the distance to the teacher in the loss.",
            by_default="0.5; 1 without data",
        ),
    ] = 0.5
    normaliser: Annotated[
        Normaliser, Option("Normaliser", "Of the validation WER.", NORMALISERS)
    ] = "whisper-english"
    evaluation_batch: Annotated[int, Field(ge=1)] = 8
    seed: Annotated[
        int,
        Field(ge=0, le=2**32 - 1),
        Option("Seed", "Of the order of the clips and of dropout."),
    ] = 0


class GateSettings(Checked, title="gate setting"):
    """How to pinch.

    Raises
    ------
    UserError
        For a value that makes no sense.
    """

    kind: Annotated[
        GateKind, Option("Pinch", "What the gates prune.", GATE_KINDS, flag="units")
    ] = "elements"
    sparsity: Annotated[
        float | None,
        Field(gt=0, lt=1),
        Option("Sparsity", "To reach, by an adaptive λ.", by_default="λ stays as it is"),
    ] = None
    weight: Annotated[
        float,
        Field(ge=0),
        Option(
            "λ",
            "Weight of the sparsity term where no sparsity is given: nats per token that all the"
            " weights are worth.",
            flag="sparsity-weight",
        ),
    ] = 0.05
    temperature: Annotated[
        float, Field(gt=0), Option("Temperature", "τ of the soft mask, relative.")
    ] = TEMPERATURE
    learning_rate: Annotated[
        float | None,
        Field(gt=0),
        Option(
            "Rate of the thresholds",
            "In standard deviations of what they are compared with.",
            by_default="such that they can travel 10 of them in the whole run",
            flag="threshold-rate",
        ),
    ] = None

    def threshold_rate(self, n_steps: int) -> float:
        """Learning rate of the thresholds; falling linearly, it lets them travel half of n·rate."""
        if self.learning_rate is not None:
            return self.learning_rate
        return min(2 * _TRAVEL / n_steps, _MOST_TRAVEL)
