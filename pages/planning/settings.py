"""The settings of a compression: what the widgets hold, and what they mean for every group's K."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import streamlit as st

from analysis.clustering.merge_tree import MergeTree
from analysis.compression.locked_allocation import allocate_around
from analysis.compression.stock import level
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from analysis.plan.choices import (
    ALLOCATIONS,
    COMPONENTS,
    CONTRIBUTION,
    OUTPUT_ERROR,
    STOCK_COMPONENTS,
    SURGEON,
)
from analysis.plan.compression_plan import CompressionPlan
from analysis.plan.recipe import complete
from analysis.speech.excitation import Excitation
from pages.planning.hearing import find_excitation
from pages.session.session import current
from pages.session.shelves import TreeChoice

MANUAL = "manual"


BY_TREES = ("distortion", OUTPUT_ERROR)
"""Allocations that need merge trees; until they are there, K is what it was or uniform."""


ALLOCATION_CHOICES: Mapping[str, str] = {
    **ALLOCATIONS,
    MANUAL: "Set by hand, group by group, in the table below.",
}


MAX_SPARSITY = 90
"""Percent; beyond it nothing that was ever a speech model is left."""


LISTENS_UP_TO = 100_000_000
"""Parameters of a model for which the recipe that listens is the first one on show; beyond it,
listening takes minutes on a CPU, and the papers' recipe, which is there at once, comes first."""


DEFAULTS: Mapping[str, Any] = {
    "sparsity": 10,
    **asdict(complete()),
    "engine": "ward",
    "seeding": "k-means++",
    "n_init": 1,
    "refine": False,
    "align_heads": True,
    "components": list(COMPONENTS),
    "seed": 0,
    "excitation": "speech",
    "sequential": False,
    "locked": {},
    "stock": False,
}


COMPONENT_NAMES: Mapping[str, str] = {"ffn": "FFN channels", "heads": "attention heads"}


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides a compression besides K; fields as in `CompressionPlan`.

    `locked` is the K of the groups that no allocation may touch, by group id; `stock` keeps the
    plan to what the library's own model classes hold; `heard` is the sound behind `excitation`,
    None where nothing listens.
    """

    sparsity: float
    method: str
    allocation: str
    distance: str
    merge: str
    engine: str
    seeding: str
    n_init: int
    refine: bool
    align_heads: bool
    components: tuple[str, ...]
    seed: int
    excitation: str
    repair: str
    sequential: bool
    locked: Mapping[str, int]
    stock: bool
    heard: Excitation | None

    @property
    def trees(self) -> TreeChoice:
        """Which merge trees these settings look at."""
        heard = self.heard if self.distance == CONTRIBUTION else None
        return TreeChoice(self.distance, self.align_heads, heard, self.method == SURGEON)

    def plan(self, model: SpeechModel, n_clusters: Mapping[str, int]) -> CompressionPlan:
        """The plan that these settings and K make for a model."""
        return CompressionPlan(
            model=model.source,
            revision=model.revision,
            weight_hash=model.weight_hash,
            n_clusters=n_clusters,
            method=self.method,
            engine=self.engine,
            seeding=self.seeding,
            n_init=self.n_init,
            refine=self.refine,
            distance=self.distance,
            merge=self.merge,
            align_heads=self.align_heads,
            components=self.components,
            allocation=self.allocation,
            sparsity=self.sparsity,
            seed=self.seed,
            excitation=self.excitation,
            excitation_hash=self.heard.identity if self.heard else None,
            repair=self.repair,
            sequential=self.sequential,
        )


def widget_key(model: SpeechModel, name: str) -> str:
    """Key of a setting's widget; every model keeps its own settings."""
    return f"plan:{model.weight_hash[:16]}:{name}"


def read_settings(model: SpeechModel) -> Settings:
    """What the widgets say, or will say when they are first drawn."""
    defaults = dict(DEFAULTS)
    if sum(tensor.numel() for tensor in model.model.parameters()) > LISTENS_UP_TO:
        defaults |= asdict(complete(distance="weights"))
    values = {
        name: st.session_state.setdefault(widget_key(model, name), default)
        for name, default in defaults.items()
    }
    heard = None
    if values["distance"] == CONTRIBUTION or values["repair"] != "none":
        heard = find_excitation(current(), values["excitation"])
        if heard is None:  # the clip that it listened to is gone
            values["excitation"] = DEFAULTS["excitation"]
            write_setting(model, "excitation", values["excitation"])
            heard = find_excitation(current(), values["excitation"])
    values["sparsity"] /= 100
    values["components"] = tuple(values["components"])
    if values["stock"]:  # no group has a K of its own that could be locked
        values["components"], values["locked"] = STOCK_COMPONENTS, {}
    values["sequential"] = values["sequential"] and values["repair"] != "none"
    return Settings(**values, heard=heard)


def held_setting(model: SpeechModel, name: str) -> Any:
    """What a setting's widget holds, also given as its default; see `pages.widgets.choices`."""
    return st.session_state[widget_key(model, name)]


def write_setting(model: SpeechModel, name: str, value: object) -> None:
    """Set a widget, from a callback or before it is drawn."""
    st.session_state[widget_key(model, name)] = value


def adopt(model: SpeechModel, plan: CompressionPlan, allocation: str) -> None:
    """Set all widgets as a plan says; from a callback."""
    for name in DEFAULTS.keys() - {"locked", "stock"}:
        write_setting(model, name, getattr(plan, name))
    write_setting(model, "locked", {})
    write_setting(model, "stock", False)
    write_setting(model, "sparsity", min(MAX_SPARSITY, round(100 * plan.sparsity)))
    write_setting(model, "components", list(plan.components))
    write_setting(model, "allocation", allocation)


def restore(model: SpeechModel, settings: Settings) -> None:
    """Set all widgets as they were; from a callback."""
    for name in DEFAULTS:
        write_setting(model, name, getattr(settings, name))
    write_setting(model, "sparsity", round(100 * settings.sparsity))
    write_setting(model, "components", list(settings.components))


def choose_n_clusters(
    groups: Sequence[UnitGroup],
    settings: Settings,
    trees: Mapping[str, MergeTree] | None,
    variances: Mapping[str, float] | None,
    last: Mapping[str, int] | None,
) -> dict[str, int]:
    """K of every group under the settings.

    Parameters
    ----------
    groups : sequence of UnitGroup
    settings : Settings
    trees, variances
        As `analysis.compression.locked_allocation.allocate_around` takes them.
    last : mapping of str to int or None
        The K so far: they stay where they were set by hand, and while trees are being built.
    """
    waiting = settings.allocation in BY_TREES and trees is None
    if last is not None and (settings.allocation == MANUAL or waiting):
        return level(groups, last) if settings.stock else dict(last)
    strategy = "uniform" if settings.allocation == MANUAL or waiting else settings.allocation
    return allocate_by(strategy, groups, settings, trees, variances)


def allocate_by(
    strategy: str,
    groups: Sequence[UnitGroup],
    settings: Settings,
    trees: Mapping[str, MergeTree] | None,
    variances: Mapping[str, float] | None,
) -> dict[str, int]:
    """K of every group under a strategy and everything else that the settings say."""
    found = allocate_around(
        groups,
        settings.locked,
        sparsity=settings.sparsity,
        strategy=strategy,
        components=settings.components,
        trees=trees,
        variances=variances,
        method=settings.method,
    )
    return level(groups, found) if settings.stock else found
