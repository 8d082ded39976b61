"""A new model family: which places still miss it.

A family is a file in `analysis/models/architectures/` with its line in the registry there, a class
in `modeling_merged_units`, and a tiny model in `tests/helpers/tiny_models.py`, which gives it every
test that asks for the fixture `speech_model`.
"""

import ast
from importlib import import_module

from transformers import PreTrainedModel

from analysis.models import modeling_merged_units
from analysis.models.architectures import ARCHITECTURES, Architecture
from tests.helpers.imports import ROOT, files, module_name, refuse, relative, tree_of
from tests.helpers.tiny_models import BUILDERS


def test_every_family_is_registered() -> None:
    refuse(
        [
            f"{relative(path)} describes {value.title}, and ARCHITECTURES does not have it: add"
            f" {name} to analysis/models/architectures/__init__.py."
            for path in files("analysis/models/architectures")
            for name, value in vars(import_module(module_name(path))).items()
            if isinstance(value, Architecture) and ARCHITECTURES.get(value.model_type) is not value
        ]
    )


def test_every_family_can_be_saved_with_sizes_of_its_own() -> None:
    offences = []
    for family in ARCHITECTURES.values():
        name = f"Merged{family.model_class}"
        found = getattr(modeling_merged_units, name, None)
        place = "analysis/models/modeling_merged_units.py"
        if not isinstance(found, type) or not issubclass(found, PreTrainedModel):
            offences.append(
                f"{place} has no class {name}, so that a compressed {family.title} cannot be built:"
                f" add one that derives from {family.model_class} and calls `resize_units`."
            )
        elif getattr(found, "_auto_class", None) is None:
            offences.append(
                f"{place} does not register {name}, so that a saved {family.title} does not load by"
                " itself: call its `register_for_auto_class` at the end of the module."
            )
    refuse(offences)


def test_every_family_has_a_tiny_model() -> None:
    built = {build().architecture.model_type for build in BUILDERS.values()}
    refuse(
        [
            f"BUILDERS in tests/helpers/tiny_models.py builds no {family.title}, so that no test"
            " sees the family: add a builder of a model with random weights."
            for family in ARCHITECTURES.values()
            if family.model_type not in built
        ]
    )


def test_every_tiny_model_is_a_fixture() -> None:
    conftest = ROOT / "tests" / "conftest.py"
    fixtures = {
        node.name for node in ast.walk(tree_of(conftest)) if isinstance(node, ast.FunctionDef)
    }
    if "for name in BUILDERS" in conftest.read_text(encoding="utf-8"):
        return  # all of them are made in one loop
    refuse(
        [
            f"BUILDERS in tests/helpers/tiny_models.py has {name!r}, and tests/conftest.py has no"
            f" fixture of that name: add one as for {next(iter(BUILDERS))!r}."
            for name in BUILDERS
            if name not in fixtures
        ]
    )
