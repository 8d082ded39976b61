"""The table of compressed models: compare, rename, save, take the recipe along, delete."""

import re
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from analysis.allocation import achieved_sparsity
from analysis.checkpoints import SpeechModel
from analysis.errors import UserError
from analysis.footprint import Footprint
from analysis.palette import ORIGINAL
from analysis.saving import save
from analysis.units import UnitGroup
from pages.common.formatting import count, escape_markdown, percent, size
from pages.common.jobs import Job
from pages.common.models import footprint_of
from pages.common.session import Session, Variant
from pages.common.widgets import job_line, show_problem, swatch

_WIDTHS = (3.8, 2.8, 1.2, 1.3, 1.4, 1.3, 1.2, 1.4, 1.1)
_HEADS = (
    "Name",
    "Method, allocation",
    "Nominal",
    "Achieved",
    "Parameters",
    "Size",
    "MACs/s",
    "Error",
    "",
)
_NAME_LENGTH = 60


def draw_variants(session: Session, model: SpeechModel, groups: Sequence[UnitGroup]) -> None:
    """One row per model: the original, then the variants, the oldest first."""
    variants = session.variants_of(model)
    st.subheader("Variants")
    if not variants:
        st.caption(
            "Each press of Compress adds a row here: a named model that can be listened to, saved"
            " and reproduced from its recipe."
        )
    with st.container(border=True, key="variants", gap="xsmall"):
        for column, head in zip(st.columns(_WIDTHS), _HEADS, strict=True):
            column.markdown(f":small[:gray[{head}]]")
        base = footprint_of(model)
        _row(f"{swatch(ORIGINAL)} **{escape_markdown(model.name)}**", "original", "", "", base, "")
        for variant in variants:
            plan = variant.compression.plan
            actions = _row(
                f"{swatch(variant.color)} **{escape_markdown(variant.name)}**",
                f"{plan.method}, {plan.allocation}",
                percent(plan.sparsity, 0) if plan.allocation != "manual" else "by hand",
                percent(achieved_sparsity(groups, plan.n_clusters)),
                variant.footprint,
                percent(variant.error),
            )
            with actions.popover("", icon=":material/more_horiz:", key=f"actions:{variant.id}"):
                _actions(session, variant)
    show_problem(session.jobs, "save")
    job_line(session.jobs, "save")


def _row(
    name: str, how: str, nominal: str, achieved: str, cost: Footprint, error: str
) -> st.delta_generator.DeltaGenerator:
    columns = st.columns(_WIDTHS, vertical_alignment="center")
    numbers = (nominal, achieved, count(cost.parameters), size(cost.bytes), count(cost.macs), error)
    for column, text in zip(columns, (name, how, *numbers), strict=False):
        column.markdown(text or "–")
    return columns[-1]


def _actions(session: Session, variant: Variant) -> None:
    name_key, folder_key = f"name:{variant.id}", f"folder:{variant.id}"

    def rename() -> None:
        wanted = " ".join(st.session_state[name_key].split())[:_NAME_LENGTH]
        if wanted and wanted != variant.name:
            variant.name = session.free_name(wanted)

    st.text_input(
        "Name", value=variant.name, key=name_key, max_chars=_NAME_LENGTH, on_change=rename
    )
    slug = file_slug(variant.name)
    st.download_button(
        "Download recipe (JSON)",
        variant.compression.plan.to_json(),
        file_name=f"{slug}.json",
        mime="application/json",
        icon=":material/download:",
        on_click="ignore",
        width="stretch",
        key=f"recipe:{variant.id}",
        help="The plan: K of every group and all settings. The same plan gives the same bits.",
    )
    st.text_input(
        "Save to folder on the server",
        value=str(Path.home() / slug),
        key=folder_key,
        help="In save_pretrained layout, with coalesce.json; written whole or not at all.",
    )
    overwrite = st.checkbox("Replace a checkpoint that is there", key=f"overwrite:{variant.id}")
    st.button(
        "Save",
        icon=":material/save:",
        width="stretch",
        key=f"save:{variant.id}",
        on_click=lambda: _save(session, variant, st.session_state[folder_key], overwrite),
    )
    st.button(
        "Delete",
        icon=":material/delete:",
        width="stretch",
        key=f"delete:{variant.id}",
        on_click=lambda: session.remove_variant(variant),
    )


def _save(session: Session, variant: Variant, folder: str, overwrite: bool) -> None:
    if not folder.strip():
        session.jobs.problems["save"] = UserError(
            "No folder was given.", "Type one and save again."
        )
        return
    model, target = variant.model, Path(folder.strip())

    def saved(path: Path) -> None:
        st.toast(f"Saved to {escape_markdown(str(path))}", icon=":material/check:")

    session.jobs.start(
        "save",
        Job(
            f"Saving {variant.name}",
            lambda progress, should_cancel: save(model, target, overwrite=overwrite),
            saved,
        ),
    )


def file_slug(name: str) -> str:
    """A file name that every system takes.

    Examples
    --------
    >>> file_slug("cluster 10 % (2)")
    'cluster-10-2'
    """
    return re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.") or "variant"
