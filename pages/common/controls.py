"""The settings of a compression: what the widgets hold, and what they mean for every group's K."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import streamlit as st

from analysis.allocation import ALLOCATIONS, OUTPUT_ERROR
from analysis.checkpoints import SpeechModel
from analysis.clustering import ENGINES, MergeTree
from analysis.distances import CONTRIBUTION, DISTANCES
from analysis.excitation import EXCITATIONS, Excitation
from analysis.locking import allocate_around
from analysis.merging import MERGE_RULES
from analysis.plan import COMPONENTS, REPAIRS, SEEDINGS, CompressionPlan
from analysis.planning import complete
from analysis.selection import METHODS, SURGEON
from analysis.stock import STOCK_COMPONENTS, level
from analysis.units import UnitGroup
from pages.common.hearing import CALIBRATED, find_excitation
from pages.common.models import TreeChoice
from pages.common.session import current

MANUAL = "manual"

BY_TREES = ("distortion", OUTPUT_ERROR)
"""Allocations that need merge trees; until they are there, K is what it was or uniform."""

ALLOCATION_CHOICES: Mapping[str, str] = {
    **ALLOCATIONS,
    MANUAL: "Set by hand, group by group, in the table below.",
}

SENTENCE_HEIGHT = 92
"""Four lines in a narrow column, in pixels: a longer sentence must not push the page down."""

MAX_SPARSITY = 90
"""Percent; beyond it nothing that was ever a speech model is left."""

LISTENS_UP_TO = 100_000_000
"""Parameters of a model for which the recipe that listens is the first one on show; beyond it,
listening takes minutes on a CPU, and the papers' recipe, which is there at once, comes first."""

_DEFAULTS: Mapping[str, Any] = {
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
    defaults = dict(_DEFAULTS)
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
            values["excitation"] = _DEFAULTS["excitation"]
            write_setting(model, "excitation", values["excitation"])
            heard = find_excitation(current(), values["excitation"])
    values["sparsity"] /= 100
    values["components"] = tuple(values["components"])
    if values["stock"]:  # no group has a K of its own that could be locked
        values["components"], values["locked"] = STOCK_COMPONENTS, {}
    values["sequential"] = values["sequential"] and values["repair"] != "none"
    return Settings(**values, heard=heard)


def _held(model: SpeechModel, name: str) -> Any:
    """What a setting's widget holds, also given as its default; see `pages.common.choices`."""
    return st.session_state[widget_key(model, name)]


def write_setting(model: SpeechModel, name: str, value: object) -> None:
    """Set a widget, from a callback or before it is drawn."""
    st.session_state[widget_key(model, name)] = value


def adopt(model: SpeechModel, plan: CompressionPlan, allocation: str) -> None:
    """Set all widgets as a plan says; from a callback."""
    for name in _DEFAULTS.keys() - {"locked", "stock"}:
        write_setting(model, name, getattr(plan, name))
    write_setting(model, "locked", {})
    write_setting(model, "stock", False)
    write_setting(model, "sparsity", min(MAX_SPARSITY, round(100 * plan.sparsity)))
    write_setting(model, "components", list(plan.components))
    write_setting(model, "allocation", allocation)


def restore(model: SpeechModel, settings: Settings) -> None:
    """Set all widgets as they were; from a callback."""
    for name in _DEFAULTS:
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
        As `analysis.locking.allocate_around` takes them.
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


def draw_sparsity(model: SpeechModel) -> None:
    """The one slider that moves everything."""
    by_hand = _held(model, "allocation") == MANUAL
    st.slider(
        "Sparsity"
        if not by_hand
        else "Sparsity (K is set by hand; choose an allocation to use it)",
        0,
        MAX_SPARSITY,
        _held(model, "sparsity"),
        step=1,
        format="%d %%",
        key=widget_key(model, "sparsity"),
        persist_state="session",
        disabled=by_hand,
        help=(
            "Nominal share of units removed from every group. Without training, models bear about"
            " 10 %; beyond 20 % most collapse. Heads are few, so what is achieved differs."
        ),
    )


def draw_choices(model: SpeechModel) -> None:
    """Four choices in a row, each with a sentence on what is chosen."""
    for column, label, name, options in zip(
        st.columns(4),
        ("Method", "Allocation", "Distance", "Merge rule"),
        ("method", "allocation", "distance", "merge"),
        (METHODS, ALLOCATION_CHOICES, DISTANCES, MERGE_RULES),
        strict=True,
    ):
        with column:
            _choice(model, label, name, options, SENTENCE_HEIGHT)


def draw_repair(model: SpeechModel) -> None:
    """What is done about the changed layers' outputs, and what is listened to for it."""
    with st.popover("Repair", icon=":material/hearing:", width="stretch"):
        _choice(model, "Repair", "repair", REPAIRS)
        st.toggle(
            "Layer after layer",
            value=_held(model, "sequential"),
            key=widget_key(model, "sequential"),
            persist_state="session",
            disabled=_held(model, "repair") == "none",
            help="Each layer is repaired on what the compressed layers below give it, not on what"
            " the original's give.",
        )
        session = current()
        here = session.current_clip in session.clips
        kinds = {k: text for k, text in EXCITATIONS.items() if here or k != CALIBRATED}
        _choice(model, "Listens to", "excitation", kinds)
        st.caption(
            "Repairs and the distance “contribution” hear this sound. “calibrated” is the clip"
            " on show on Transcribe."
        )


def draw_more(model: SpeechModel) -> None:
    """What most people leave alone, folded away."""
    with st.popover("More", icon=":material/tune:", width="stretch"):
        _more(model)


def _more(model: SpeechModel) -> None:
    st.pills(
        "Units to remove",
        list(COMPONENTS),
        selection_mode="multi",
        default=_held(model, "components"),
        format_func=lambda name: COMPONENT_NAMES[name],
        key=widget_key(model, "components"),
        persist_state="session",
        disabled=_held(model, "stock"),
        help=" ".join(COMPONENTS.values()),
    )
    st.toggle(
        "Align heads before averaging",
        value=_held(model, "align_heads"),
        key=widget_key(model, "align_heads"),
        persist_state="session",
        help="Rotates heads inside Q/K and V/O onto each other; no head's function changes.",
    )
    st.toggle(
        "Refine the clusters",
        value=_held(model, "refine"),
        key=widget_key(model, "refine"),
        persist_state="session",
        help="Hartigan moves of single units after the Ward cut; never raises the error.",
    )
    _choice(model, "Clustering engine", "engine", ENGINES)
    _choice(model, "k-means seeding", "seeding", SEEDINGS)
    left, right = st.columns(2)
    left.number_input(
        "k-means restarts",
        min_value=1,
        max_value=50,
        step=1,
        value=_held(model, "n_init"),
        key=widget_key(model, "n_init"),
        persist_state="session",
    )
    right.number_input(
        "Seed",
        min_value=0,
        max_value=2**31 - 1,
        step=1,
        value=_held(model, "seed"),
        key=widget_key(model, "seed"),
        persist_state="session",
        help="Of k-means and of the random baseline; same seed, same bits.",
    )


def _choice(
    model: SpeechModel,
    label: str,
    name: str,
    options: Mapping[str, str],
    height: Literal["content"] | int = "content",
) -> None:
    """A choice with the sentence of what is chosen under it, in a box of some pixels' height."""
    names, held = list(options), _held(model, name)
    with st.container(gap="xxsmall"):
        chosen = st.selectbox(
            label,
            names,
            index=names.index(held) if held in names else 0,
            key=widget_key(model, name),
            persist_state="session",
            filter_mode=None,
            on_change=_fit_together,
            args=(model, name),
            help="  \n".join(f"**{option}**: {sentence}" for option, sentence in options.items()),
        )
        with st.container(height=height, border=False):
            st.caption(options[chosen])


def _fit_together(model: SpeechModel, changed: str) -> None:
    """Callback: what goes with the distance “contribution” only brings it, or leaves with it."""

    needs = _held(model, "method") == SURGEON or _held(model, "allocation") == OUTPUT_ERROR
    if not needs or _held(model, "distance") == CONTRIBUTION:
        return
    if changed != "distance":
        write_setting(model, "distance", CONTRIBUTION)
        return
    if _held(model, "method") == SURGEON:
        write_setting(model, "method", _DEFAULTS["method"])
    if _held(model, "allocation") == OUTPUT_ERROR:
        write_setting(model, "allocation", "distortion")
