"""What is chosen on Clusters, from several sides: members, what they hear, where they look."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.clustering.merge_tree import MergeTree
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from pages.exploring import head_views, unit_sounds
from pages.exploring.cluster_detail import draw_detail
from pages.planning.settings import Settings
from pages.session.session import Session
from pages.widgets.choices import choose_one

MEMBERS, SOUNDS, ATTENTION = "Members", "What it hears", "Where it looks"
SIDE_KEY = "clusters:side"


def draw(
    session: Session,
    model: SpeechModel,
    group: UnitGroup,
    tree: MergeTree,
    labels: np.ndarray,
    chosen: np.ndarray,
    settings: Settings,
) -> tuple[dict[str, go.Figure], dict[str, pd.DataFrame]]:
    """The side that the visitor looks at; figures and tables to export.

    Parameters
    ----------
    session : Session
    model : SpeechModel
    group : UnitGroup
    tree : MergeTree
        Of this group.
    labels : ndarray of int64, (n,)
        Cluster of each unit of the group.
    chosen : ndarray of int64, (m,)
        Units that are looked at, at least one.
    settings : Settings
    """
    sides = [MEMBERS, SOUNDS, *([ATTENTION] if group.component == "heads" else [])]
    side = choose_one("Seen from", sides, key=SIDE_KEY)
    for other, slot in ((SOUNDS, unit_sounds.SLOT), (ATTENTION, head_views.SLOT)):
        if side != other:
            session.jobs.cancel(slot)  # whoever looks elsewhere need not wait for it
    if side == SOUNDS:
        return unit_sounds.draw(session, model, group, chosen, settings, tree.norms)
    if side == ATTENTION:
        return head_views.draw(session, model, group, labels, chosen, settings, tree.norms)
    figures, members = draw_detail(model, group, settings.trees.space, labels, chosen)
    return figures, {"members": members}
