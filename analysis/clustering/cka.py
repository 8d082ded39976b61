"""Centred kernel alignment: how alike two sets of states lie, up to rotation and scale."""

from collections.abc import Sequence

import numpy as np
import torch

LEAST_POSITIONS = 4
"""That debiased CKA is defined for."""

MOST_POSITIONS = 512
"""That debiased CKA looks at: its estimate is right on average for any number of them."""


def debiased_cka(first: torch.Tensor, second: torch.Tensor) -> float:
    """Linear CKA by the unbiased estimate of HSIC.

    The plain one is high for any two sets of few positions and many dimensions; this one is then
    about 0. It may lie a little below 0.

    Parameters
    ----------
    first, second : Tensor, (positions, hidden)
        Of as many positions; the widths may differ.

    Returns
    -------
    float
        At most 1; nan for fewer than 4 positions, or where either does not vary over them.

    References
    ----------
    Nguyen, Raghu and Kornblith, "Do wide and deep networks learn the same things?", 2021, equation
    3, after Song et al., "Feature selection via dependence maximization", 2012.
    """
    return float(cka_matrix([first], [second])[0, 0])


def cka_matrix(rows: Sequence[torch.Tensor], columns: Sequence[torch.Tensor]) -> np.ndarray:
    """Debiased CKA of each set of states with each of others; see `debiased_cka`.

    Parameters
    ----------
    rows, columns : sequence of Tensor, (positions, hidden)
        E.g. what the layers of two models put out; at least one of each. Of more than
        `MOST_POSITIONS` positions, as many are taken, evenly spaced.

    Returns
    -------
    ndarray of float64, (rows, columns)
    """
    one, other = (torch.stack([_directed(x) for x in states]) for states in (rows, columns))
    return (one @ other.T).cpu().numpy()


def _directed(states: torch.Tensor) -> torch.Tensor:
    """The Gram matrix without its diagonal, centred without bias, as one vector of length 1.

    The inner product of two such matrices is the unbiased HSIC, so that of two vectors is CKA.
    """
    n = len(states)
    if n > MOST_POSITIONS:
        states = states[torch.linspace(0, n - 1, MOST_POSITIONS).round().long()]
        n = MOST_POSITIONS
    x = states.double()
    centred = x - x.mean(dim=0)
    is_still = float(centred.square().sum()) <= 1e-20 * float(x.square().sum())
    if n < LEAST_POSITIONS or is_still:
        return torch.full((n * n,), float("nan"), dtype=x.dtype, device=x.device)
    gram = (centred @ centred.T).fill_diagonal_(0)
    sums = gram.sum(dim=0) / (n - 2)
    gram = gram - sums - sums[:, None] + sums.sum() / (n - 1)
    gram.fill_diagonal_(0)
    return (gram / torch.linalg.norm(gram)).flatten()
