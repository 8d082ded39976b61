"""How much a refit is tempered: chosen where it serves voices best that the fit did not hear."""

import torch

from analysis.clustering.moments import Moments, ridged

WEIGHTS = (0.03, 0.1, 0.3, 1.0, 3.0)
"""Of the ridge, as a share of each input's own variance: what is tried."""

DEFAULT_WEIGHT = 0.3
"""Where there is only one voice, and nothing can be tried."""

_KEPT = 0.75  # of the inputs: a fit of all that stay to a quarter that goes
_DIRECTIONS = 64  # of the output, drawn at random: enough to tell one weight from another


def refit_error(
    fit: Moments, other: Moments, output: torch.Tensor, kept: torch.Tensor, weight: float
) -> float:
    """What the output misses on other positions when some inputs do the work of all.

    Parameters
    ----------
    fit : Moments
        Of the inputs, where the columns are fitted.
    other : Moments
        Of the inputs, where the error is taken.
    output : Tensor of float64, (width, d)
        The output columns, as rows.
    kept : Tensor of int64, (kept,)
        The inputs that stay.
    weight : float
        Of the ridge.

    Returns
    -------
    float
        Mean squared error, summed over the output's dimensions.
    """
    inner = fit.covariance[kept]
    start = output[kept]
    factor = torch.linalg.cholesky(ridged(inner[:, kept], weight))
    missing = inner @ output - inner[:, kept] @ start
    lost = output.clone()
    lost[kept] = -torch.cholesky_solve(missing, factor)
    error = (lost * (other.covariance @ lost)).sum()
    return float(error + ((other.mean - fit.mean) @ lost).square().sum())


def choose_ridge(one: Moments, other: Moments, output: torch.Tensor) -> float:
    """The weight whose refits serve the voices best that they were not fitted to.

    Parameters
    ----------
    one, other : Moments
        Of the inputs of an output projection, by different voices; either is fitted to once.
    output : Tensor, (width, d)
        The output columns, as rows.

    Returns
    -------
    float
        One of `WEIGHTS`.
    """
    output = output.to(one.covariance)
    generator = torch.Generator().manual_seed(0)
    if output.shape[1] > _DIRECTIONS:
        drawn = torch.randn(output.shape[1], _DIRECTIONS, generator=generator, dtype=torch.float64)
        output = output @ drawn.to(output)
    added = one.covariance.diagonal() * output.square().sum(dim=1)
    kept = torch.argsort(added, descending=True)[: max(1, round(_KEPT * len(added)))]
    errors = {
        weight: refit_error(one, other, output, kept, weight)
        + refit_error(other, one, output, kept, weight)
        for weight in WEIGHTS
    }
    return min(errors, key=lambda weight: errors[weight])
