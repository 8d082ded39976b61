"""K per group where some groups are locked: the others meet the budget in their stead."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from analysis.clustering.merge_tree import MergeTree
from analysis.compression.allocation import allocate
from analysis.models.unit_groups import UnitGroup, kept_parameters, ranks_of, unit_parameters
from analysis.plan.choices import UNBUDGETED


def allocate_around(
    groups: Sequence[UnitGroup],
    locked: Mapping[str, int],
    *,
    sparsity: float,
    strategy: str = "uniform",
    components: Sequence[str] = ("ffn", "heads"),
    trees: Mapping[str, MergeTree] | None = None,
    variances: Mapping[str, float] | None = None,
    method: str = "cluster",
) -> dict[str, int]:
    """Choose K for every group that is not locked, so that all together meet the budget.

    The budget is (1 - s) of the mergeable parameters of the chosen components, locked groups
    included. What the locked ones keep beyond their part, the others lose, shared out by the same
    strategy; all strategies but "variance-literal" then meet the budget to within one unit, as
    long as the others have enough units to give or to keep (see `budget_miss`).

    Parameters
    ----------
    groups : sequence of UnitGroup
        All groups of the model.
    locked : mapping of str to int
        K by group id; without any, the answer is that of `allocate`.
    sparsity, strategy, components, trees, variances, method
        See `allocate`.

    Returns
    -------
    dict of str to int
        K by group id, for every group, in their order.
    """
    free = [_beside(group, locked) for group in groups if group.id not in locked]
    shares = [group for group in free if group.component in components]
    wanted = sparsity
    budget = _budget(groups, locked, sparsity, components)
    total = kept_parameters(shares)
    if locked and strategy != UNBUDGETED and total:
        wanted = min(1.0, max(0.0, 1 - budget / total))
    found = allocate(
        free,
        sparsity=wanted,
        strategy=strategy,
        components=components,
        trees=trees,
        variances=variances,
        method=method,
    )
    if locked and strategy == "uniform":
        _meet(shares, found, budget)
    return {group.id: locked.get(group.id, found.get(group.id, 1)) for group in groups}


def budget_miss(
    groups: Sequence[UnitGroup],
    n_clusters: Mapping[str, int],
    sparsity: float,
    components: Sequence[str] = ("ffn", "heads"),
) -> int:
    """Parameters kept beyond the budget (above 0) or short of it (below 0).

    Parameters
    ----------
    groups : sequence of UnitGroup
    n_clusters : mapping of str to int
        K by group id.
    sparsity : float
    components : sequence of {"ffn", "heads"}

    Returns
    -------
    int
        0 where the budget is met as well as whole units allow, i.e. to within one of the largest.
    """
    chosen = [group for group in groups if group.component in components]
    over = kept_parameters(chosen, n_clusters) - (1 - sparsity) * kept_parameters(chosen)
    one_unit = max((group.parameters_per_unit for group in chosen), default=0)
    return round(over) if abs(over) > one_unit else 0


def _budget(
    groups: Sequence[UnitGroup],
    locked: Mapping[str, int],
    sparsity: float,
    components: Sequence[str],
) -> float:
    """Parameters that the groups which are not locked may keep."""
    chosen = [group for group in groups if group.component in components]
    shares = [_beside(group, locked) for group in chosen if group.id not in locked]
    held = kept_parameters(chosen, locked) - kept_parameters(shares)
    return (1 - sparsity) * kept_parameters(chosen) - held


def _beside(group: UnitGroup, locked: Mapping[str, int]) -> UnitGroup:
    """A group as large as it is where heads that hold its ranks, or ranks inside it, are locked."""
    own = unit_parameters(group, locked)
    if group.inside in locked:
        return replace(group, unit_dim=own, rows=locked[group.inside])
    if group.component == "heads" and ranks_of(group).id in locked:
        return replace(group, unit_dim=own, ranks=0, rank_dim=0)
    return group


def _meet(groups: Sequence[UnitGroup], kept: dict[str, int], budget: float) -> None:
    """Move K, in place, to the budget: the fullest group gives, the emptiest one receives."""
    over = kept_parameters(groups, kept) - budget

    def fullness(group: UnitGroup) -> tuple[float, str]:
        return kept[group.id] / group.n_units, group.id

    while over > 0:
        giving = [g for g in groups if kept[g.id] > 1 and unit_parameters(g, kept) / 2 <= over]
        if not giving:
            break
        group = max(giving, key=fullness)
        kept[group.id] -= 1
        over -= unit_parameters(group, kept)
    while over < 0:
        taking = [g for g in groups if kept[g.id] < g.n_units and unit_parameters(g, kept) <= -over]
        if not taking:
            break
        group = min(taking, key=fullness)
        over += unit_parameters(group, kept)
        kept[group.id] += 1
