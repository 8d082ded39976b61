"""The plan that is being edited, and all that follows from it: what the parts of Compress share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.clustering.merge_tree import MergeTree
from analysis.compression.compress import Compression
from analysis.compression.forecast import Forecast
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from pages.planning.settings import Settings
from pages.session.session import Session


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
