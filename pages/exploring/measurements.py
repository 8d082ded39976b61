"""What the exploring pages wait for: merge trees and statistics, computed beside the script."""

from collections.abc import Mapping

import streamlit as st

from analysis.clustering.merge_tree import MergeTree
from analysis.compression.tree_choice import TreeChoice
from analysis.models.speech_model import SpeechModel
from analysis.models.statistics import MatrixKey, MatrixStatistics, model_statistics
from analysis.progress import Watch
from pages.session.jobs import Job
from pages.session.session import Session
from pages.session.shelves import (
    Shelf,
    load_trees,
    tree_key,
    tree_shelf,
)

STATISTIC_KEY = "variance:statistic"
"""Holds the name of the statistic that Variance shows."""

MAX_STATISTICS = 12
"""Models whose statistics are kept in memory; all are on disk."""

Statistics = Mapping[MatrixKey, MatrixStatistics]


@st.cache_resource(show_spinner=False)
def statistics_shelf() -> Shelf[tuple[str, str], Statistics]:
    """Statistics by weights, configuration and dtype."""
    return Shelf(MAX_STATISTICS)


def statistics_slot(model: SpeechModel) -> str:
    """Slot of the job that measures a model."""
    return f"statistics:{model.weight_hash[:16]}:{model.dtype}"


def find_statistics(session: Session, model: SpeechModel) -> Statistics | None:
    """Statistics of every matrix; starts measuring where there are none yet."""
    shelf, key = statistics_shelf(), (model.cache_name, str(model.dtype))
    slot = statistics_slot(model)
    found = shelf.find(key)
    if found is None and _is_idle(session, slot):

        def work(watch: Watch) -> Statistics:
            return shelf.get(
                key,
                lambda own: model_statistics(model, watch=own),
                watch,
            )

        # a lane of its own: nobody who wants to transcribe should wait for statistics
        job = Job("Measuring every matrix", work, lambda statistics: None, same=key, by_itself=True)
        session.jobs.start(slot, job, lane="measure")
        found = shelf.find(key)
    return found


_TREES = "trees:"

_STAGES = 6  # words, gradients, units, groups; then words again and what each group is worth
_BARE_STAGES = 4  # of them, for bare trees

Trees = Mapping[str, MergeTree]


def tree_slot(choice: TreeChoice) -> str:
    """Slot of the job that builds merge trees, the same on all pages."""
    return f"{_of_space(choice)}{choice.identity}"


def find_trees(
    session: Session, model: SpeechModel, choice: TreeChoice, *, foreseen: float = 0.0
) -> Trees | None:
    """Merge trees of all groups; starts building them where there are none yet.

    Parameters
    ----------
    session : Session
    model : SpeechModel
    choice : TreeChoice
    foreseen : float
        Seconds that it should take; 0 where nobody knows.
    """
    return _find_trees(session, model, choice, "compute", _STAGES, foreseen)


def known_trees(model: SpeechModel, choice: TreeChoice) -> Trees | None:
    """Trees that tell how the units of a choice compare, where any are at hand."""
    shelf = tree_shelf()
    found = shelf.find(tree_key(model, choice))
    return found if found is not None else shelf.find(tree_key(model, choice.bare))


def find_bare_trees(
    session: Session, model: SpeechModel, choice: TreeChoice, *, foreseen: float = 0.0
) -> Trees | None:
    """As `known_trees`; starts building bare ones, in slot `tree_slot(choice.bare)`.

    They do not wait for those of the choice, which another page may have started, and each takes
    from the other what it has measured.

    Parameters
    ----------
    session : Session
    model : SpeechModel
    choice : TreeChoice
    foreseen : float
        Seconds that it should take; 0 where nobody knows.
    """
    found = known_trees(model, choice)
    if found is not None:
        return found
    return _find_trees(session, model, choice.bare, "bare trees", _BARE_STAGES, foreseen)


def _find_trees(
    session: Session,
    model: SpeechModel,
    choice: TreeChoice,
    lane: str,
    stages: int,
    foreseen: float,
) -> Trees | None:
    shelf, key = tree_shelf(), tree_key(model, choice)
    slot = tree_slot(choice)
    found = shelf.find(key)
    if found is None and _is_idle(session, slot):

        def work(watch: Watch) -> Trees:
            return load_trees(shelf, model, choice, watch)

        # whoever chose another distance waits for its trees, not for those of the last one
        session.jobs.cancel_others(_of_space(choice), _TREES)
        job = Job(
            "Building merge trees",
            work,
            lambda trees: None,
            stages=stages,
            foreseen=foreseen,
            same=key,
            by_itself=True,
        )
        session.jobs.start(slot, job, lane=lane)
        found = shelf.find(key)
    return found


def _of_space(choice: TreeChoice) -> str:
    """What the slots of all trees of one space begin with."""
    return f"{_TREES}{choice.space.identity}"


def _is_idle(session: Session, slot: str) -> bool:
    """Neither running, nor stopped by an error or the person, who then starts it again."""
    return session.jobs.running(slot) is None and slot not in session.jobs.problems
