"""The ranks of an attention block: in which directions queries and keys of its heads are compared.

A head's scores qᵀ·k stay what they are when queries and keys are written in another basis, and its
inverse. In the basis that `balanced` finds, every direction adds to the scores independently of the
others, the strongest first, so that what is cut from the end costs least on the sound that was
heard: by Eckart and Young no other cut to as many ranks costs less.
"""

from dataclasses import dataclass

import torch

from analysis.clustering.moments import algebra_device
from analysis.clustering.scores import ScoreMoments, score_moments
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from analysis.models.unit_weights import UnitWeights, read_units
from analysis.progress import UNWATCHED, Watch
from analysis.speech.excitation import Excitation

_LEAST = 1e-7  # of the largest variance of a head: what is below is rounding


@dataclass(frozen=True, slots=True, eq=False)
class RankBasis:
    """The basis in which the ranks of an attention block are counted.

    Parameters
    ----------
    query, key : Tensor of float64, (n_heads, ranks, ranks)
        New queries are `query`·q, new keys `key`·k; queryᵀ·key is the identity.
    values : Tensor of float64, (n_heads, ranks)
        Root mean square of what each direction adds to the scores before they are scaled,
        descending.
    """

    query: torch.Tensor
    key: torch.Tensor
    values: torch.Tensor


def rank_basis(
    model: SpeechModel,
    heads: UnitGroup,
    excitation: Excitation | None,
    *,
    watch: Watch = UNWATCHED,
) -> RankBasis:
    """The basis of a group of heads, by what it hears, or without a sound by its weights.

    Parameters
    ----------
    model : SpeechModel
    heads : UnitGroup
    excitation : Excitation or None
        None stands for inputs that are white: the singular value decomposition of the weights.
    watch : Watch
        Of the run over the excitation, where it was not made before.

    Raises
    ------
    Cancelled
    """
    if excitation is not None:
        return basis_of(score_moments(model, excitation, heads, watch=watch))
    units = read_units(model.model, heads)
    device = algebra_device(model.device)
    query, key = (units.inputs[role].to(device).double() for role in ("query", "key"))
    if "query" in units.biases:  # as one more input that is always 1
        query = torch.cat([query, units.biases["query"].to(query).unsqueeze(-1)], dim=-1)
    return basis_of(ScoreMoments(query @ query.mT, key @ key.mT))


def basis_of(moments: ScoreMoments) -> RankBasis:
    """The basis in which scores of these moments fall apart into independent parts."""
    return RankBasis(*balanced(moments.query, moments.key))


def balanced(
    one: torch.Tensor, other: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Maps after which both vectors of a product have the same, diagonal second moments.

    With U·S·Vᵀ = A^½·B^½ they are S^½·Uᵀ·A^-½ and S^½·Vᵀ·B^-½, and both moments become S.

    Parameters
    ----------
    one, other : Tensor of float64, (…, r, r)
        A and B, the second moments of both vectors.

    Returns
    -------
    to_one, to_other : Tensor of float64, (…, r, r)
        to_oneᵀ·to_other is the identity, so that no product changes.
    values : Tensor of float64, (…, r)
        S, descending.

    References
    ----------
    Moore, "Principal component analysis in linear systems", 1981, for balancing.
    """
    root, inverse = _roots(one)
    other_root, other_inverse = _roots(other)
    left, values, right = torch.linalg.svd(root @ other_root)
    scale = values.sqrt().unsqueeze(-1)
    return scale * (left.mT @ inverse), scale * (right @ other_inverse), values


def _roots(moment: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The square root of a second moment and its inverse; directions never used get a little."""
    values, vectors = torch.linalg.eigh(moment)
    tiny = torch.finfo(values.dtype).tiny ** 0.5
    least = (_LEAST * values[..., -1:]).clamp(min=tiny)
    root = values.maximum(least).sqrt().unsqueeze(-2)
    return (vectors * root) @ vectors.mT, (vectors / root) @ vectors.mT


def ranked_units(model: SpeechModel, ranks: UnitGroup, basis: RankBasis) -> UnitWeights:
    """All ranks of an attention block in their basis, the strongest first; no score changes.

    A bias of the keys adds the same to every score of a query, which the softmax does not see: it
    becomes zero.

    Parameters
    ----------
    model : SpeechModel
    ranks : UnitGroup
    basis : RankBasis

    Returns
    -------
    UnitWeights
        Float32, on the model's device.
    """
    units = read_units(model.model, ranks)

    def turned(turn: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Rows of all heads, (ranks, n_heads, ·), in the new basis."""
        new = turn @ rows.transpose(0, 1).to(turn)
        return new.transpose(0, 1).float().to(rows.device)

    inputs = {
        "query": turned(basis.query, units.inputs["query"]),
        "key": turned(basis.key, units.inputs["key"]),
    }
    biases = {role: torch.zeros_like(bias) for role, bias in units.biases.items()}
    if "query" in biases:
        bias = units.biases["query"].unsqueeze(-1)
        biases["query"] = turned(basis.query, bias).squeeze(-1)
    return UnitWeights(inputs, biases, units.output)
