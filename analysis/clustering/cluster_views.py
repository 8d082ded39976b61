"""Clusters of one group as the page looks at them: sizes, members, what a cluster becomes."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.cluster.hierarchy import dendrogram

from analysis.clustering.distances import (
    SquaredDistances,
    distance_weights,
    euclidean_distances,
    procrustes_distances,
)
from analysis.clustering.merge_tree import MergeTree
from analysis.clustering.unit_space import UnitSpace
from analysis.models.speech_model import SpeechModel
from analysis.models.statistics import cosine_matrix
from analysis.models.unit_groups import UnitGroup

MAX_SHOWN = 200
"""Members of a cluster whose similarity matrix is drawn; a larger cluster says n of N."""


@dataclass(frozen=True, slots=True, eq=False)
class ClusterView:
    """One cluster from near.

    Parameters
    ----------
    members : ndarray of int64, (m,)
        Units of the cluster, by index.
    cosines : ndarray of float32, (s, s)
        Cosines between the first `MAX_SHOWN` members.
    norms : ndarray of float64, (m,)
        Norms of the members' unit vectors.
    to_mean : ndarray of float64, (m,)
        Cosine of each member with the cluster's mean.
    mean_norm : float
        Norm of the mean; below the members' norms when they disagree.
    inertia : float
        Squared distances of the members to their mean, over the group's summed squared norms.
    """

    members: np.ndarray
    cosines: np.ndarray
    norms: np.ndarray
    to_mean: np.ndarray
    mean_norm: float
    inertia: float


def view_cluster(
    model: SpeechModel,
    group: UnitGroup,
    space: UnitSpace,
    members: np.ndarray,
) -> ClusterView:
    """Look at a cluster, or at any other choice of units, from near.

    All follows from the members' inner products, ⟨x, y⟩ = (‖x‖² + ‖y‖² - d²)/2, so that aligned
    heads are served by the distances that are left after alignment.

    Parameters
    ----------
    model : SpeechModel
    group : UnitGroup
    space : UnitSpace
        In which they are compared.
    members : ndarray of int, (m,)
        At least one unit.

    Returns
    -------
    ClusterView
    """
    if space.listens:
        everything = space.distances(model, group)
        total = float(everything.norms.sum())
        distances = SquaredDistances(
            everything.matrix[np.ix_(members, members)], everything.norms[members]
        )
    else:
        weights = distance_weights(model.model, group, space.distance)
        vectors = weights.vectors()
        total = float(vectors.double().square().sum())
        own = weights.take(torch.from_numpy(members).to(vectors.device))
        if space.align_heads and group.component == "heads":
            distances = procrustes_distances(own)
        else:
            distances = euclidean_distances(own.vectors().cpu().numpy())
    inner = inner_products(distances)
    norms, mean_norm = np.sqrt(distances.norms), float(np.sqrt(max(0.0, inner.mean())))
    scale = norms * mean_norm
    to_mean = np.divide(inner.mean(axis=1), scale, out=np.zeros(len(norms)), where=scale > 0)
    inertia = float(distances.matrix.sum(dtype=np.float64)) / (2 * len(members))
    return ClusterView(
        members=members,
        cosines=cosine_matrix(inner[:MAX_SHOWN, :MAX_SHOWN]).astype(np.float32),
        norms=norms,
        to_mean=to_mean.clip(-1, 1),
        mean_norm=mean_norm,
        inertia=inertia / total if total else 0.0,
    )


def head_similarities(
    model: SpeechModel,
    group: UnitGroup,
    space: UnitSpace,
) -> dict[str, np.ndarray]:
    """Similarity of a layer's heads as they are, and after Procrustes alignment.

    Cosines: inner product over the product of norms, where alignment turns the inner product into
    the largest that rotations inside Q/K and inside V/O can reach. Under the contribution distance:
    the aligned weights, and the contributions beside them.

    Parameters
    ----------
    model : SpeechModel
    group : UnitGroup
        Of heads.
    space : UnitSpace
        Its alignment is not looked at.

    Returns
    -------
    dict of str to ndarray of float64, (n, n)
        By a title for people.
    """
    weights = distance_weights(model.model, group, "weights" if space.listens else space.distance)
    aligned = procrustes_distances(weights)
    if space.listens:
        pair = {
            "Weights, after alignment": aligned,
            "What they add to the stream": space.distances(model, group),
        }
    else:
        raw = euclidean_distances(weights.vectors().cpu().numpy())
        pair = {"As they are": raw, "After alignment": aligned}
    return {title: cosine_matrix(inner_products(found)) for title, found in pair.items()}


def inner_products(distances: SquaredDistances) -> np.ndarray:
    """⟨x, y⟩ = (‖x‖² + ‖y‖² - d²)/2: (n, n), float64."""
    products: np.ndarray = (np.add.outer(distances.norms, distances.norms) - distances.matrix) / 2
    return products


@dataclass(frozen=True, slots=True, eq=False)
class TreeDrawing:
    """A merge tree as lines.

    Parameters
    ----------
    x, y : ndarray of float64, (n - 1, 4)
        Corners of the bracket of each merge; y is the error that the merge adds, relative to the
        group's summed squared norms, x the place in `order`.
    order : tuple of int
        Units from left to right.
    cut : float
        Height between the last merge that is made at K clusters and the first that is not.
    """

    x: np.ndarray
    y: np.ndarray
    order: tuple[int, ...]
    cut: float


def draw_tree(tree: MergeTree, n_clusters: int) -> TreeDrawing:
    """Lay out a merge tree of few units.

    Parameters
    ----------
    tree : MergeTree
        Of at least two units.
    n_clusters : int
        Where to cut.

    Returns
    -------
    TreeDrawing
    """
    costs = tree.merge_costs / (tree.total or 1.0)
    linkage = tree.linkage.copy()
    linkage[:, 2] = costs
    layout = dendrogram(linkage, no_plot=True)
    n_merges = tree.n_units - n_clusters
    below = costs[n_merges - 1] if n_merges else 0.0
    above = costs[n_merges] if n_merges < len(costs) else 1.1 * costs[-1]
    return TreeDrawing(
        # SciPy puts leaf i at 10·i + 5
        x=(np.array(layout["icoord"]) - 5) / 10,
        y=np.array(layout["dcoord"]),
        order=tuple(int(leaf) for leaf in layout["leaves"]),
        cut=(below + above) / 2,
    )
