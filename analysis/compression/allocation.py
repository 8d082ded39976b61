"""From one sparsity to K per group: uniform, by variance, or what is cheapest to lose first."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from analysis.clustering.merge_tree import MergeTree
from analysis.errors import UserError
from analysis.models.unit_groups import UnitGroup, kept_parameters, ranks_of, unit_parameters
from analysis.plan.choices import ALLOCATIONS, END_TO_END, OUTPUT_ERROR

MIXED_BONUS = 0.2
"""What high-variance groups keep beyond K, as a fraction (arXiv 2606.11836, mixed sparsity)."""


def allocate(
    groups: Sequence[UnitGroup],
    *,
    sparsity: float,
    strategy: str = "uniform",
    components: Sequence[str] = ("ffn", "heads"),
    trees: Mapping[str, MergeTree] | None = None,
    variances: Mapping[str, float] | None = None,
    method: str = "cluster",
) -> dict[str, int]:
    """Choose K for every group of a model.

    All strategies but "uniform" and "variance-literal" keep (1 - s) of the mergeable parameters of
    the chosen components, to within one unit, as long as one unit per group is less than that.

    Parameters
    ----------
    groups : sequence of UnitGroup
        All groups of the model.
    sparsity : float
        Fraction of units to remove, 0 <= s < 1.
    strategy : str
        See `ALLOCATIONS`.
    components : sequence of {"ffn", "heads"}
        Groups of other components keep all their units.
    trees : mapping of str to MergeTree
        By group id; needed by "distortion", by "output-error" under a distance that listens, and
        by "end-to-end" with what each group is worth.
    variances : mapping of str to float
        By group id; needed by the two variance strategies.
    method : str
        What will be done to the units (see `analysis.plan.choices.METHODS`); for "output-error".

    Returns
    -------
    dict of str to int
        K by group id, 1 <= K <= n, for every group.
    """
    chosen = [group for group in groups if group.component in components]
    kept = {group.id: group.n_units for group in groups}
    if not chosen:
        return kept
    if strategy == "uniform":
        kept |= {g.id: uniform_k(g.n_units, sparsity) for g in chosen}
    elif strategy in ("variance", "variance-literal"):
        if variances is None:
            raise ValueError(f"the {strategy} allocation needs variances")
        by_variance = _literal if strategy == "variance-literal" else _by_variance
        kept |= by_variance(chosen, sparsity, variances)
    elif strategy in RATES:
        if trees is None:
            raise ValueError(f"the {strategy} allocation needs merge trees")
        rates = RATES[strategy]
        kept |= _cheapest_first(
            chosen, sparsity, [rates(group, trees[group.id], method) for group in chosen]
        )
    else:
        raise ValueError(f"unknown allocation {strategy!r}; one of {', '.join(ALLOCATIONS)}")
    return kept


def uniform_k(n_units: int, sparsity: float) -> int:
    """K = round(n·(1 - s)), halves up, at least 1.

    >>> uniform_k(16, 0.1), uniform_k(6, 0.99)
    (14, 1)
    """
    return max(1, math.floor(n_units * (1 - sparsity) + 0.5 + 1e-9))


def achieved_sparsity(
    groups: Sequence[UnitGroup],
    n_clusters: Mapping[str, int],
    components: Sequence[str] = ("ffn", "heads"),
) -> float:
    """Fraction of the mergeable parameters that a choice of K removes.

    Parameters
    ----------
    groups : sequence of UnitGroup
    n_clusters : mapping of str to int
    components : sequence of {"ffn", "heads"}
        Groups that count as mergeable.
    """
    chosen = [group for group in groups if group.component in components]
    total = kept_parameters(chosen)
    return 1 - kept_parameters(chosen, n_clusters) / total if total else 0.0


def variance_thirds(groups: Sequence[UnitGroup], variances: Mapping[str, float]) -> dict[str, str]:
    """Sort groups into low, middle and high variance: thirds by parameter count, within a kind.

    Parameters
    ----------
    groups : sequence of UnitGroup
    variances : mapping of str to float

    Returns
    -------
    dict of str to str
        "low", "middle" or "high" by group id.
    """
    thirds: dict[str, str] = {}
    for kind in dict.fromkeys(group.block for group in groups):
        members = sorted(
            (g for g in groups if g.block == kind), key=lambda g: (variances[g.id], g.id)
        )
        total = sum(g.n_parameters for g in members)
        below = 0.0
        for group in members:
            middle = (below + group.n_parameters / 2) / total
            thirds[group.id] = "low" if middle < 1 / 3 else "middle" if middle < 2 / 3 else "high"
            below += group.n_parameters
    return thirds


def _literal(
    groups: Sequence[UnitGroup], sparsity: float, variances: Mapping[str, float]
) -> dict[str, int]:
    """floor(K·1.2), K, floor(K·0.8) by thirds, cut to 1..n, with no regard for the budget."""
    factor = {"low": 1 - MIXED_BONUS, "middle": 1.0, "high": 1 + MIXED_BONUS}
    thirds = variance_thirds(groups, variances)
    return {
        g.id: min(
            g.n_units,
            max(1, math.floor(uniform_k(g.n_units, sparsity) * factor[thirds[g.id]] + 1e-9)),
        )
        for g in groups
    }


def _by_variance(
    groups: Sequence[UnitGroup], sparsity: float, variances: Mapping[str, float]
) -> dict[str, int]:
    """Keep (1 - s)·1.2 in the high third, (1 - s) in the middle one, the rest in the low one."""
    thirds = variance_thirds(groups, variances)
    keep = 1 - sparsity
    wanted: dict[str, float] = {}
    for kind in dict.fromkeys(group.block for group in groups):
        members = [g for g in groups if g.block == kind]
        share = {"low": keep, "middle": keep, "high": min(1.0, keep * (1 + MIXED_BONUS))}
        size = {
            third: sum(g.n_parameters for g in members if thirds[g.id] == third) for third in share
        }
        surplus = size["high"] * (share["high"] - keep)
        # What the high third keeps beyond its part is taken from the low third, then from the
        # middle; a share never goes below one unit of the kind's smallest group.
        for third in ("low", "middle", "high"):
            if not size[third]:
                continue
            floor = max(1 / g.n_units for g in members if thirds[g.id] == third)
            taken = min(surplus, max(0.0, size[third] * (share[third] - floor)))
            share[third] -= taken / size[third]
            surplus -= taken
        wanted |= {g.id: g.n_units * share[thirds[g.id]] for g in members}
    return _round_to_budget(groups, wanted, _budget(groups, sparsity))


def _distortion_rates(group: UnitGroup, tree: MergeTree, method: str) -> np.ndarray:
    """Relative error that each merge of the tree adds per parameter saved, ascending: (n - 1,)."""
    return tree.merge_costs / ((tree.total or 1.0) * group.parameters_per_unit)


def _output_error_rates(group: UnitGroup, tree: MergeTree, method: str) -> np.ndarray:
    """Output variance lost with each unit, over the residual stream's, per parameter: (n - 1,).

    The units go in the order of the method. Where a later one is cheaper than an earlier one, both
    count as what they cost together: the lower convex hull of the curve, on which a greedy choice
    is the best one.
    """
    if tree.residual_variance is None:
        raise UserError(
            "The output-error allocation weighs what units do.",
            "Choose the distance “influence” or “contribution” with it.",
        )
    scale = (tree.residual_variance or 1.0) * group.parameters_per_unit
    return convex_steps(_step_costs(tree, method)) / scale


def _end_to_end_rates(group: UnitGroup, tree: MergeTree, method: str) -> np.ndarray:
    """Nats per word that each unit costs when it goes, per parameter: (n - 1,)."""
    total = divergence_curve(tree, method)
    return convex_steps(np.diff(total, prepend=0.0)) / group.parameters_per_unit


def divergence_curve(tree: MergeTree, method: str) -> np.ndarray:
    """Nats per word that a group alone costs with 1, 2, … units gone, as it was measured: (n - 1,).

    Parameters
    ----------
    tree : MergeTree
        With what the group is worth (`analysis.compression.sensitivity.with_sensitivity`).
    method : str
        What is done to the units.
    """
    if tree.inflation is None:
        raise ValueError("it was not measured what the groups are worth")
    curve: np.ndarray = np.maximum.accumulate(np.cumsum(_step_costs(tree, method)) * tree.inflation)
    return curve


def foreseen_divergence(
    groups: Sequence[UnitGroup],
    trees: Mapping[str, MergeTree],
    n_clusters: Mapping[str, int],
    method: str,
) -> float:
    """Nats per word or CTC frame that K should cost: the sum of what each group costs alone.

    Errors of layers add up to more or less than that, the more so the larger they are.

    Parameters
    ----------
    groups : sequence of UnitGroup
    trees : mapping of str to MergeTree
        By group id, with what the groups are worth.
    n_clusters : mapping of str to int
        K of every group.
    method : str
        What is done to the units.
    """
    curves = {name: divergence_curve(tree, method) for name, tree in trees.items()}
    removed = {group.id: group.n_units - n_clusters[group.id] for group in groups}
    return float(sum(curves[name][count - 1] for name, count in removed.items() if count))


def _step_costs(tree: MergeTree, method: str) -> np.ndarray:
    """What each unit costs that a method removes, in the method's order: (n - 1,)."""
    if method == "cluster":
        return tree.merge_costs
    if method == "surgeon" and tree.removal is not None:
        return tree.removal.costs
    return np.sort(tree.norms)[:-1]


RATES: Mapping[str, Callable[[UnitGroup, MergeTree, str], np.ndarray]] = {
    "distortion": _distortion_rates,
    OUTPUT_ERROR: _output_error_rates,
    END_TO_END: _end_to_end_rates,
}
"""What each unit costs that goes, per parameter saved, ascending, under each strategy by trees."""


def convex_steps(costs: np.ndarray) -> np.ndarray:
    """Step costs of the lower convex hull of a curve that sums up to the given step costs.

    Parameters
    ----------
    costs : ndarray of float64, (steps,)

    Returns
    -------
    ndarray of float64, (steps,)
        Ascending, of the same sum.

    Examples
    --------
    >>> convex_steps(np.array([3.0, 1.0, 5.0]))
    array([2., 2., 5.])
    """
    means: list[float] = []
    lengths: list[int] = []
    for cost in costs:
        means.append(float(cost))
        lengths.append(1)
        while len(means) > 1 and means[-2] > means[-1]:
            total = means[-2] * lengths[-2] + means[-1] * lengths[-1]
            lengths[-2:] = [lengths[-2] + lengths[-1]]
            means[-2:] = [total / lengths[-1]]
    return np.repeat(means, lengths)


def _cheapest_first(
    groups: Sequence[UnitGroup], sparsity: float, rates: Sequence[np.ndarray]
) -> dict[str, int]:
    """Take steps in the order of what they cost per parameter saved, until the budget is met.

    The costs of a group's steps ascend, so this greedy order is optimal for nested choices.
    Where heads and their ranks are both in it, a step saves less, the later it comes.
    """
    owners = [np.full(len(own), index) for index, own in enumerate(rates)]
    order = np.argsort(np.concatenate(rates), kind="stable")
    sequence = np.concatenate(owners)[order]
    saved = np.array([group.parameters_per_unit for group in groups])[sequence]
    places = {group.id: index for index, group in enumerate(groups)}
    for place, group in enumerate(groups):
        inside = places.get(ranks_of(group).id) if group.component == "heads" else None
        if inside is not None:
            _count_once(saved, sequence == place, sequence == inside, group)
    to_remove = kept_parameters(groups) - _budget(groups, sparsity)
    removed = np.cumsum(saved)
    n_steps = int(np.searchsorted(removed, to_remove + 1e-6, side="right"))
    gone = np.bincount(sequence[:n_steps], minlength=len(groups))
    kept = {g.id: int(g.n_units - m) for g, m in zip(groups, gone, strict=True)}
    room = kept_parameters(groups, kept) - _budget(groups, sparsity)
    smallest = min(group.parameters_per_unit for group in groups)
    too_large: set[int] = set()
    for place in sequence[n_steps:]:  # where a head does not fit any more, channels may
        if room < smallest:
            break
        cost = unit_parameters(groups[place], kept)
        if place in too_large or cost > room + 1e-6:
            too_large.add(place)
            continue
        kept[groups[place].id] -= 1
        room -= cost
    return kept


def _count_once(
    saved: np.ndarray, of_heads: np.ndarray, of_ranks: np.ndarray, heads: UnitGroup
) -> None:
    """Take out of what steps save, in place, what a head and a rank that both go have in common."""
    both = of_heads | of_ranks
    common = np.cumsum(of_heads[both]) * np.cumsum(of_ranks[both]) * heads.rank_dim
    saved[both] -= np.diff(common, prepend=0)


def _budget(groups: Sequence[UnitGroup], sparsity: float) -> float:
    """Parameters that may stay."""
    return (1 - sparsity) * kept_parameters(groups)


def _round_to_budget(
    groups: Sequence[UnitGroup], wanted: Mapping[str, float], budget: float
) -> dict[str, int]:
    """Whole K near the wanted ones, whose parameters miss the budget by less than one unit.

    All are rounded down, then units are given back where the most was lost, while they fit.
    """
    kept = {g.id: min(g.n_units, max(1, math.floor(wanted[g.id] + 1e-9))) for g in groups}
    room = budget - kept_parameters(groups, kept)
    by_loss = sorted(groups, key=lambda g: (kept[g.id] - wanted[g.id], g.id))
    fits = True
    while fits:
        fits = False
        for group in by_loss:
            cost = unit_parameters(group, kept)
            if kept[group.id] < group.n_units and cost <= room + 1e-6:
                kept[group.id] += 1
                room -= cost
                fits = True
    largest = max(group.parameters_per_unit for group in groups)
    while room < -largest:
        # only where a group could not go below one unit: the fullest groups make up for it
        mergeable = [group for group in groups if kept[group.id] > 1]
        if not mergeable:
            break
        fullest = max(mergeable, key=lambda g: (kept[g.id] / g.n_units, g.id))
        kept[fullest.id] -= 1
        room += unit_parameters(fullest, kept)
    return kept
