"""What is chosen on Clusters, from several sides: members, what they hear, where they look."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from pages.exploring import head_views, unit_sounds
from pages.exploring.cluster_detail import draw_detail
from pages.exploring.cluster_selection import ATTENTION, MEMBERS, SOUNDS
from pages.planning.settings import Settings
from pages.session.session import Session


def sides_of(group: UnitGroup) -> list[str]:
    """The sides from which units of a group can be seen."""
    return [SOUNDS, MEMBERS] + [ATTENTION] * (group.component == "heads")


def draw(
    session: Session,
    model: SpeechModel,
    group: UnitGroup,
    norms: np.ndarray,
    labels: np.ndarray,
    chosen: np.ndarray,
    settings: Settings,
    side: str,
) -> tuple[dict[str, go.Figure], dict[str, pd.DataFrame]]:
    """One side of what is chosen; figures and tables to export.

    Parameters
    ----------
    session : Session
    model : SpeechModel
    group : UnitGroup
    norms : ndarray, (n,)
        Squared norms of the units under the distance.
    labels : ndarray of int64, (n,)
        Cluster of each unit of the group.
    chosen : ndarray of int64, (m,)
        Units that are looked at, at least one.
    settings : Settings
    side : str
        One of `sides_of`.
    """
    if side == SOUNDS:
        return unit_sounds.draw(session, model, group, chosen, settings, norms)
    if side == ATTENTION:
        return head_views.draw(session, model, group, labels, chosen, settings, norms)
    figures, members = draw_detail(model, group, settings.trees.space, labels, chosen)
    return figures, {"members": members}


def leave_others(session: Session, side: str) -> None:
    """End what nobody waits for any more, who looks at this side."""
    for other, slot in ((SOUNDS, unit_sounds.SLOT), (ATTENTION, head_views.SLOT)):
        if side != other:
            session.jobs.cancel(slot)
