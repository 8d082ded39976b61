"""What each group is worth as a curve: how far the model's words move, however many units go."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.clustering.merge_tree import MergeTree
from analysis.compression.sensitivity import measured_points
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup

SHARES = (0.1, 0.2, 0.3, 0.4)
"""Of a group's units: how many go, where all groups are compared."""

CURVE_POINTS = 120
"""As many points as a picture can show; the measured ones are always among them."""


@dataclass(frozen=True, slots=True, eq=False)
class Worth:
    """How far the model's words move when units of one group go, in the surgeon's order.

    Parameters
    ----------
    divergence : ndarray of float64, (n,)
        KL divergence from the original, nats per word (CTC: per frame), at index r with r units
        gone; 0 at index 0.
    measured : tuple of int
        The numbers of units gone at which it was measured, ascending. Everywhere else it is what
        the gradient foresees, scaled to meet them.
    """

    divergence: np.ndarray
    measured: tuple[int, ...]

    @property
    def n_units(self) -> int:
        """Units of the group."""
        return len(self.divergence)

    def curve(self) -> list[int]:
        """Numbers of units gone, from 1 on, that a picture of the curve needs."""
        most = self.n_units - 1
        spread = np.linspace(1, most, min(most, CURVE_POINTS)).round().astype(int).tolist()
        return sorted({*spread, *self.measured})


@dataclass(frozen=True, slots=True)
class Loss:
    """What it costs when a share of one group goes.

    Parameters
    ----------
    group : UnitGroup
    share : float
        One of `SHARES`.
    n_removed : int
        The whole units nearest to the share, 1 at least.
    divergence : float
        Nats per word or CTC frame.
    measured : bool
        Whether it was measured just there.
    """

    group: UnitGroup
    share: float
    n_removed: int
    divergence: float
    measured: bool


def worth_of(tree: MergeTree) -> Worth:
    """The curve of one group.

    Parameters
    ----------
    tree : MergeTree
        With the surgeon's order, and with what the group is worth.

    Returns
    -------
    Worth

    Raises
    ------
    ValueError
        Where that was not measured.
    """
    if tree.removal is None or tree.inflation is None:
        raise ValueError("it was not measured what the group is worth")
    foreseen = np.cumsum(tree.removal.costs) * tree.inflation
    return Worth(np.concatenate(([0.0], foreseen)), measured_points(tree.n_units))


def position_of(model: SpeechModel) -> str:
    """What a model's nats are counted per: "word", or "frame" of a CTC model."""
    return "frame" if model.architecture.decoding == "ctc" else "word"


def losses(groups: Sequence[UnitGroup], worths: Mapping[str, Worth]) -> list[Loss]:
    """What each group costs at each of `SHARES`; a group of one unit can lose none.

    Parameters
    ----------
    groups : sequence of UnitGroup
    worths : mapping of str to Worth
        By group id.

    Returns
    -------
    list of Loss
        Group by group, by ascending share.
    """
    found = []
    for group in groups:
        own = worths[group.id]
        for share in SHARES if group.n_units > 1 else ():
            count = min(max(1, round(share * group.n_units)), group.n_units - 1)
            lost = float(own.divergence[count])
            found.append(Loss(group, share, count, lost, count in own.measured))
    return found


def worth_tables(
    groups: Sequence[UnitGroup], worths: Mapping[str, Worth], position: str
) -> dict[str, pd.DataFrame]:
    """What each group is worth, as tables.

    Parameters
    ----------
    groups : sequence of UnitGroup
    worths : mapping of str to Worth
        By group id.
    position : str
        As `position_of` gives it.

    Returns
    -------
    dict of str to DataFrame
        "layer-worth", a row per group and share; "layer-worth-curves", a row per point of a curve,
        thinned as it is drawn.
    """
    nats = f"nats_per_{position}"
    cells = pd.DataFrame(
        {
            "group": loss.group.id,
            "stack": loss.group.stack,
            "layer": loss.group.layer,
            "block": loss.group.block,
            "units": loss.group.n_units,
            "share": loss.share,
            "removed": loss.n_removed,
            "removed_share": loss.n_removed / loss.group.n_units,
            nats: loss.divergence,
            "measured": loss.measured,
        }
        for loss in losses(groups, worths)
    )
    curves = pd.DataFrame(
        {
            "group": name,
            "kept": worth.n_units - count,
            nats: worth.divergence[count],
            "measured": count in worth.measured,
        }
        for name, worth in worths.items()
        for count in (worth.curve() if worth.n_units > 1 else ())
    )
    return {"layer-worth": cells, "layer-worth-curves": curves}
