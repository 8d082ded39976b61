"""Structured optimal brain surgeon: drop units one by one while the others take over their work.

Where a magnitude says how large a unit is, the surgeon says how much of the layer's output is lost
when the unit goes and the output columns of all others are refitted. The order is greedy and
nested, so that one run answers every K, as a merge tree does.
"""

import numpy as np
import torch

from analysis.clustering.merge_tree import Removal
from analysis.clustering.moments import ridged

# Large groups lose several units per step, chosen one after the other among the cheapest: 5,120
# channels one by one would rewrite a matrix of 200 MB 5,120 times.
_STEPS = 64
_SMALL = 128  # units up to which they go one by one
_CANDIDATES = 4  # cheapest units that are looked at for each one that goes


RIDGE = 0.1
"""Weight of the ridge in the surgeon's costs; a heavier one, as refits want it, blurs them."""


def removal_order(covariance: torch.Tensor, output: torch.Tensor, weight: float = RIDGE) -> Removal:
    """Greedy order of removal with exact updates.

    Dropping the inputs u of a unit costs tr(W_uᵀ·(H⁻¹_uu)⁻¹·W_u), H = Cov + ridge, once the others
    are refitted by W -= H⁻¹_:u·(H⁻¹_uu)⁻¹·W_u; H⁻¹ then loses u by its Schur complement.

    Parameters
    ----------
    covariance : Tensor of float64, (n·rows, n·rows)
        Of the inputs of the output projection.
    output : Tensor, (n, rows, d)
        The columns of the output projection, as rows.
    weight : float
        Of the ridge; see `analysis.clustering.moments.ridged`.

    Returns
    -------
    Removal
        Exactly greedy up to `_SMALL` units; beyond, some `_STEPS` blocks of units, greedy within.

    References
    ----------
    Hassibi and Stork, "Second order derivatives for network pruning: optimal brain surgeon", 1992;
    the layer-wise form of Frantar and Alistarh, "Optimal brain compression", 2022, section 3.
    """
    n, rows, hidden = output.shape
    weights = output.reshape(n * rows, hidden).to(covariance)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(ridged(covariance, weight)))
    block = 1 if n <= _SMALL else -(-n // _STEPS)
    units = torch.arange(n, device=covariance.device)
    order: list[int] = []
    costs: list[float] = []
    while len(units) > 1:
        count = min(block, len(units) - 1)
        cheapest = torch.argsort(_costs(inverse, weights, rows), stable=True)
        candidates = cheapest[: _CANDIDATES * count]
        picked, spent = _pick(inverse, weights, rows, candidates, count)
        order += units[picked].tolist()
        costs += spent
        stays = torch.ones(len(units), dtype=torch.bool, device=units.device)
        stays[picked] = False
        inverse, weights = _drop(inverse, weights, stays.repeat_interleave(rows))
        units = units[stays]
    return Removal(np.array(order, dtype=np.int64), np.array(costs, dtype=np.float64))


def _costs(inverse: torch.Tensor, weights: torch.Tensor, rows: int) -> torch.Tensor:
    """What each unit's removal would cost now: (units,)."""
    if rows == 1:
        return weights.square().sum(dim=1) / inverse.diagonal()
    n = len(weights) // rows
    blocks = inverse.reshape(n, rows, n, rows).diagonal(dim1=0, dim2=2).permute(2, 0, 1)
    slices = weights.reshape(n, rows, -1)
    return (slices * torch.linalg.solve(blocks, slices)).sum(dim=(1, 2)).clamp(min=0)


def _drop(
    inverse: torch.Tensor, weights: torch.Tensor, kept: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """H⁻¹ and the refitted output columns of what is kept."""
    stays, goes = kept.nonzero().flatten(), (~kept).nonzero().flatten()
    gone = inverse[goes]
    factor = torch.linalg.cholesky(gone[:, goes])
    half = torch.linalg.solve_triangular(factor, gone[:, stays], upper=False)
    said = torch.linalg.solve_triangular(factor, weights[goes], upper=False)
    return (
        inverse[stays][:, stays].addmm_(half.T, half, alpha=-1),
        weights[stays].addmm_(half.T, said, alpha=-1),
    )


def _pick(
    inverse: torch.Tensor,
    weights: torch.Tensor,
    rows: int,
    candidates: torch.Tensor,
    count: int,
) -> tuple[torch.Tensor, list[float]]:
    """Greedy choice among candidates, each step aware of those before it.

    It needs only the candidates' part of H⁻¹ and the inner products of their columns, which are
    fetched from the device once; all steps then are small ones on the host.
    """
    spread = torch.arange(rows, device=candidates.device)
    inputs = (candidates[:, None] * rows + spread).flatten()
    columns = weights[inputs]
    within = torch.stack([inverse[inputs][:, inputs], columns @ columns.T]).cpu().numpy()
    h, products = within[0].copy(), within[1].copy()
    alive = np.ones(len(candidates), dtype=bool)
    picked, spent = [], []
    for _ in range(count):
        costs = np.where(alive, _small_costs(h, products, rows), np.inf)
        best = int(costs.argmin())
        alive[best] = False
        picked.append(best)
        spent.append(max(0.0, float(costs[best])))
        own = slice(best * rows, (best + 1) * rows)
        share = np.linalg.solve(h[own, own], h[own]).T
        shared = share @ products[own]
        products = products - shared - shared.T + share @ products[own, own] @ share.T
        h = h - share @ h[own]
        h[own, own] = np.eye(rows)  # its own part is 0 by now; costs divide by it
    return candidates[torch.tensor(picked, device=candidates.device)], spent


def _small_costs(h: np.ndarray, products: np.ndarray, rows: int) -> np.ndarray:
    """As `_costs`, from inner products of the columns instead of the columns."""
    if rows == 1:
        return products.diagonal() / h.diagonal()
    n = len(h) // rows
    units = np.arange(n)
    blocks = h.reshape(n, rows, n, rows)[units, :, units]
    squares = products.reshape(n, rows, n, rows)[units, :, units]
    return np.asarray(np.linalg.solve(blocks, squares).trace(axis1=1, axis2=2))
