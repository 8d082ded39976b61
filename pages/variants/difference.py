"""Which parameters of two models differ, by tensors, layers and units, on Overview."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial

import pandas as pd
import streamlit as st

from analysis.models.parameter_difference import (
    group_differences,
    group_table,
    tensor_differences,
    tensor_table,
    unit_table,
    unmatched,
)
from analysis.models.speech_model import SpeechModel
from analysis.progress import Watch
from pages.session.at_hand import models_at_hand
from pages.session.job_box import job_line, show_problem
from pages.session.session import Session
from pages.session.shelves import Shelf, model_id
from pages.widgets.basics import data_table
from pages.widgets.choices import choose_one
from pages.widgets.exports import draw_exports
from pages.widgets.formatting import escape_markdown

TENSORS, LAYERS, UNITS = "Tensors", "Layers", "Units"

_SLOT = "difference"
_ORIGINAL = ""  # stands where a variant has its id
_SORTED_BY = {TENSORS: "relative_norm", LAYERS: "most_relative_norm", UNITS: "relative_norm"}


@dataclass(frozen=True, slots=True)
class _Side:
    """A model that can be compared.

    Parameters
    ----------
    name : str
        For people.
    identity : hashable
        Of its weights, or of what is loaded.
    load : callable
        Gives it, in a job.
    """

    name: str
    identity: Hashable
    load: Callable[[], SpeechModel]


@dataclass(frozen=True, slots=True)
class _Found:
    """The tables of differences, and what could not be compared."""

    tables: dict[str, pd.DataFrame]
    unmatched: list[str]


@st.cache_resource(show_spinner=False)
def _differences() -> Shelf[tuple[Hashable, Hashable], _Found]:
    """Differences by both models."""
    return Shelf(8)


def draw(session: Session, model: SpeechModel) -> None:
    """The section of Overview: two models are chosen, and compared when somebody asks."""
    sides = _sides(session, model)
    st.header("Which parameters differ")
    row = st.container(horizontal=True, vertical_alignment="bottom")
    chosen = []
    for label, key, usual in (("Model", "difference:first", 0), ("Other", "difference:second", 1)):
        if st.session_state.get(key, _ORIGINAL) not in sides:
            st.session_state.pop(key)
        own = row.selectbox(
            label,
            list(sides),
            index=list(sides).index(st.session_state.get(key, list(sides)[usual])),
            format_func=lambda id_: sides[id_].name if id_ in sides else "",
            key=key,
            persist_state="session",
            help="The model in use, your variants, the models that you had in use before, and the"
            " bundled ones.",
        )
        chosen.append(sides[own])
    one, other = chosen
    pair = (one.identity, other.identity)
    found = _differences().find(pair)
    if found is None and session.jobs.running(_SLOT) is None and _SLOT not in session.jobs.problems:
        if not row.button("Compare", icon=":material/difference:", key="compare-parameters"):
            return
        found = session.jobs.find_or_start(
            _SLOT,
            _differences(),
            pair,
            lambda watch: _compare(one, other, watch),
            "Comparing parameters",
        )
    if found is None:
        show_problem(session.jobs, _SLOT, "Try again")
        job_line(session.jobs, _SLOT)
        return
    with row:
        view = choose_one("Of", [TENSORS, LAYERS, UNITS], key="difference:view")
        tables = {name.lower(): table for name, table in found.tables.items()}
        draw_exports("difference", {}, tables)
    for sentence in found.unmatched:
        st.caption(f":material/info: {escape_markdown(sentence)}")
    _draw_table(found.tables[view], _SORTED_BY[view])


def _sides(session: Session, model: SpeechModel) -> dict[str, _Side]:
    """All that can be compared, by what stands in the boxes: the model in use and its own first."""
    sides = {_ORIGINAL: _Side("original", model_id(model), lambda: model)}
    own = session.variants_of(model)
    for variant in sorted(session.variants, key=lambda one: one not in own):
        made, origin = variant.model, variant.compression.plan.origin.model
        name = variant.name if variant in own else f"{variant.name} (of {origin})"
        sides[variant.id] = _Side(name, model_id(made), partial(_same, made))
    for one in models_at_hand(session):
        # without the stamp, a folder that was rewritten would be what it was
        sides[one.id] = _Side(one.name, (one.key, one.key.stamp), one.loader())
    return sides


def _same(model: SpeechModel) -> SpeechModel:
    return model


def _compare(first: _Side, second: _Side, watch: Watch) -> _Found:
    watch.progress(0, 3, "models")
    one, other = first.load(), second.load()
    watch.check()
    watch.progress(1, 3, "tensors")
    tensors = tensor_differences(one, other)
    watch.check()
    watch.progress(2, 3, "units")
    groups = group_differences(one, other)
    tables = {
        TENSORS: tensor_table(tensors),
        LAYERS: group_table(groups),
        UNITS: unit_table(groups),
    }
    return _Found(tables, unmatched(one, other, tensors, groups))


def _draw_table(table: pd.DataFrame, by: str) -> None:
    """The greatest differences first, each with a bar."""
    bar = st.column_config.ProgressColumn(
        "Difference (relative)",
        format="%.3g",
        min_value=0.0,
        max_value=1.0,
        help="Norm of the difference over the norm in the first model; none where sizes differ.",
    )
    data_table(
        table.sort_values(by, ascending=False, kind="stable"),
        height=320,
        column_config={
            by: bar,
            "tensor": st.column_config.TextColumn("Tensor", width="large"),
            "mean_relative_norm": st.column_config.NumberColumn("In the mean", format="%.3f"),
            "status": "Status",
            "shape": "Shape",
            "other_shape": "In the other",
            "group": "Group",
            "unit": "Unit",
            "other_unit": "Its partner",
            "units": "Units",
            "other_units": "In the other",
            "paired": st.column_config.NumberColumn(
                "Pairs",
                help="Where the two have different numbers of units, each is compared with the one"
                " that reads most alike.",
            ),
            "changed": "Changed",
        },
        alt="Differences between the parameters of two models, the greatest first.",
    )
