"""What may be played of a sweep's utterances."""

from analysis.evaluation.corpora import Utterance
from analysis.serving import serving
from pages.runs.sweeps import HELDOUT
from pages.session.sweep_state import SweepState


def require_clip(state: SweepState, utterance: Utterance) -> None:
    """Refuse a clip that a file of results names and that visitors of this server may not open.

    Parameters
    ----------
    state : SweepState
    utterance : Utterance

    Raises
    ------
    UserError
    """
    if state.is_opened and not utterance.path.resolve().is_relative_to(HELDOUT.resolve()):
        serving().require_folder(utterance.path)
