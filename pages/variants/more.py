"""Variants that no press of Compress made: a checkpoint from a folder, a variant in int8."""

from dataclasses import replace
from pathlib import Path

import streamlit as st

from analysis.cache import cache_folder
from analysis.compression.compress import Compression
from analysis.compression.lineage import as_variant
from analysis.models.footprint import Footprint, footprint
from analysis.models.loading import load
from analysis.models.quantising import quantise
from analysis.models.speech_model import SpeechModel, dtype_name
from analysis.progress import Watch
from analysis.serving import serving
from pages.session.job_box import job_line, show_problem
from pages.session.jobs import Job
from pages.session.session import Session, Variant
from pages.session.shelves import asked_dtype
from pages.widgets.formatting import escape_markdown

_SLOT = "more-variants"
_ADDED = "add:added"

Made = tuple[Compression, Footprint]


def draw(session: Session, model: SpeechModel) -> None:
    """The control that adds a saved checkpoint, and what became of the last try."""
    if not serving().folders:
        return
    if st.session_state.pop(_ADDED, False):
        st.session_state["add:folder"] = ""
    with st.popover("Add a saved checkpoint", icon=":material/folder_open:"):
        folder = st.text_input(
            "Folder on the server",
            key="add:folder",
            placeholder="/models/whisper-compressed",
            help="A checkpoint that was compressed from this very model, here or elsewhere: its"
            " coalesce.json says so. Two of them can be compared like any variants.",
        )
        if st.button(
            "Add",
            icon=":material/add:",
            key="add:go",
            width="stretch",
            disabled=not folder.strip(),
        ):
            _add(session, model, folder.strip())
            st.rerun()
    show_problem(session.jobs, _SLOT)
    job_line(session.jobs, _SLOT)


def draw_int8(session: Session, variant: Variant) -> None:
    """The button that makes a variant of a variant, in int8."""
    st.button(
        "Add it in int8 (CPU)",
        icon=":material/memory:",
        width="stretch",
        key=f"int8:{variant.id}",
        disabled=variant.is_int8 or variant.model.device.type != "cpu",
        on_click=lambda: _quantise(session, variant),
        help="Dynamic quantisation: every linear map with one byte per weight. To listen to and to"
        " time; CTranslate2 in int8, under Save and export, takes it elsewhere.",
    )


def read_checkpoint(model: SpeechModel, folder: str) -> Made:
    """Load a checkpoint that was made from a model as a variant of it, in a worker thread.

    Raises
    ------
    UserError
        See `analysis.models.loading.load` and `analysis.compression.lineage.as_variant`; for a
        folder that is no training run and not open to visitors, too.
    """
    if not Path(folder).resolve().is_relative_to(cache_folder("training").resolve()):
        serving().require_folder(folder, contents=True)
    device = model.device.type
    dtype = asked_dtype(device, dtype_name(model.dtype))
    compression = as_variant(model, load(folder, device=device, dtype=dtype))
    return compression, footprint(compression.model)


def _add(session: Session, model: SpeechModel, folder: str) -> None:
    """Start the job that reads a checkpoint."""

    def work(watch: Watch) -> Made:
        watch.progress(0, 0, "reading weights")
        return read_checkpoint(model, folder)

    def deliver(made: Made) -> None:
        variant = session.add_variant(made[0].model.name, *made, None, folder=folder)
        st.session_state[_ADDED] = True  # the field may be drawn by now, and is empty next time
        st.toast(f"Added: {escape_markdown(variant.name)}", icon=":material/check:")

    session.jobs.start(_SLOT, Job("Adding a checkpoint", work, deliver), lane="load")


def _quantise(session: Session, variant: Variant) -> None:
    """Callback: start the job that makes it."""
    compression, error = variant.compression, variant.error

    def work(watch: Watch) -> Made:
        small = replace(compression, model=quantise(compression.model))
        return small, footprint(small.model)

    def deliver(made: Made) -> None:
        added = session.add_variant(
            f"{variant.name} int8", *made, error, variant.base, folder=variant.folder
        )
        st.toast(f"Added: {escape_markdown(added.name)}", icon=":material/check:")

    session.jobs.start(_SLOT, Job(f"Quantising {variant.name}", work, deliver))
