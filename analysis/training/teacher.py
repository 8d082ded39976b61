"""Who teaches a compressed model where nobody was named: the original that its plan names."""

from analysis.errors import UserError
from analysis.models.loading import load
from analysis.models.speech_model import SpeechModel

_REMEDY = "Name the original with --teacher."


def load_original(model: SpeechModel) -> SpeechModel:
    """Load the model that a compressed one was made from, in float32.

    Parameters
    ----------
    model : SpeechModel

    Returns
    -------
    SpeechModel
        On the same device.

    Raises
    ------
    UserError
        When the model was not compressed, or its original is not there or has other weights.
    """
    if not model.lineage:
        raise UserError(
            f"{model.name} does not say from which original it was made.",
            "Compress a model first, or name the original with --teacher.",
        )
    origin = model.lineage[0].origin
    try:
        original = load(
            origin.model, revision=origin.revision, device=model.device.type, dtype="float32"
        )
    except UserError as error:
        raise UserError(
            f"{origin.model}, the original of {model.name}, cannot be loaded: {error.message}",
            _REMEDY,
            error.detail,
        ) from error
    if original.weight_hash != origin.weight_hash:
        raise UserError(
            f"{origin.model} has other weights now than {model.name} was made from.",
            _REMEDY,
            f"recipe: {origin.weight_hash}, model: {original.weight_hash}",
        )
    return original
