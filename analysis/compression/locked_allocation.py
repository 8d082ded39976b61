"""K per group where some groups are locked: the others meet the budget in their stead."""

from collections.abc import Mapping, Sequence

from analysis.clustering.merge_tree import MergeTree
from analysis.compression.allocation import allocate
from analysis.models.unit_groups import UnitGroup
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
    free = [group for group in groups if group.id not in locked]
    shares = [group for group in free if group.component in components]
    wanted = sparsity
    budget = _budget(groups, locked, sparsity, components)
    total = sum(group.n_parameters for group in shares)
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
    kept = sum(n_clusters[group.id] * group.parameters_per_unit for group in chosen)
    over = kept - (1 - sparsity) * sum(group.n_parameters for group in chosen)
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
    held = sum(locked.get(group.id, 0) * group.parameters_per_unit for group in chosen)
    return (1 - sparsity) * sum(group.n_parameters for group in chosen) - held


def _meet(groups: Sequence[UnitGroup], kept: dict[str, int], budget: float) -> None:
    """Move K, in place, to the budget: the fullest group gives, the emptiest one receives."""
    over = sum(kept[g.id] * g.parameters_per_unit for g in groups) - budget

    def fullness(group: UnitGroup) -> tuple[float, str]:
        return kept[group.id] / group.n_units, group.id

    while over > 0:
        giving = [g for g in groups if kept[g.id] > 1 and g.parameters_per_unit / 2 <= over]
        if not giving:
            break
        group = max(giving, key=fullness)
        kept[group.id] -= 1
        over -= group.parameters_per_unit
    while over < 0:
        taking = [g for g in groups if kept[g.id] < g.n_units and g.parameters_per_unit <= -over]
        if not taking:
            break
        group = min(taking, key=fullness)
        kept[group.id] += 1
        over += group.parameters_per_unit
