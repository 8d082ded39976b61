"""Which parameters of two models differ, by tensors, layers and units, on Overview."""

import pandas as pd
import streamlit as st

from analysis.models.parameter_difference import (
    group_differences,
    group_table,
    tensor_differences,
    tensor_table,
    unit_table,
)
from analysis.models.speech_model import SpeechModel
from analysis.progress import Watch
from pages.session.job_box import job_line, show_problem
from pages.session.session import Session
from pages.session.shelves import Shelf, model_id
from pages.widgets.choices import choose_one
from pages.widgets.exports import draw_exports

TENSORS, LAYERS, UNITS = "Tensors", "Layers", "Units"

_SLOT = "difference"
_ORIGINAL = ""  # stands where a variant has its id
_SORTED_BY = {TENSORS: "relative_norm", LAYERS: "most_relative_norm", UNITS: "relative_norm"}


@st.cache_resource(show_spinner=False)
def _differences() -> Shelf[tuple[str, str], dict[str, pd.DataFrame]]:
    """Tables of differences by both models."""
    return Shelf(8)


def draw(session: Session, model: SpeechModel) -> None:
    """The section of Overview: two models are chosen, and compared when somebody asks."""
    models = {_ORIGINAL: model, **{variant.id: variant.model for variant in session.variants}}
    names = {_ORIGINAL: "original", **{variant.id: variant.name for variant in session.variants}}
    st.header("Which parameters differ")
    if len(models) == 1:
        st.caption("Make a variant on Compress, and see here which of its parameters are new.")
        return
    row = st.container(horizontal=True, vertical_alignment="bottom")
    chosen = []
    for label, key, usual in (("Model", "difference:first", 0), ("Other", "difference:second", 1)):
        if st.session_state.get(key, _ORIGINAL) not in models:
            st.session_state.pop(key)
        own = row.selectbox(
            label,
            list(models),
            index=list(models).index(st.session_state.get(key, list(models)[usual])),
            format_func=names.__getitem__,
            key=key,
            persist_state="session",
        )
        chosen.append(models[own])
    one, other = chosen
    pair = (model_id(one), model_id(other))
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
        draw_exports("difference", {}, {name.lower(): table for name, table in found.items()})
    _draw_table(found[view], _SORTED_BY[view])


def _compare(one: SpeechModel, other: SpeechModel, watch: Watch) -> dict[str, pd.DataFrame]:
    watch.progress(0, 2, "tensors")
    tensors = tensor_differences(one, other)
    watch.check()
    watch.progress(1, 2, "units")
    groups = group_differences(one, other)
    return {
        TENSORS: tensor_table(tensors),
        LAYERS: group_table(groups),
        UNITS: unit_table(groups),
    }


def _draw_table(table: pd.DataFrame, by: str) -> None:
    """The greatest differences first, each with a bar."""
    bar = st.column_config.ProgressColumn(
        "Difference (relative)",
        format="%.3g",
        min_value=0.0,
        max_value=1.0,
        help="Norm of the difference over the norm in the first model; none where sizes differ.",
    )
    st.dataframe(
        table.sort_values(by, ascending=False, kind="stable", na_position="first"),
        hide_index=True,
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
            "units": "Units",
            "other_units": "In the other",
            "changed": "Changed",
        },
        alt="Differences between the parameters of two models, the greatest first.",
    )
