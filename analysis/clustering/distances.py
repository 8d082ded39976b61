"""How far two units are apart: the squared distances that merge trees are built from."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from analysis.errors import UserError
from analysis.models.unit_groups import UnitGroup
from analysis.models.unit_weights import UnitWeights, read_units
from analysis.plan.choices import DISTANCES


@dataclass(frozen=True, slots=True, eq=False)
class SquaredDistances:
    """All pairwise squared distances of a group's units.

    Parameters
    ----------
    matrix : ndarray of float32, (n, n)
        Symmetric, non-negative, zero diagonal.
    norms : ndarray of float64, (n,)
        Squared norm of each unit.
    """

    matrix: np.ndarray
    norms: np.ndarray


def distance_weights(module: nn.Module, group: UnitGroup, distance: str) -> UnitWeights:
    """Weights as the distance sees them.

    With ``"normalised"`` the affine part of the layer norm that feeds a projection is folded in,
    W·diag(γ) and b + W·β. A bias that does not exist stays absent: Whisper's keys have none, and a
    constant key adds the same to every attention score.

    Parameters
    ----------
    module : torch.nn.Module
    group : UnitGroup
    distance : {"weights", "normalised"}
        See `DISTANCES`.

    Returns
    -------
    UnitWeights
    """
    weights = read_units(module, group)
    if distance == "weights":
        return weights
    if distance != "normalised":
        raise ValueError(f"unknown distance {distance!r}; one of {', '.join(DISTANCES)}")
    inputs: dict[str, torch.Tensor] = {}
    biases: dict[str, torch.Tensor] = {}
    for role, weight in weights.inputs.items():
        norm = module.get_submodule(group.norm_path(role))
        assert isinstance(norm, nn.LayerNorm)
        inputs[role] = weight * norm.weight.detach().float()
        if role in weights.biases:
            biases[role] = weights.biases[role] + weight @ norm.bias.detach().float()
    return UnitWeights(inputs, biases, weights.output)


def unit_vectors(module: nn.Module, group: UnitGroup, distance: str) -> np.ndarray:
    """Unit vectors under a distance.

    Returns
    -------
    ndarray of float32, (n, unit_dim)
    """
    return distance_weights(module, group, distance).vectors().cpu().numpy()


def squared_distances(
    module: nn.Module, group: UnitGroup, distance: str, *, align_heads: bool
) -> SquaredDistances:
    """Pairwise squared distances of a group's units.

    Parameters
    ----------
    module : torch.nn.Module
    group : UnitGroup
    distance : {"weights", "normalised"}
        See `DISTANCES`.
    align_heads : bool
        For heads: the distance that is left after the best rotation inside Q/K and inside V/O
        (`procrustes_distances`). FFN channels have nothing to rotate.

    Returns
    -------
    SquaredDistances

    Raises
    ------
    UserError
        When the group's weights are not finite.
    """
    weights = distance_weights(module, group, distance)
    vectors = weights.vectors()
    if not torch.isfinite(vectors).all():
        raise UserError(
            f"The weights of {group.id} hold numbers that are not finite (NaN or infinity).",
            "The checkpoint is damaged; get a fresh copy, or load it as float32.",
        )
    if align_heads and group.component == "heads":
        return procrustes_distances(weights)
    return euclidean_distances(vectors.cpu().numpy())


def euclidean_distances(vectors: np.ndarray) -> SquaredDistances:
    """Squared Euclidean distances from one Gram matrix, a single BLAS call.

    The mean is taken off first: distances do not change, and less is lost to cancellation in
    ‖x‖² + ‖y‖² - 2·x·y.

    Parameters
    ----------
    vectors : ndarray of float32, (n, unit_dim)

    Returns
    -------
    SquaredDistances
    """
    centred = vectors - vectors.mean(axis=0, dtype=np.float64).astype(vectors.dtype)
    matrix = centred @ centred.T
    diagonal = np.diagonal(matrix).copy()
    matrix *= 2
    # the two norms are added first: any other order rounds (i, j) and (j, i) differently
    np.subtract(np.add.outer(diagonal, diagonal), matrix, out=matrix)
    np.maximum(matrix, 0, out=matrix)
    np.fill_diagonal(matrix, 0)
    return SquaredDistances(matrix, np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))


def alignment_frames(weights: UnitWeights) -> tuple[torch.Tensor, torch.Tensor]:
    """The two frames of a head inside which a rotation changes nothing.

    Queries and keys meet only in their product, values and output columns likewise; rotating both
    of a pair leaves the head's function as it is.

    Parameters
    ----------
    weights : UnitWeights
        Of a group of heads.

    Returns
    -------
    tuple of Tensor
        [Q, b_q, K, b_k] and [V, b_v, O], each (n, head_dim, ·).
    """

    def frame(*roles: str) -> list[torch.Tensor]:
        parts = []
        for role in roles:
            parts.append(weights.inputs[role])
            if role in weights.biases:
                parts.append(weights.biases[role].unsqueeze(-1))
        return parts

    return (
        torch.cat(frame("query", "key"), dim=-1),
        torch.cat([*frame("value"), weights.output], dim=-1),
    )


def procrustes_distances(weights: UnitWeights) -> SquaredDistances:
    """Squared distances between heads after orthogonal Procrustes alignment.

    min over orthogonal R of ‖A_i - R·A_j‖² = ‖A_i‖² + ‖A_j‖² - 2·‖A_i·A_jᵀ‖_*, for the Q/K frame
    and the V/O frame apart (Schönemann 1966).

    Parameters
    ----------
    weights : UnitWeights
        Of a group of heads.

    Returns
    -------
    SquaredDistances
    """
    n = weights.n_units
    matrix = torch.zeros(n, n, dtype=torch.float64)
    norms = torch.zeros(n, dtype=torch.float64)
    for frame in alignment_frames(weights):
        frame = frame.cpu().double()  # in this order: some accelerators have no float64
        own = frame.square().sum(dim=(1, 2))
        norms += own
        for i in range(n - 1):
            products = frame[i] @ frame[i + 1 :].mT
            nuclear = torch.linalg.svdvals(products).sum(dim=-1)
            matrix[i, i + 1 :] += own[i] + own[i + 1 :] - 2 * nuclear
    matrix = (matrix + matrix.T).clamp(min=0)
    return SquaredDistances(matrix.float().numpy(), norms.numpy())
