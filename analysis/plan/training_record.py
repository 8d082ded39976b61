"""How a model was trained: what `coalesce.json` says beside the plan, and model cards quote."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field

from analysis.errors import UserError
from analysis.plan.validation import Checked

TrainingMethod = Literal["fine-tuning", "data-free distillation", "self-pinching", "unit gates"]

DISTILLATION: Final = "data-free distillation"
"""The method that needs no data."""

OWN_WORDS: Final = "the original's own words"
"""What a model is validated against where no transcript has a part."""

TRAINING_METHODS: Mapping[str, str] = {
    "fine-tuning": "All weights but the convolutional front end were trained on.",
    DISTILLATION: "Trained, data-free. All weights but the convolutional front end learned to "
    "answer as the original does, on synthesised speech that ships with Coalesce and the"
    " original's own words for it.",
    "self-pinching": "Weights were trained together with a threshold per matrix; those below it "
    "are exact zeros (unstructured; arXiv 2505.22608).",
    "unit gates": "Weights were trained together with a threshold on the norm of units; units "
    "below it were cut out (Coalesce's structured variant of self-pinching).",
}
"""Each way to train, in one sentence."""


def _known(rate: object) -> object:
    """None for a rate over no words, which is no number."""
    return None if isinstance(rate, float) and not math.isfinite(rate) else rate


class TrainingRecord(Checked, title="training record"):
    """One training run that a model went through.

    Parameters
    ----------
    method : str
        Key of `TRAINING_METHODS`.
    data : str
        Name of the training corpus.
    utterances : int
    seconds : float
        Of sound in it.
    settings : mapping
        As they were given: epochs, learning rate and so on.
    steps : int
        Of the optimiser.
    validation_wer : float or None
        Of the weights that were kept, as a fraction.
    validation_against : str
        What that WER counts as right: transcripts, or `OWN_WORDS`.
    after_plans : int
        How many compressions the model had been through before.
    sparsities : mapping of str to float
        Of self-pinching: share of exact zeros of each matrix; *unstructured*, so that they make the
        dense model neither smaller nor faster.
    sparsity : float or None
        Of self-pinching: share of zeros over all of these matrices.
    sparse_bytes : int or None
        Of self-pinching: size of the model when each of these matrices is stored as a bitmap and
        its values.
    """

    method: TrainingMethod
    data: str
    utterances: int
    seconds: float
    settings: Mapping[str, Any]
    steps: int
    validation_wer: Annotated[float | None, BeforeValidator(_known)] = None
    validation_against: str = "transcripts"
    after_plans: int = 0
    sparsities: Mapping[str, float] = Field(default_factory=dict)
    sparsity: float | None = None
    sparse_bytes: int | None = None

    @property
    def data_free(self) -> bool:
        """Whether no data set had a part in it."""
        return self.method == DISTILLATION

    @property
    def label(self) -> str:
        """In a few words, what a model that went through it has to be called."""
        return "trained, data-free" if self.data_free else self.method

    def to_dict(self) -> dict[str, Any]:
        """For JSON, with the label."""
        return {"label": self.label, **self.model_dump(mode="json")}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], name: str) -> "TrainingRecord":
        """Read a record.

        Parameters
        ----------
        values : mapping
            What `to_dict` gave.
        name : str
            Of the model, for messages.

        Raises
        ------
        UserError
            When it is no record.
        """
        try:
            record = cls.read({k: value for k, value in values.items() if k != "label"})
            record.to_dict()  # settings that are nested too deeply cannot be written again
            return record
        except ValueError as fault:
            raise UserError(
                f"The training record of {name} cannot be read.",
                "Delete “training” from its coalesce.json, or get a fresh copy.",
                str(fault),
            ) from fault
