"""From clusters to fewer units: mean in and sum out, with heads rotated into agreement first."""

import numpy as np
import torch

from analysis.clustering.distances import (
    alignment_frames,
    euclidean_distances,
    procrustes_distances,
)
from analysis.models.unit_weights import UnitWeights
from analysis.plan.choices import MERGE_RULES


def merge_units(
    weights: UnitWeights,
    labels: np.ndarray,
    rule: str,
    *,
    align_heads: bool,
    norms: np.ndarray | None = None,
) -> UnitWeights:
    """Replace each cluster of units by one unit.

    A channel adds w2·act(w1·x + b1) to the residual stream, so channels of equal input add their
    output columns; heads likewise through their slices of O.

    Parameters
    ----------
    weights : UnitWeights
        n units.
    labels : ndarray of int, (n,)
        Compact cluster numbers 0..K-1; -1 drops the unit.
    rule : {"mean", "weighted", "medoid", "centroid"}
        See `MERGE_RULES`.
    align_heads : bool
        Rotate each head onto its cluster's medoid before averaging (`align_to`).
    norms : ndarray of float64, (n,), optional
        Squared norms under the distance, for the rule "weighted".

    Returns
    -------
    UnitWeights
        K units, in the order of their numbers. A cluster of one is copied bit by bit.
    """
    if rule not in MERGE_RULES:
        raise ValueError(f"unknown merge rule {rule!r}; one of {', '.join(MERGE_RULES)}")
    n_clusters = int(labels.max()) + 1
    kept = np.flatnonzero(labels >= 0)
    sizes = np.bincount(labels[kept], minlength=n_clusters)
    central = kept[np.unique(labels[kept], return_index=True)[1]]
    if align_heads or rule == "medoid":
        weights = weights.clone()
        for cluster in np.flatnonzero(sizes > 1):
            members = torch.from_numpy(np.flatnonzero(labels == cluster))
            group = weights.take(members)
            medoid = find_medoid(group, align_heads=align_heads)
            central[cluster] = int(members[medoid])
            if align_heads:
                _put(weights, members, align_to(group, medoid))

    source = torch.from_numpy(kept)
    target = torch.from_numpy(labels[kept])
    share = np.ones(len(labels))
    if rule == "weighted":
        if norms is None:
            raise ValueError("the weighted rule needs the units' norms")
        # a cluster of units that do nothing has equal shares
        share = norms + np.finfo(np.float64).tiny
    divisor = torch.from_numpy(np.bincount(labels[kept], share[kept], minlength=n_clusters))
    shares = torch.from_numpy(share[kept])
    representative = torch.from_numpy(central)

    def total(units: torch.Tensor) -> torch.Tensor:
        # float64: a sum of equal float32 numbers, divided by their count, is that number again
        summed = torch.zeros(n_clusters, *units.shape[1:], dtype=torch.float64)
        return summed.index_add_(0, target, units.cpu()[source].double())

    def mean(units: torch.Tensor) -> torch.Tensor:
        shape = (-1,) + (1,) * (units.dim() - 1)
        summed = torch.zeros(n_clusters, *units.shape[1:], dtype=torch.float64)
        summed.index_add_(0, target, units.cpu()[source].double() * shares.reshape(shape))
        return (summed / divisor.reshape(shape)).float().to(units.device)

    def input_side(units: torch.Tensor) -> torch.Tensor:
        return units[representative] if rule == "medoid" else mean(units)

    output = mean(weights.output) if rule == "centroid" else total(weights.output).float()
    return UnitWeights(
        {role: input_side(weight) for role, weight in weights.inputs.items()},
        {role: input_side(bias) for role, bias in weights.biases.items()},
        output.to(weights.output.device),
    )


def find_medoid(weights: UnitWeights, *, align_heads: bool) -> int:
    """Index of the unit with the smallest summed squared distance to the others.

    Parameters
    ----------
    weights : UnitWeights
        Of one cluster.
    align_heads : bool
        Whether distances are those after Procrustes alignment.
    """
    distances = (
        procrustes_distances(weights)
        if align_heads
        else euclidean_distances(weights.vectors().cpu().numpy())
    )
    return int(distances.matrix.sum(axis=1).argmin())


def align_to(weights: UnitWeights, medoid: int) -> UnitWeights:
    """Rotate heads inside Q/K and inside V/O onto one of them; no head's function changes.

    R = argmin over orthogonal R of ‖A_medoid - R·A_i‖ = U·Vᵀ, with U·Σ·Vᵀ the singular value
    decomposition of A_medoid·A_iᵀ.

    Parameters
    ----------
    weights : UnitWeights
        Heads of one cluster.
    medoid : int
        Index of the head that the others are rotated onto; it stays as it is.

    Returns
    -------
    UnitWeights

    References
    ----------
    Schönemann, "A generalized solution of the orthogonal Procrustes problem", 1966.
    """
    rotations = []
    for frame in alignment_frames(weights):
        frame = frame.cpu().double()  # in this order: some accelerators have no float64
        left, _, right = torch.linalg.svd(frame[medoid] @ frame.mT)
        rotation = left @ right
        rotation[medoid] = torch.eye(frame.shape[1], dtype=torch.float64)
        rotations.append(rotation)
    by_role = {"query": rotations[0], "key": rotations[0], "value": rotations[1]}

    def rotate(rotation: torch.Tensor, units: torch.Tensor) -> torch.Tensor:
        return (rotation @ units.cpu().double()).float().to(units.device)

    return UnitWeights(
        {role: rotate(by_role[role], weight) for role, weight in weights.inputs.items()},
        {
            role: rotate(by_role[role], bias.unsqueeze(-1)).squeeze(-1)
            for role, bias in weights.biases.items()
        },
        rotate(rotations[1], weights.output),
    )


def _put(weights: UnitWeights, index: torch.Tensor, units: UnitWeights) -> None:
    """Write units back at `index`, in place."""
    for role, weight in weights.inputs.items():
        weight[index] = units.inputs[role]
    for role, bias in weights.biases.items():
        bias[index] = units.biases[role]
    weights.output[index] = units.output
