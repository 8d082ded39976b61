"""The plan that is being edited, and all that follows from it: what the parts of Compress share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.checkpoints import SpeechModel
from analysis.clustering import MergeTree
from analysis.compression import Compression
from analysis.forecast import Forecast
from analysis.units import UnitGroup
from pages.common.controls import Settings
from pages.common.session import Session


@dataclass(frozen=True, slots=True)
class Draft:
    """One script run's view of the plan being edited.

    Parameters
    ----------
    session : Session
    model : SpeechModel
    groups : sequence of UnitGroup
        All groups of the model.
    settings : Settings
    n_clusters : mapping of str to int
        K by group id.
    trees : mapping of str to MergeTree or None
        None while they are being built.
    expected : Forecast or None
        None without trees.
    color : str
        That the variant has, or will have.
    made : Compression or None
        What was made with just this plan.
    """

    session: Session
    model: SpeechModel
    groups: Sequence[UnitGroup]
    settings: Settings
    n_clusters: Mapping[str, int]
    trees: Mapping[str, MergeTree] | None
    expected: Forecast | None
    color: str
    made: Compression | None = None
