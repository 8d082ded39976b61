"""The distance that a method and an allocation go with, and the merge trees that they look at."""

from collections.abc import Mapping

from analysis.clustering.merge_tree import MergeTree
from analysis.clustering.unit_space import UnitSpace
from analysis.compression.tree_choice import TreeChoice
from analysis.models.speech_model import SpeechModel
from analysis.plan.choices import CONTRIBUTION, END_TO_END, INFLUENCE, OUTPUT_ERROR, SURGEON
from analysis.speech.excitation import Excitation


def distance_for(method: str, allocation: str) -> str:
    """The weakest distance that both can go by."""
    if allocation == END_TO_END:
        return INFLUENCE
    return CONTRIBUTION if method == SURGEON or allocation == OUTPUT_ERROR else "weights"


def trees_for(model: SpeechModel, distance: str, sound: Excitation) -> Mapping[str, MergeTree]:
    """With all that can be measured under the distance."""
    listens = distance != "weights"
    space = UnitSpace(distance, excitation=sound if listens else None)
    return TreeChoice(space, removal=listens, measured=distance == INFLUENCE).build(model)
