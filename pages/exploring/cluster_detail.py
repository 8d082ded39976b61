"""What is chosen on Clusters, from near: its members, how alike they are, and what they become."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from analysis.clustering.cluster_views import MAX_SHOWN, ClusterView, view_cluster
from analysis.clustering.unit_space import UnitSpace
from analysis.figures.clusters import MATRIX_HEIGHT, similarity_matrices
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from pages.widgets.basics import data_table, figure
from pages.widgets.formatting import percent

FEW_MEMBERS = 6
"""Up to as many members, their table is as high as its rows."""

MEMBERS_HEIGHT = 260


def draw_detail(
    model: SpeechModel,
    group: UnitGroup,
    space: UnitSpace,
    labels: np.ndarray,
    chosen: np.ndarray,
) -> tuple[dict[str, go.Figure], pd.DataFrame]:
    """Members, their similarity, and what they become.

    Parameters
    ----------
    model : SpeechModel
    group : UnitGroup
    space : UnitSpace
        In which the units are compared.
    labels : ndarray of int64, (n,)
        Cluster of each unit of the group.
    chosen : ndarray of int64, (m,)
        Units that are looked at, at least one.

    Returns
    -------
    figures : dict of str to Figure
    members : DataFrame
        A row per chosen unit.
    """
    view = view_cluster(model, group, space, chosen)
    unit = group.noun
    n = len(chosen)
    shown = f"{n:,}" if n <= MAX_SHOWN else f"the first {MAX_SHOWN} of {n:,}"
    matrix = similarity_matrices(
        {f"Similarity of {shown} {unit}s": view.cosines}, chosen[:MAX_SHOWN].tolist(), unit
    )
    members = pd.DataFrame(
        {
            unit: view.members,
            "cluster": labels[chosen],
            "norm": view.norms,
            "cosine to mean": view.to_mean,
        }
    )
    _becomes(view, unit)
    if n > 1:
        figure(matrix, key="members", alt="Similarity of the chosen units.", height=MATRIX_HEIGHT)
    data_table(
        members,
        height="content" if n <= FEW_MEMBERS else MEMBERS_HEIGHT,
        column_config={
            name: st.column_config.NumberColumn(format="%.3f")
            for name in ("norm", "cosine to mean")
        },
        alt="The chosen units.",
    )
    return {"members": matrix} if n > 1 else {}, members


def _becomes(view: ClusterView, unit: str) -> None:
    n = len(view.members)
    if n == 1:
        st.markdown(f"One {unit} by itself stays as it is.")
        return
    if view.is_heap:
        st.warning(_heap(view, unit), icon=":material/scatter_plot:")
    st.metric(
        f"{n:,} {unit}s become one; error",
        percent(view.inertia, 2),
        help="Squared distances of the members to their mean, over the group's squared norm.",
    )
    st.metric(
        "Norm that the mean keeps",
        percent(view.kept_norm),
        help="Norm of the mean over the mean norm of the members: 100 % where they agree; what"
        " disagrees cancels in the mean.",
    )
    st.metric(
        "Mean cosine of the members",
        f"{view.mean_cosine:.2f}",
        help="Over all pairs of different members: 1 where they point in one direction, 0 where"
        " they have nothing in common.",
    )
    st.markdown(
        f":small[The merged {unit} reads with the mean of its members' input weights and writes"
        " with the sum of their output weights. Similarity and error are those under the distance"
        " and the head alignment set on the Compress page.]"
    )


def _heap(view: ClusterView, unit: str) -> str:
    """What is to be known of members that have nothing in common but that they merge."""
    strength = f"{percent(view.strength, 0)} of the group's mean norm"
    what = f"weak ({strength}), unlike" if view.is_weak else "unlike"
    return (
        f"**A heap, no family**: {len(view.members):,} {what} {unit}s with a mean cosine of"
        f" {view.mean_cosine:.2f}. Their mean keeps {percent(view.kept_norm, 0)} of their norm:"
        " merging them is close to removing them."
    )
