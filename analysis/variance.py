"""Parameter variance of each unit group, the paper's measure of how much a layer can lose."""

from collections.abc import Mapping

from analysis.checkpoints import SpeechModel
from analysis.units import read_units, unit_groups


def group_variances(model: SpeechModel) -> Mapping[str, float]:
    """Population variance over all numbers in a group's unit vectors.

    Parameters
    ----------
    model : SpeechModel

    Returns
    -------
    mapping of str to float
        By group id; squared weight units.

    References
    ----------
    arXiv 2606.11836, section on mixed sparsity.
    """
    return {
        group.id: float(read_units(model.model, group).vectors().cpu().double().var(correction=0))
        for group in unit_groups(model)
    }
