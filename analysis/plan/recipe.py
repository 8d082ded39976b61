"""How a model is compressed: the choices that go together."""

from dataclasses import dataclass

from analysis.plan.choices import CONTRIBUTION, OUTPUT_ERROR, SURGEON


@dataclass(frozen=True, slots=True)
class Recipe:
    """The choices that go together; fields as in `CompressionPlan`."""

    method: str
    distance: str
    merge: str
    repair: str
    allocation: str


def complete(
    *,
    method: str | None = None,
    distance: str | None = None,
    merge: str | None = None,
    repair: str | None = None,
    allocation: str | None = None,
) -> Recipe:
    """Fill in what was left open, as the measurements in docs/contributions.md have it.

    Clustering goes by contributions unless something else is asked for, and with contributions go
    the weighted merge, the refit and the allocation by output error. The baselines and the weight
    distances are what the papers say: mean, no repair, uniform.
    """
    method = method or "cluster"
    if distance is None:
        distance = CONTRIBUTION if method in ("cluster", SURGEON) else "weights"
    listens = distance == CONTRIBUTION
    return Recipe(
        method,
        distance,
        merge or ("weighted" if listens else "mean"),
        repair or ("refit" if listens else "none"),
        allocation or (OUTPUT_ERROR if listens else "uniform"),
    )
