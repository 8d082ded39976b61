"""The table of compressed models: compare, rename, edit, duplicate, delete."""

from collections.abc import Mapping, Sequence

import streamlit as st

from analysis.compression.allocation import achieved_sparsity
from analysis.figures.palette import ORIGINAL
from analysis.models.footprint import Footprint
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from pages.planning import recipes
from pages.planning.settings import MANUAL
from pages.session.session import Session, Variant
from pages.session.shelves import footprint_of, model_id
from pages.variants import deleting
from pages.variants import more as more_variants
from pages.variants.drift import drift_of
from pages.variants.health import verdict_line
from pages.variants.measured_wer import measure_wer
from pages.variants.rows import NAME_LENGTH, rename
from pages.widgets.basics import swatch, unseen
from pages.widgets.formatting import count, error_percent, escape_markdown, percent, seconds, size

_HEADS = ("Removed", "Parameters", "MACs/s", "Error", "Drift", "WER", "Encoder")
_FACT_WIDTH = 104
"""Pixels of a fact: on a projector and on a phone they stand in several rows."""
_NOTES: Mapping[str, str] = {
    "Removed": "achieved sparsity, the share of the heads' and channels' parameters.",
    "Parameters": "unique parameters of the whole model, and their bytes.",
    "MACs/s": "multiply-accumulates per second of audio.",
    "Error": "merge error, the squared distance of all units to what replaced them, over their"
    " squared norm, under the variant's distance; to be compared within one distance only.",
    "Drift": "relative error of the encoder's output on the clip that is chosen below.",
    "WER": "word error rate over the clips with a reference that it transcribed on Transcribe.",
    "Encoder": "measured time of the encoder's forward pass, of the original's beside it.",
}


def draw_variants(session: Session, model: SpeechModel, groups: Sequence[UnitGroup]) -> None:
    """One row per model: the original, then the variants, the oldest first."""
    variants = session.variants_of(model)
    st.header("Variants", help="  \n".join(f"**{name}**: {note}" for name, note in _NOTES.items()))
    if not variants:
        st.caption(
            "Each press of Compress adds a row here: a named model that can be listened to, saved"
            " and reproduced from its recipe."
        )
    with st.container(border=True, key="variants", gap="xsmall"):
        base = footprint_of(model)
        speed = session.speeds.get(model_id(model))
        time = seconds(speed.seconds) if speed else ""
        name = f"{swatch(ORIGINAL)} **{escape_markdown(model.name)}**"
        _row(
            name,
            "original",
            removed="",
            cost=base,
            error="",
            drift="",
            wer=_wer(session, model),
            time=time,
        )
        for variant in variants:
            plan = variant.compression.plan
            drift, speed = drift_of(session, variant), session.speeds.get(model_id(variant.model))
            kind, recipe = ", int8" if variant.is_int8 else "", plan.recipe
            nominal = "" if recipe.allocation == MANUAL else f", {percent(recipe.sparsity, 0)}"
            actions = _row(
                f"{swatch(variant.color)} **{escape_markdown(variant.name)}**",
                f"{_how(variant)}{nominal}{kind}",
                removed=percent(achieved_sparsity(groups, plan.n_clusters)),
                cost=variant.footprint,
                error=error_percent(variant.error) if variant.error is not None else "",
                drift=error_percent(drift.output().relative_error) if drift else "",
                wer=_wer(session, variant.model),
                time=f"{speed.ratio:.2f} ×" if speed else "",
            )
            if health := variant.model.health:
                st.caption(verdict_line(health))
            label = unseen(f"Actions for {variant.name}")
            with actions.popover(label, icon=":material/more_horiz:", key=f"actions:{variant.id}"):
                _actions(session, model, variant)
    more_variants.draw(session, model)


def _how(variant: Variant) -> str:
    """Method and allocation, then what it was trained by."""
    plan, training = variant.compression.plan, variant.model.training
    if not training:
        return f"{plan.recipe.method}, {plan.recipe.allocation}"
    methods = [record.label for record in training]
    by_plan = plan.recipe.allocation != MANUAL and training[-1].method != "unit gates"
    return ", ".join([*([plan.recipe.method, plan.recipe.allocation] if by_plan else []), *methods])


def _wer(session: Session, model: SpeechModel) -> str:
    measured = measure_wer(session, model)
    return percent(measured[0].wer) if measured else ""


def _row(
    name: str,
    how: str,
    *,
    removed: str,
    cost: Footprint,
    error: str,
    drift: str,
    wer: str,
    time: str,
) -> st.delta_generator.DeltaGenerator:
    title = st.container(horizontal=True, vertical_alignment="center")
    title.markdown(f"{name}  \n:small[:gray[{how}]]")
    weights = f"{count(cost.parameters)}  \n:small[:gray[{size(cost.bytes)}]]"
    texts = (removed, weights, count(cost.macs), error, drift, wer, time)
    grid = st.grid(len(_HEADS), min_column_width=_FACT_WIDTH, gap="xsmall")
    for head, text in zip(_HEADS, texts, strict=True):
        with grid.cell(), st.container(gap=None):
            st.markdown(f":small[:gray[{head}]]")
            # a number and its unit stay on one line
            st.markdown(text.replace(" %", "\N{NO-BREAK SPACE}%") or "–")
    return title


def _actions(session: Session, model: SpeechModel, variant: Variant) -> None:
    name_key = f"name:{variant.id}"

    def duplicate() -> None:
        session.duplicate_variant(variant)

    st.text_input(
        "Name",
        value=variant.name,
        key=name_key,
        max_chars=NAME_LENGTH,
        on_change=lambda: rename(session, variant, st.session_state[name_key]),
    )
    st.button(
        "Edit its settings",
        icon=":material/edit:",
        width="stretch",
        key=f"edit:{variant.id}",
        on_click=recipes.take_over,
        args=(session, model, variant.compression.plan),
        help="Sets K of every group and all choices above as they were for this variant.",
    )
    st.button(
        "Duplicate",
        icon=":material/content_copy:",
        width="stretch",
        key=f"duplicate:{variant.id}",
        on_click=duplicate,
        help="The same model under another name; it takes no more memory.",
    )
    more_variants.draw_int8(session, variant)
    st.button(
        "Delete",
        icon=":material/delete:",
        width="stretch",
        key=f"delete:{variant.id}",
        on_click=deleting.delete,
        args=(session, variant),
    )
