"""A new option of a recipe: declared in one place, drawn in one more."""

import ast

from analysis.plan.recipe import Recipe
from tests.helpers.imports import files, refuse, tree_of


def test_every_option_has_a_control() -> None:
    [path] = files("pages/planning/controls.py")
    named = {
        node.value
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    refuse(
        [
            f"Recipe in analysis/plan/recipe.py has {name!r}, and pages/planning/controls.py draws"
            " no control of it: add a line there (_choice, _switch or _number)."
            for name in Recipe.model_fields
            if name not in named
        ]
    )
