"""What is chosen on Clusters, from several sides: members, what they hear, where they look."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.clustering.merge_tree import MergeTree
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from pages.exploring import head_views, unit_sounds
from pages.exploring.cluster_detail import draw_detail
from pages.exploring.cluster_selection import ATTENTION, MEMBERS, SIDE_KEY, SOUNDS
from pages.planning.settings import Settings
from pages.session.session import Session
from pages.widgets.choices import choose_one

HEARD_AT_ONCE = 100_000_000
"""Parameters that units may have in all for what is chosen to be heard at once: a larger model
listens for minutes first, and does so when somebody asks."""


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
    heard = sum(each.n_parameters for each in model.groups) <= HEARD_AT_ONCE
    side = choose_one("Seen from", sides, key=SIDE_KEY, default=SOUNDS if heard else MEMBERS)
    for other, slot in ((SOUNDS, unit_sounds.SLOT), (ATTENTION, head_views.SLOT)):
        if side != other:
            session.jobs.cancel(slot)  # whoever looks elsewhere need not wait for it
    if side == SOUNDS:
        return unit_sounds.draw(session, model, group, chosen, settings, tree.norms)
    if side == ATTENTION:
        return head_views.draw(session, model, group, labels, chosen, settings, tree.norms)
    figures, members = draw_detail(model, group, settings.trees.space, labels, chosen)
    return figures, {"members": members}
