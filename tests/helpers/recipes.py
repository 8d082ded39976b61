"""Recipes as Hypothesis draws them: every option at any value that it may have."""

from typing import Any, get_args

from annotated_types import Ge, Le
from hypothesis import strategies as st
from pydantic.fields import FieldInfo

from analysis.errors import UserError
from analysis.plan.choices import COMPONENTS
from analysis.plan.recipe import Recipe


def recipes() -> st.SearchStrategy[Recipe]:
    """All that a recipe can say; what does not go together is left out."""
    fields = {name: _values(name, field) for name, field in Recipe.model_fields.items()}
    return st.fixed_dictionaries({}, optional=fields).map(_recipe)


def _values(name: str, field: FieldInfo) -> st.SearchStrategy[Any]:
    if name == "components":
        return st.lists(st.sampled_from(sorted(COMPONENTS)), min_size=1, unique=True).map(tuple)
    if field.annotation is float:
        return st.floats(0, 1, exclude_max=True)
    if field.annotation is bool:
        return st.booleans()
    if field.annotation is int:
        lowest = next(int(rule.ge) for rule in field.metadata if isinstance(rule, Ge))  # type: ignore[call-overload]
        highest = next(int(rule.le) for rule in field.metadata if isinstance(rule, Le))  # type: ignore[call-overload]
        return st.integers(lowest, highest)
    return st.sampled_from(get_args(field.annotation))


def _recipe(values: dict[str, Any]) -> Recipe:
    """Without what does not go with the rest."""
    for name in ("sequential", "swaps", "allocation", "method"):
        try:
            return Recipe(**values)
        except UserError:
            values = {other: value for other, value in values.items() if other != name}
    return Recipe(**values)
