"""Maps of units that are computed beside the script: PCA at once, UMAP when it is asked for."""

from collections.abc import Hashable, Sequence
from dataclasses import asdict

import streamlit as st

from analysis.clustering.projection import (
    Projection,
    UmapSettings,
    project_pca,
    project_umap,
    umap_seconds,
)
from analysis.compression.tree_choice import TreeChoice
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from analysis.progress import Watch
from pages.session.jobs import Job
from pages.session.session import Session
from pages.session.shelves import (
    Shelf,
)

MAX_MAPS = 24
"""Maps kept in memory; all are on disk."""


@st.cache_resource(show_spinner=False)
def map_shelf() -> Shelf[tuple[Hashable, ...], Projection]:
    """Maps by weight hash, dtype, groups, distance and settings."""
    return Shelf(MAX_MAPS)


def find_map(
    session: Session,
    model: SpeechModel,
    groups: Sequence[UnitGroup],
    choice: TreeChoice,
    settings: UmapSettings | int,
    slot: str,
) -> Projection | None:
    """A map of the units; starts computing where there is none yet.

    Parameters
    ----------
    session : Session
    model : SpeechModel
    groups : sequence of UnitGroup
    choice : TreeChoice
        How units are compared.
    settings : UmapSettings or int
        Of a UMAP, or the dimensions of a PCA.
    slot : str
        Of the job; a newer map for the same slot replaces the one being computed.
    """
    shelf = map_shelf()
    key = (
        model.weight_hash,
        str(model.dtype),
        tuple(group.id for group in groups),
        choice.space.distance,
        choice.space.identity[-1],
        settings if isinstance(settings, int) else tuple(asdict(settings).values()),
    )
    found = shelf.find(key)
    running = session.jobs.running(slot)
    title = "Principal components" if isinstance(settings, int) else "UMAP"
    title = f"{title} of {groups[0].title}" if len(groups) == 1 else f"{title} of all heads"
    if found is not None or slot in session.jobs.problems:
        return found
    if running is not None and running.title == title:
        return None

    def make(watch: Watch) -> Projection:
        if isinstance(settings, int):
            return project_pca(model, groups, choice.space, settings)
        return project_umap(
            model,
            groups,
            choice.space,
            settings,
            progress=watch.progress,
        )

    def work(watch: Watch) -> Projection:
        return shelf.get(key, make, watch)

    # a lane of its own: a map must not wait for a transcription, nor the other way round
    n_units = sum(group.n_units for group in groups)
    foreseen = 0.0 if isinstance(settings, int) else umap_seconds(n_units)
    job = Job(
        title,
        work,
        lambda projection: None,
        foreseen=foreseen,
        same=key,
        by_itself=True,
    )
    session.jobs.start(slot, job, lane="maps")
    return shelf.find(key)
