"""A new method, distance, merge rule, repair or allocation: which places still miss it.

A choice is declared in `analysis.plan.choices`, and done in one module; shell and pages offer what
is declared. Each test fails with a sentence that names the place where something is missing.
"""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from analysis.cli.parser import main
from analysis.clustering.unit_space import UnitSpace
from analysis.compression.allocation import allocate
from analysis.compression.compress import compress
from analysis.compression.tree_choice import TreeChoice
from analysis.models.speech_model import SpeechModel
from analysis.models.statistics import group_variances
from analysis.plan import choices
from analysis.plan.choices import (
    ALLOCATIONS,
    DISTANCES,
    INFLUENCE,
    MERGE_RULES,
    METHODS,
    REPAIRS,
    UNBUDGETED,
)
from analysis.speech.excitation import Excitation
from tests.helpers.imports import PRODUCT, ROOT, files, refuse, relative, tree_of
from tests.helpers.tiny_models import hash_weights, make_plan

KINDS: Mapping[str, tuple[str, Mapping[str, str], str]] = {
    "method": ("METHODS", METHODS, "`pruning_labels` in analysis/compression/selection.py"),
    "distance": ("DISTANCES", DISTANCES, "`distance_weights` in analysis/clustering/distances.py"),
    "merge": ("MERGE_RULES", MERGE_RULES, "`merge_units` in analysis/compression/merging.py"),
    "repair": ("REPAIRS", REPAIRS, "`repair` in analysis/compression/repair.py"),
    "allocation": ("ALLOCATIONS", ALLOCATIONS, "`allocate` in analysis/compression/allocation.py"),
}
"""Field of a plan → its table in `analysis.plan.choices`, and the place that does it."""

PARTIAL: Mapping[str, str] = {
    "analysis/figures/allocations.py: ALLOCATIONS": "the strategies that one figure compares",
    "analysis/evaluation/sweep_spec.py: METHODS": "what a sweep runs where nothing else is asked",
}
"""Tables that name some of the choices and are right to do so, and why."""


@pytest.fixture(scope="module")
def sound() -> Excitation:
    """Two seconds of seeded noise, enough for a tiny model to move."""
    samples = np.random.default_rng(0).normal(0, 0.1, 32_000).astype(np.float32)
    return Excitation("sounds", (samples,))


@cache
def _outcome(model: SpeechModel, sound: Excitation, field: str, name: str) -> tuple[str, str]:
    """Hash of a model that was halved by one choice, or what it failed with.

    All other choices are those of the default recipe, without its repair.
    """
    recipe = {"distance": INFLUENCE, "merge": "weighted", "repair": "none"} | {field: name}
    try:
        plan = make_plan(model, excitation=sound.kind, **recipe)
        return hash_weights(compress(model, plan, excitation=sound).model.model), ""
    except Exception as error:  # whatever an unknown name leads to
        return "", f"{type(error).__name__}: {error}"


@pytest.mark.parametrize(
    ("field", "name"),
    [(field, name) for field in KINDS if field != "allocation" for name in KINDS[field][1]],
)
def test_every_choice_is_done(
    hubert: SpeechModel, sound: Excitation, field: str, name: str
) -> None:
    table, known, place = KINDS[field]
    made, failure = _outcome(hubert, sound, field, name)
    if failure:
        refuse(
            [
                f"{table} in analysis/plan/choices.py has {name!r}, and {place} does not know it"
                f" ({failure}): give it a branch there."
            ]
        )
    refuse(
        [
            f"{table} in analysis/plan/choices.py has {other!r} and {name!r}, and {place} makes the"
            " same of both, to the bit: give the new one a branch there."
            for other in list(known)[: list(known).index(name)]
            if _outcome(hubert, sound, field, other)[0] == made
        ]
    )


def _allocated(model: SpeechModel, sound: Excitation, name: str) -> tuple[dict[str, int], str]:
    """K of every group by an allocation, or what it failed with."""
    trees = TreeChoice(UnitSpace(INFLUENCE, excitation=sound), True, True).build(model)
    variances = group_variances(model)
    try:
        return allocate(
            model.groups, sparsity=0.3, strategy=name, trees=trees, variances=variances
        ), ""
    except Exception as error:  # whatever an unknown name leads to
        return {}, f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("name", list(ALLOCATIONS))
def test_every_allocation_is_done(whisper: SpeechModel, sound: Excitation, name: str) -> None:
    kept, failure = _allocated(whisper, sound, name)
    if failure:
        refuse(
            [
                f"ALLOCATIONS in analysis/plan/choices.py has {name!r}, and"
                f" {KINDS['allocation'][2]} does not know it ({failure}):"
                " give it a branch that returns K by group id."
            ]
        )
    sizes = {group.id: group.n_units for group in whisper.groups}
    assert set(kept) == set(sizes)
    assert all(1 <= kept[group] <= n_units for group, n_units in sizes.items())


@pytest.mark.parametrize(
    ("field", "name"),
    [(field, name) for field in KINDS for name in KINDS[field][1] if name != UNBUDGETED],
)
def test_the_shell_offers_every_choice(
    field: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "no-model"
    try:
        code: object = main(["compress", str(missing), str(tmp_path / "out"), f"--{field}", name])
    except SystemExit as stop:
        code = stop.code
    said = capsys.readouterr().err
    # the choice is taken where what is complained of is the model that is not there
    if code != 2 or "no-model" not in said:
        refuse(
            [
                f"{KINDS[field][0]} in analysis/plan/choices.py has {name!r}, and"
                f" `coalesce compress --{field} {name}` says “{said.strip()}”:"
                " offer it in analysis/cli/parser.py."
            ]
        )


def _tables(path: Path) -> Iterator[tuple[int, set[str]]]:
    """Line and names of every table or list of plain strings in a file."""
    for node in ast.walk(tree_of(path)):
        if not isinstance(node, ast.Dict | ast.Tuple | ast.List | ast.Set):
            continue
        entries = node.keys if isinstance(node, ast.Dict) else node.elts
        names = {e.value for e in entries if isinstance(e, ast.Constant)}
        if entries and len(names) == len(entries) and all(isinstance(n, str) for n in names):
            yield node.lineno, {str(name) for name in names}


def test_tables_of_choices_are_whole() -> None:
    offences = []
    for path in files(*PRODUCT):
        if path == ROOT / "analysis" / "plan" / "choices.py":
            continue
        for line, names in _tables(path):
            for table, known, _ in KINDS.values():
                lacking = set(known) - names - {UNBUDGETED}
                if len(names) < 3 or not names < set(known) or not lacking:
                    continue
                if f"{relative(path)}: {table}" in PARTIAL:
                    continue
                offences.append(
                    f"{relative(path)}:{line} lists {', '.join(sorted(names))} and not"
                    f" {', '.join(sorted(lacking))}, which {table} in analysis/plan/choices.py has:"
                    " add what is missing, or better, draw the list from there."
                )
    refuse(offences)


def test_every_choice_is_explained() -> None:
    tables = {name: value for name, value in vars(choices).items() if name.isupper()}
    refuse(
        [
            f"{table} in analysis/plan/choices.py explains {name!r} by “{text}”: write one whole"
            " sentence, which shell, pages and model cards show."
            for table, known in tables.items()
            if isinstance(known, Mapping)
            for name, text in known.items()
            if not (isinstance(text, str) and text[:1].isupper() and text.endswith("."))
        ]
    )
