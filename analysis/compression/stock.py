"""What the library's own model classes can express: heads as they were, one FFN width per stack."""

from collections.abc import Mapping, Sequence

from analysis.errors import UserError
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup


def stock_widths(model: SpeechModel) -> dict[str, int] | None:
    """The FFN width of every stack by configuration field, if stock classes can hold the model.

    Parameters
    ----------
    model : SpeechModel
        Original or compressed.

    Returns
    -------
    dict of str to int, or None
        E.g. ``{"encoder_ffn_dim": 1024, "decoder_ffn_dim": 1100}``; None where a layer lost heads
        or ranks, or the layers of a stack differ.
    """
    fields: dict[str, str] = {
        stack.name: stack.ffn_width for stack in model.architecture.stacks(model.config)
    }
    widths: dict[str, set[int]] = {field: set() for field in fields.values()}
    for group in model.groups:
        if group.component == "ffn":
            widths[fields[group.stack]].add(group.n_units)
        elif not _is_whole(group, model.config.hidden_size):
            return None
    if any(len(found) != 1 for found in widths.values()):
        return None
    return {field: found.pop() for field, found in widths.items()}


def level(groups: Sequence[UnitGroup], n_clusters: Mapping[str, int]) -> dict[str, int]:
    """Make K what a stock class can express: all heads kept, the mean FFN width in every stack.

    Parameters
    ----------
    groups : sequence of UnitGroup
        All groups of the model.
    n_clusters : mapping of str to int
        K by group id, from any allocation to FFN channels; how it divides them between encoder and
        decoder is kept.

    Returns
    -------
    dict of str to int
        K by group id; within a stack the parameters kept are those of `n_clusters` to within half
        a channel per layer, as long as each layer has as many channels as that.
    """
    kept = {group.id: group.n_units for group in groups}
    for members in _ffn_stacks(groups):
        mean = round(sum(n_clusters[group.id] for group in members) / len(members))
        width = max(1, min(mean, *(group.n_units for group in members)))
        kept |= {group.id: width for group in members}
    return kept


def extend_to_stacks(groups: Sequence[UnitGroup], changes: Mapping[str, int]) -> dict[str, int]:
    """Make K that were set by hand those of the whole stack; changes of heads are left out.

    Parameters
    ----------
    groups : sequence of UnitGroup
        All groups of the model.
    changes : mapping of str to int
        K by group id; of several in one stack, the last layer's holds.

    Returns
    -------
    dict of str to int
        K by group id, for the FFNs of the stacks that were changed.
    """
    found: dict[str, int] = {}
    for members in _ffn_stacks(groups):
        for changed in members:
            if changed.id in changes:
                widest = min(group.n_units for group in members)
                found |= {group.id: min(changes[changed.id], widest) for group in members}
    return found


def whole_stacks(groups: Sequence[UnitGroup], locked: Mapping[str, int]) -> dict[str, int]:
    """Of K that are locked, those that a stock class can hold: one K for all FFNs of a stack.

    Parameters
    ----------
    groups : sequence of UnitGroup
        All groups of the model.
    locked : mapping of str to int
        K by group id.

    Returns
    -------
    dict of str to int
        K by group id, for stacks of which every FFN is locked at the same K.
    """
    found: dict[str, int] = {}
    for members in _ffn_stacks(groups):
        own = {group.id: locked[group.id] for group in members if group.id in locked}
        if len(own) == len(members) and len(set(own.values())) == 1:
            found |= own
    return found


def require_whole_heads(groups: Sequence[UnitGroup], hidden_size: int) -> None:
    """Refuse a model that stock classes cannot hold whatever is done to its FFNs.

    Parameters
    ----------
    groups : sequence of UnitGroup
        All groups of the model.
    hidden_size : int
        Of the model.

    Raises
    ------
    UserError
        Naming the first group that lost heads before.
    """
    for group in groups:
        if group.component == "heads" and not _is_whole(group, hidden_size):
            raise UserError(
                f"{group.title} lost heads or ranks before, which stock classes cannot hold.",
                "Start from the original, or do without stock classes.",
            )


def _is_whole(heads: UnitGroup, hidden_size: int) -> bool:
    return heads.n_units * heads.rows == hidden_size and heads.ranks == heads.rows


def _ffn_stacks(groups: Sequence[UnitGroup]) -> list[list[UnitGroup]]:
    """The FFN groups of every stack."""
    ffns = [group for group in groups if group.component == "ffn"]
    stacks = dict.fromkeys(group.stack for group in ffns)
    return [[group for group in ffns if group.stack == stack] for stack in stacks]
