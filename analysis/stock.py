"""What the library's own model classes can express: heads as they were, one FFN width per stack."""

from collections.abc import Mapping, Sequence

from analysis.checkpoints import SpeechModel
from analysis.units import UnitGroup, unit_groups

STOCK_COMPONENTS = ("ffn",)
"""What may be compressed in a checkpoint that is to load without code of its own."""


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
        or the layers of a stack differ.
    """
    fields: dict[str, str] = {
        stack.name: stack.ffn_width for stack in model.architecture.stacks(model.config)
    }
    widths: dict[str, set[int]] = {field: set() for field in fields.values()}
    for group in unit_groups(model):
        if group.component == "ffn":
            widths[fields[group.stack]].add(group.n_units)
        elif group.n_units * group.rows != model.config.hidden_size:
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
        a channel per layer.
    """
    kept = {group.id: group.n_units for group in groups}
    for stack in dict.fromkeys(group.stack for group in groups):
        members = [g for g in groups if g.stack == stack and g.component == "ffn"]
        mean = round(sum(n_clusters[group.id] for group in members) / len(members))
        kept |= {group.id: max(1, mean) for group in members}
    return kept
