"""Every family, method, allocation and dtype: saved, loaded, and the logits are the same bits."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from analysis.clustering.merge_tree import MergeTree
from analysis.compression.allocation import allocate
from analysis.compression.compress import compress
from analysis.delivery.saving import save
from analysis.models.loading import load
from analysis.models.modules import share_modules
from analysis.models.speech_model import DTYPES, SpeechModel
from analysis.models.statistics import group_variances
from analysis.plan.choices import (
    ALLOCATIONS,
    ENGINES,
    METHODS,
    REPAIRS,
)
from analysis.speech.excitation import Excitation, speech_like
from tests.helpers.chosen_trees import distance_for, trees_for
from tests.helpers.tiny_models import BUILDERS, logits, make_plan

pytestmark = pytest.mark.slow

# How "variance" reaches its K and how "variance-literal" does makes no difference to a checkpoint.
_TRIED = [name for name in ALLOCATIONS if name != "variance-literal"]

_TREES: dict[tuple[str, str], Mapping[str, MergeTree]] = {}


@pytest.fixture(scope="module")
def sound() -> Excitation:
    """Two short clips of generated sound."""
    generator = np.random.default_rng(5)
    return Excitation("sounds", tuple(speech_like(generator, 1.2) for _ in range(2)))


def in_dtype(model: SpeechModel, dtype: torch.dtype) -> SpeechModel:
    def cast(tensor: torch.Tensor) -> torch.Tensor:
        moved = tensor.detach().to(dtype) if tensor.is_floating_point() else tensor
        return nn.Parameter(moved, requires_grad=False) if moved is not tensor else tensor

    return replace(model, model=share_modules(model.model, cast))


def trees_of(model: SpeechModel, distance: str, sound: Excitation) -> Mapping[str, MergeTree]:
    """Merge trees of the float32 model, built once; a cast model's would hardly differ."""
    key = model.name, distance
    if key not in _TREES:
        _TREES[key] = trees_for(model, distance, sound)
    return _TREES[key]


@pytest.mark.slow
@pytest.mark.parametrize("dtype", list(DTYPES))
@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize("family", list(BUILDERS))
def test_all_allocations_reload_exactly(
    family: str,
    method: str,
    dtype: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    sound: Excitation,
) -> None:
    model: SpeechModel = request.getfixturevalue(family)
    cast = in_dtype(model, DTYPES[dtype])
    groups, variances = model.groups, group_variances(model)
    # An allocation gives K and no more: neither a dtype nor where the norms lie ("large") knows it.
    every = dtype == "float32" and not family.endswith("large")
    for allocation in _TRIED if every else _TRIED[:1]:
        distance = distance_for(method, allocation)
        trees = trees_of(model, distance, sound)
        plan = make_plan(
            cast,
            n_clusters=allocate(
                groups,
                sparsity=0.4,
                strategy=allocation,
                trees=trees,
                variances=variances,
                method=method,
            ),
            method=method,
            allocation=allocation,
            distance=distance,
            excitation="sounds",
            sparsity=0.4,
        )
        made = compress(
            cast, plan, trees=trees, excitation=sound if plan.recipe.listens else None
        ).model
        again = load(str(save(made, tmp_path / allocation)), dtype=dtype)
        assert again.dtype == DTYPES[dtype]
        assert torch.equal(logits(again), logits(made))
        assert again.plan == made.plan
        assert again.weight_hash == made.weight_hash


@pytest.mark.parametrize("dtype", list(DTYPES))
@pytest.mark.parametrize(
    "choices",
    [
        *({"engine": engine} for engine in ENGINES),
        *({"merge": rule} for rule in ("medoid", "centroid", "weighted")),
        *({"repair": repair, "sequential": repair != "none"} for repair in REPAIRS),
        {"align_heads": False, "refine": True},
        {"distance": "normalised"},
    ],
    ids=lambda choices: " ".join(f"{name}={value}" for name, value in choices.items()),
)
def test_all_other_choices_reload_exactly(
    hubert: SpeechModel, choices: dict[str, object], dtype: str, tmp_path: Path, sound: Excitation
) -> None:
    cast = in_dtype(hubert, DTYPES[dtype])
    plan = make_plan(cast, **{"excitation": "sounds"} | choices)
    made = compress(cast, plan, excitation=sound if plan.recipe.listens else None).model
    again = load(str(save(made, tmp_path / "merged")), dtype=dtype)
    assert torch.equal(logits(again), logits(made))
    assert again.plan == made.plan
