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

LAST_MERGES = 30
"""Merges that the drawing of a large tree shows, the last ones."""

UNLIKE = 0.15
"""Members whose cosines are lower than this on average point in different directions."""

LOST = 0.3
"""A mean that keeps less than this share of its members' norm stands for none of them."""

WEAK = 0.8
"""Members whose norms are less than this share of their group's, on average, are weak."""


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
    mean_cosine : float
        Mean of the cosines between two different members; 1 for one unit by itself.
    strength : float
        Mean norm of the members over the mean norm of all units of the group.
    """

    members: np.ndarray
    cosines: np.ndarray
    norms: np.ndarray
    to_mean: np.ndarray
    mean_norm: float
    inertia: float
    mean_cosine: float
    strength: float

    @property
    def kept_norm(self) -> float:
        """Norm of the mean over the members' mean norm: 1 where they agree; nan without any."""
        mean = float(self.norms.mean())
        return self.mean_norm / mean if mean else float("nan")

    @property
    def is_heap(self) -> bool:
        """Whether the members are unlike, and so many that their mean stands for none of them."""
        return self.mean_cosine < UNLIKE and self.kept_norm < LOST

    @property
    def is_weak(self) -> bool:
        """Whether the members are weaker than the units of their group are on average."""
        return self.strength < WEAK


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
        squares = everything.norms
        distances = SquaredDistances(
            everything.matrix[np.ix_(members, members)], everything.norms[members]
        )
    else:
        weights = distance_weights(model.model, group, space.distance)
        vectors = weights.vectors()
        squares = vectors.double().square().sum(dim=1).cpu().numpy()
        own = weights.take(torch.from_numpy(members).to(vectors.device))
        if space.align_heads and group.component == "heads":
            distances = procrustes_distances(own)
        else:
            distances = euclidean_distances(own.vectors().cpu().numpy())
    total, usual = float(squares.sum()), float(np.sqrt(squares).mean())
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
        mean_cosine=_mean_cosine(inner),
        strength=float(norms.mean()) / usual if usual else float("nan"),
    )


def _mean_cosine(inner: np.ndarray) -> float:
    """Over all pairs of different units, from their inner products, (m, m)."""
    m = len(inner)
    return float((cosine_matrix(inner).sum() - m) / (m * (m - 1))) if m > 1 else 1.0


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
    """A merge tree, or its last merges, as lines.

    Parameters
    ----------
    x, y : ndarray of float64, (m, 4)
        Corners of the bracket of each of the m merges that are drawn; y is the error that the merge
        adds, relative to the group's summed squared norms, x the place in `order`.
    order : tuple of int
        Branches from left to right, each by one of its units, the one with the lowest index.
    sizes : tuple of int
        Units of each branch; 1 everywhere in a tree that is drawn whole.
    cut : float
        Height between the last merge that is made at K clusters and the first that is not.
    """

    x: np.ndarray
    y: np.ndarray
    order: tuple[int, ...]
    sizes: tuple[int, ...]
    cut: float


def draw_tree(tree: MergeTree, n_clusters: int, n_shown: int = LAST_MERGES) -> TreeDrawing:
    """Lay out a merge tree; of many units, its last merges.

    Parameters
    ----------
    tree : MergeTree
        Of at least two units.
    n_clusters : int
        Where to cut.
    n_shown : int
        Merges that are drawn at most, the last ones.

    Returns
    -------
    TreeDrawing
    """
    costs = tree.merge_costs / (tree.total or 1.0)
    linkage = tree.linkage.copy()
    linkage[:, 2] = costs
    n_branches = min(n_shown + 1, tree.n_units)
    layout = dendrogram(linkage, p=n_branches, truncate_mode="lastp", no_plot=True)
    branches = tree.labels(n_branches)
    first = np.unique(branches, return_index=True)[1]
    sizes = np.bincount(branches)
    # SciPy names a leaf by its unit, or by the merge that made it
    merged_last = _a_unit_of_each_merge(tree)
    places = [
        branches[leaf if leaf < tree.n_units else merged_last[leaf - tree.n_units]]
        for leaf in layout["leaves"]
    ]
    n_merges = tree.n_units - n_clusters
    below = costs[n_merges - 1] if n_merges else 0.0
    above = costs[n_merges] if n_merges < len(costs) else 1.1 * costs[-1]
    return TreeDrawing(
        # SciPy puts leaf i at 10·i + 5
        x=(np.array(layout["icoord"]) - 5) / 10,
        y=np.array(layout["dcoord"]),
        order=tuple(int(first[place]) for place in places),
        sizes=tuple(int(sizes[place]) for place in places),
        cut=(below + above) / 2,
    )


def _a_unit_of_each_merge(tree: MergeTree) -> np.ndarray:
    """One unit of the cluster that each merge makes: int64, (n - 1,)."""
    units = np.arange(2 * tree.n_units - 1)
    for merge, child in enumerate(tree.linkage[:, 0].astype(np.int64)):
        units[tree.n_units + merge] = units[child]
    return units[tree.n_units :]
