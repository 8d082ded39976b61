"""K that a person holds: a K set by hand is locked, and the other groups meet the budget."""

from collections.abc import Mapping

from analysis.compression.stock import extend_to_stacks
from analysis.models.speech_model import SpeechModel
from pages.planning.settings import held_setting, read_settings, write_setting
from pages.session.session import Session


def set_k(session: Session, model: SpeechModel, changes: Mapping[str, int]) -> None:
    """Take over K set by hand and lock them; budget and allocation stay as they are.

    To be called before widgets are drawn. With stock classes a stack's FFNs change together, and
    heads do not change.

    Parameters
    ----------
    session : Session
    model : SpeechModel
    changes : mapping of str to int
        K by group id.
    """
    before = session.n_clusters[model.weight_hash]
    if read_settings(model).stock:
        changes = extend_to_stacks(model.groups, changes)
    session.n_clusters[model.weight_hash] = {**before, **changes}
    write_setting(model, "locked", {**held_setting(model, "locked"), **changes})


def set_lock(session: Session, model: SpeechModel, group_id: str, locked: bool) -> None:
    """Hold a group's K, or give it back to the allocation; from a callback or before drawing.

    With stock classes it is the K of the group's whole stack.
    """
    held = {group_id: session.n_clusters[model.weight_hash][group_id]}
    if read_settings(model).stock:
        held = extend_to_stacks(model.groups, held)
    others = {k: v for k, v in held_setting(model, "locked").items() if k not in held}
    write_setting(model, "locked", others | held if locked else others)
