"""How a model was trained: what `coalesce.json` says beside the plan, and model cards quote."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from analysis.errors import UserError

TRAINING_METHODS: Mapping[str, str] = {
    "fine-tuning": "All weights but the convolutional front end were trained on.",
    "self-pinching": "Weights were trained together with a threshold per matrix; those below it "
    "are exact zeros (unstructured; arXiv 2505.22608).",
    "unit gates": "Weights were trained together with a threshold on the norm of units; units "
    "below it were cut out (Coalesce's structured variant of self-pinching).",
}
"""Each way to train, in one sentence."""


@dataclass(frozen=True, slots=True)
class TrainingRecord:
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

    method: str
    data: str
    utterances: int
    seconds: float
    settings: Mapping[str, Any]
    steps: int
    validation_wer: float | None = None
    after_plans: int = 0
    sparsities: Mapping[str, float] = field(default_factory=dict)
    sparsity: float | None = None
    sparse_bytes: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        found = {item.name: getattr(self, item.name) for item in fields(self)}
        return found | {"settings": dict(self.settings), "sparsities": dict(self.sparsities)}

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
            record = cls(**values)
        except TypeError as error:
            raise _unreadable(name, str(error)) from error
        for entry, kinds in _TYPES.items():
            value = getattr(record, entry)
            if not isinstance(value, kinds) or isinstance(value, bool):
                raise _unreadable(name, f"{entry} is {value!r}")
        if record.method not in TRAINING_METHODS:
            raise _unreadable(name, f"method is {record.method!r}")
        return record


_TYPES: Mapping[str, tuple[type, ...]] = {
    "method": (str,),
    "data": (str,),
    "utterances": (int,),
    "seconds": (int, float),
    "settings": (dict,),
    "steps": (int,),
    "validation_wer": (int, float, type(None)),
    "after_plans": (int,),
    "sparsities": (dict,),
    "sparsity": (int, float, type(None)),
    "sparse_bytes": (int, type(None)),
}


def _unreadable(name: str, detail: str) -> UserError:
    return UserError(
        f"The training record of {name} cannot be read.",
        "Delete “training” from its coalesce.json, or get a fresh copy.",
        detail,
    )
