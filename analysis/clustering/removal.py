"""Structured optimal brain surgeon: drop units one by one while the others take over their work.

Where a magnitude says how large a unit is, the surgeon says how much of the layer's output is lost
when the unit goes and the output columns of all others are refitted. The order is greedy and
nested, so that one run answers every K, as a merge tree does.
"""

import numpy as np
import torch

from analysis.clustering.merge_tree import Removal
from analysis.clustering.moments import regularised

# Large groups lose several units per step, chosen one after the other among the cheapest: 5,120
# channels one by one would rewrite a matrix of 200 MB 5,120 times.
_STEPS = 256


def removal_order(covariance: torch.Tensor, output: torch.Tensor) -> Removal:
    """Greedy order of removal with exact updates.

    Dropping the inputs u of a unit costs tr(W_uᵀ·(H⁻¹_uu)⁻¹·W_u), H = Cov + λI, once the others
    are refitted by W -= H⁻¹_:u·(H⁻¹_uu)⁻¹·W_u; H⁻¹ then loses u by its Schur complement.

    Parameters
    ----------
    covariance : Tensor of float64, (n·rows, n·rows)
        Of the inputs of the output projection.
    output : Tensor, (n, rows, d)
        The columns of the output projection, as rows.

    Returns
    -------
    Removal
        Exactly greedy up to 511 units; beyond, `_STEPS` blocks of units.

    References
    ----------
    Hassibi and Stork, "Second order derivatives for network pruning: optimal brain surgeon", 1992;
    the layer-wise form of Frantar and Alistarh, "Optimal brain compression", 2022, section 3.
    """
    n, rows, hidden = output.shape
    weight = output.reshape(n * rows, hidden).cpu().double()
    inverse = torch.linalg.inv(regularised(covariance))
    block = max(1, n // _STEPS)
    units = torch.arange(n)
    order: list[int] = []
    costs: list[float] = []
    while len(units) > 1:
        count = min(block, len(units) - 1)
        nearest = torch.argsort(_costs(inverse, weight, rows), stable=True)[: 4 * count]
        picked, spent = _pick(inverse, weight, rows, nearest, count)
        order += units[picked].tolist()
        costs += spent
        stays = torch.ones(len(units), dtype=torch.bool)
        stays[picked] = False
        kept = stays.repeat_interleave(rows)
        inverse, weight = _drop(inverse, weight, kept)
        units = units[stays]
    return Removal(np.array(order, dtype=np.int64), np.array(costs, dtype=np.float64))


def _costs(inverse: torch.Tensor, weight: torch.Tensor, rows: int) -> torch.Tensor:
    """What each unit's removal would cost now: (units,)."""
    n = len(weight) // rows
    blocks = inverse.reshape(n, rows, n, rows).diagonal(dim1=0, dim2=2).permute(2, 0, 1)
    slices = weight.reshape(n, rows, -1)
    return (slices * torch.linalg.solve(blocks, slices)).sum(dim=(1, 2)).clamp(min=0)


def _drop(
    inverse: torch.Tensor, weight: torch.Tensor, kept: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """H⁻¹ and the refitted output columns of what is kept."""
    column = inverse[kept][:, ~kept]
    solved = torch.linalg.solve(inverse[~kept][:, ~kept], torch.cat([weight[~kept], column.T], 1))
    hidden = weight.shape[1]
    return (
        inverse[kept][:, kept].addmm_(column, solved[:, hidden:], alpha=-1),
        weight[kept].addmm_(column, solved[:, :hidden], alpha=-1),
    )


def _pick(
    inverse: torch.Tensor, weight: torch.Tensor, rows: int, candidates: torch.Tensor, count: int
) -> tuple[torch.Tensor, list[float]]:
    """Greedy choice among candidates, each step aware of those before it."""
    inputs = (candidates[:, None] * rows + torch.arange(rows)).flatten()
    inverse, weight = inverse[inputs][:, inputs], weight[inputs]
    picked, spent = [], []
    for _ in range(count):
        costs = _costs(inverse, weight, rows)
        best = int(costs.argmin())
        picked.append(int(candidates[best]))
        spent.append(float(costs[best]))
        stays = torch.arange(len(candidates)) != best
        inverse, weight = _drop(inverse, weight, stays.repeat_interleave(rows))
        candidates = candidates[stays]
    return torch.tensor(picked), spent
