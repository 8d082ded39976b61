"""Mean and covariance of vectors that stream by, and the ridge that tempers them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

_STEPS = 32767  # of a correlation from 0 to 1, as it is kept


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Mean and covariance of vectors over the positions of an excitation.

    Parameters
    ----------
    count : int
        Positions.
    mean : Tensor of float64, (width,)
        Or (n, width), of n streams side by side.
    covariance : Tensor of float64, (width, width)
        On the device of the model, where that has float64; or (n, width, width).
    """

    count: int
    mean: torch.Tensor
    covariance: torch.Tensor


class MomentAccumulator:
    """Streams vectors into their mean and covariance; only the sums are held.

    Products are taken in float32 around a point near the mean, which loses nothing where a mean is
    far larger than what moves around it, and are added up in float64 where the device has it.

    Parameters
    ----------
    width : int
        Of the vectors.
    device : torch.device
    streams : tuple of int
        ``(n,)`` for n streams of vectors side by side, each with moments of its own.
    """

    def __init__(self, width: int, device: torch.device, streams: tuple[int, ...] = ()) -> None:
        dtype = torch.float32 if device.type == "mps" else torch.float64
        self._count = 0
        self._origin: torch.Tensor | None = None
        self._sum = torch.zeros(*streams, width, dtype=dtype, device=device)
        self._products = torch.zeros(*streams, width, width, dtype=dtype, device=device)

    def update(self, vectors: torch.Tensor) -> None:
        """Add vectors, (positions, width), or (n, positions, width) of n streams."""
        if self._origin is None:
            self._origin = vectors.to(self._sum.dtype).mean(dim=-2)
        shifted = vectors.to(self._sum.dtype) - self._origin.unsqueeze(-2)
        narrow = shifted if vectors.dtype == torch.float64 else shifted.float()
        self._count += vectors.shape[-2]
        self._sum += shifted.sum(dim=-2)
        self._products += narrow.mT @ narrow

    @property
    def count(self) -> int:
        """Vectors that were added."""
        return self._count

    def moments(self) -> Moments:
        """Mean and covariance of what was added so far."""
        if self._origin is None:
            raise ValueError("nothing was added")
        device = algebra_device(self._sum.device)
        shift = (self._sum / self._count).to(device).double()
        covariance = (self._products / self._count).to(device).double()
        covariance -= shift.unsqueeze(-1) * shift.unsqueeze(-2)
        return Moments(self._count, self._origin.to(device).double() + shift, covariance)


def algebra_device(device: torch.device) -> torch.device:
    """The device itself where it has float64, else the CPU."""
    return torch.device("cpu") if device.type == "mps" else device


def pooled(one: Moments, other: Moments) -> Moments:
    """Moments over the positions of both (Chan, Golub and LeVeque 1979)."""
    count = one.count + other.count
    share = other.count / count
    apart = other.mean - one.mean
    covariance = one.covariance * (1 - share) + other.covariance * share
    covariance += torch.outer(apart, apart) * (share * (1 - share))
    return Moments(count, one.mean + share * apart, covariance)


def packed(moments: Moments) -> Mapping[str, np.ndarray]:
    """Moments as they are kept on disk: a quarter of the covariance in float32.

    Of the correlations, those above the diagonal, in steps of 1/32767. What is rounded away is far
    below the least ridge (`analysis.clustering.ridge.WEIGHTS`), which is on the scale of each
    input, too.

    Returns
    -------
    mapping of str to ndarray
        For `unpacked`; `packed_shapes` tells the shapes.
    """
    width = len(moments.mean)
    deviations = moments.covariance.diagonal().clamp(min=0).sqrt()
    scale = torch.where(deviations > 0, deviations, 1.0)
    correlations = (moments.covariance / torch.outer(scale, scale)).clamp(-1, 1)
    rows, columns = torch.triu_indices(width, width, offset=1, device=scale.device)
    return {
        "count": np.array(moments.count),
        "mean": moments.mean.cpu().numpy(),
        "deviations": deviations.cpu().numpy(),
        "correlations": (correlations[rows, columns] * _STEPS).round().short().cpu().numpy(),
    }


def packed_shapes(width: int) -> Mapping[str, tuple[int, ...]]:
    """Shapes of what `packed` gives for vectors of some width."""
    pairs = width * (width - 1) // 2
    return {"count": (), "mean": (width,), "deviations": (width,), "correlations": (pairs,)}


def unpacked(arrays: Mapping[str, np.ndarray], device: torch.device) -> Moments:
    """What `packed` was given, but for the rounding.

    Parameters
    ----------
    arrays : mapping of str to ndarray
    device : torch.device
        For the result; see `algebra_device`.
    """
    deviations = torch.from_numpy(arrays["deviations"]).to(device)
    width = len(deviations)
    above = torch.zeros(width, width, dtype=torch.float64, device=device)
    rows, columns = torch.triu_indices(width, width, offset=1, device=device)
    above[rows, columns] = torch.from_numpy(arrays["correlations"]).to(device).double() / _STEPS
    covariance = (above + above.T).fill_diagonal_(1.0) * torch.outer(deviations, deviations)
    mean = torch.from_numpy(arrays["mean"]).to(device)
    return Moments(int(arrays["count"]), mean, covariance)


def ridged(covariance: torch.Tensor, weight: float) -> torch.Tensor:
    """Cov + weight·diag(Cov): every input is tempered on its own scale.

    Whisper has a few inputs of huge variance; a ridge on the scale of the mean variance would
    swamp what is known of all others. Inputs that never move get a little of the mean, and the
    identity where nothing moves.

    Parameters
    ----------
    covariance : Tensor of float64, (width, width)
    weight : float
        Above 0; see `analysis.clustering.ridge`.
    """
    variances = covariance.diagonal()
    least = 1e-9 * variances.mean()
    if least <= 0:
        return covariance + torch.eye(
            len(covariance), dtype=covariance.dtype, device=covariance.device
        )
    return covariance + torch.diag(weight * variances + least)
