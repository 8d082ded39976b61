"""The settings of a compression: what the widgets hold, and what they mean for every group's K."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from analysis.clustering.merge_tree import MergeTree
from analysis.compression.locked_allocation import allocate_around
from analysis.compression.stock import level, whole_stacks
from analysis.compression.swaps import may_trade
from analysis.compression.tree_choice import TreeChoice
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from analysis.plan.choices import BY_TREES, END_TO_END, MANUAL, STOCK_COMPONENTS
from analysis.plan.compression_plan import CompressionPlan
from analysis.plan.recipe import Recipe, complete
from analysis.speech.excitation import Excitation
from pages.planning.hearing import find_excitation
from pages.session.visit import current

MAX_SPARSITY = 90
"""Percent; beyond it nothing that was ever a speech model is left."""

QUICK_FROM = 300_000_000
"""Parameters of a model from which the first recipe on show listens for the shortest time."""

EXTRAS: dict[str, Any] = {"locked": {}, "stock": False}
"""What the page holds besides the recipe: locked K by group id, the switch for stock classes."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides a compression besides K.

    Parameters
    ----------
    recipe : Recipe
    locked : mapping of str to int
        K of the groups that no allocation may touch, by group id.
    stock : bool
        Whether the plan keeps to what the library's own model classes hold.
    heard : Excitation or None
        The sound behind the recipe's excitation; None where nothing listens.
    """

    recipe: Recipe
    locked: Mapping[str, int]
    stock: bool
    heard: Excitation | None

    @property
    def trees(self) -> TreeChoice:
        """Which merge trees these settings look at."""
        return TreeChoice.of(self.recipe, self.heard)

    def plan(self, model: SpeechModel, n_clusters: Mapping[str, int]) -> CompressionPlan:
        """The plan that these settings and K make for a model."""
        return CompressionPlan(
            origin=model.origin,
            recipe=self.recipe,
            n_clusters=n_clusters,
            excitation_hash=self.heard.identity if self.heard else None,
        )


def widget_key(model: SpeechModel, name: str) -> str:
    """Key of a setting's widget; every model keeps its own settings."""
    return f"plan:{model.weight_hash[:16]}:{name}"


def first_recipe(model: SpeechModel) -> Recipe:
    """The recipe that is on show before anybody chose one."""
    large = sum(tensor.numel() for tensor in model.model.parameters()) > QUICK_FROM
    return complete(level="quick") if large else complete()


def read_settings(model: SpeechModel) -> Settings:
    """What the widgets say, or will say when they are first drawn."""
    defaults = in_widgets(first_recipe(model)) | EXTRAS
    values = {
        name: st.session_state.setdefault(widget_key(model, name), default)
        for name, default in defaults.items()
    }
    locked, stock = values.pop("locked"), values.pop("stock")
    if stock:  # no group has a K of its own that could be locked, but a whole stack has
        values["components"], locked = STOCK_COMPONENTS, whole_stacks(model.groups, locked)
    values["sparsity"] /= 100
    values["components"] = tuple(values["components"])
    there = {group.id for group in model.groups_for(values["components"])}
    locked = {name: k for name, k in locked.items() if name in there}
    values["sequential"] = values["sequential"] and values["repair"] != "none"
    by_words = values["allocation"] == END_TO_END and may_trade(model)
    values["swaps"] = values["swaps"] and by_words and not (values["sequential"] or stock)
    recipe = Recipe(**values)
    heard = None
    if recipe.listens:
        heard = find_excitation(current(), model, recipe)
        if heard is None:  # the clip that it listened to is gone
            kind = Recipe().excitation
            write_setting(model, "excitation", kind)
            recipe = recipe.changed(excitation=kind)
            heard = find_excitation(current(), model, recipe)
    return Settings(recipe, locked, stock, heard)


def in_widgets(recipe: Recipe) -> dict[str, Any]:
    """A recipe as the widgets hold it: per cent for fractions, lists for several names."""
    percent = min(MAX_SPARSITY, round(100 * recipe.sparsity))
    return dict(recipe) | {"sparsity": percent, "components": list(recipe.components)}


def held_setting(model: SpeechModel, name: str) -> Any:
    """What a setting's widget holds, also given as its default; see `pages.widgets.choices`."""
    return st.session_state[widget_key(model, name)]


def write_setting(model: SpeechModel, name: str, value: object) -> None:
    """Set a widget, from a callback or before it is drawn."""
    st.session_state[widget_key(model, name)] = value


def adopt(model: SpeechModel, plan: CompressionPlan, allocation: str) -> None:
    """Set all widgets as a plan says; from a callback."""
    recipe = plan.recipe.changed(allocation=allocation)
    for name, value in (in_widgets(recipe) | EXTRAS).items():
        write_setting(model, name, value)


def restore(model: SpeechModel, settings: Settings) -> None:
    """Set all widgets as they were; from a callback."""
    extras = {"locked": settings.locked, "stock": settings.stock}
    for name, value in (in_widgets(settings.recipe) | extras).items():
        write_setting(model, name, value)


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
    waiting = settings.recipe.allocation in BY_TREES and trees is None
    if last is not None and (settings.recipe.allocation == MANUAL or waiting):
        held = {group.id: last.get(group.id, group.n_units) for group in groups}
        return level(groups, held) if settings.stock else held
    by_hand = settings.recipe.allocation == MANUAL
    strategy = "uniform" if by_hand or waiting else settings.recipe.allocation
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
        sparsity=settings.recipe.sparsity,
        strategy=strategy,
        components=settings.recipe.components,
        trees=trees,
        variances=variances,
        method=settings.recipe.method,
    )
    return level(groups, found) if settings.stock else found
