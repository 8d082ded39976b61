"""What leaves Compress: one variant as a checkpoint or an export, an archive, a recipe."""

import io
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import streamlit as st

from analysis.compression.stock import stock_widths
from analysis.delivery.archive import (
    CHECKPOINT,
    FORMATS,
    archive,
    deliver,
    precisions,
    require_format,
)
from analysis.delivery.model_card import Measurement
from analysis.delivery.publishing import TOKEN, can_publish, publish
from analysis.errors import UserError
from analysis.models.speech_model import SpeechModel
from analysis.serving import serving
from pages.session.job_box import job_line, show_problem
from pages.session.jobs import Job, Jobs
from pages.session.session import Session, Variant
from pages.variants.measured_wer import measurements_of
from pages.widgets.formatting import escape_markdown, file_slug, size

_SLOT = "save"
ROW_SLOT = "save:row"
"""Holds what went wrong with a download from the sidebar, which is told there."""

_FORMAT_NAMES = {
    CHECKPOINT: "transformers checkpoint",
    "ctranslate2": "CTranslate2 (faster-whisper)",
    "onnx": "ONNX",
}

MOST_DOWNLOADED = 2_000_000_000
"""Bytes of weights; a larger archive would fill the server's memory on its way to the browser."""


def draw(session: Session, model: SpeechModel) -> None:
    """The panel: which variant, as what, and every way out.

    Parameters
    ----------
    session : Session
    model : SpeechModel
        The original, which has variants.
    """
    st.header("Save and export")
    variants = {v.id: v for v in session.variants_of(model) if not v.is_int8}
    if not variants:
        st.caption("An int8 variant runs here only. Save the variant that it was made from.")
        return
    with st.container(border=True, key="save-panel"):
        left, middle, right = st.columns([2, 2, 1], vertical_alignment="top")
        variant = variants[
            left.selectbox(
                "Variant",
                list(variants),
                index=len(variants) - 1,
                format_func=lambda name: variants[name].name,
                key=f"save:variant:{'-'.join(variants)}",
            )
        ]
        format_name = middle.selectbox(
            "Format",
            list(FORMATS),
            format_func=_FORMAT_NAMES.__getitem__,
            key="save:format",
            persist_state="session",
        )
        choices = precisions(format_name)
        precision = choices[0]
        if len(choices) > 1:
            precision = right.selectbox(
                "Precision",
                choices,
                key=f"save:precision:{format_name}",
                help="Of the weights in the file. stored: as the original has them. int8 keeps a"
                " scale for every row.",
            )
        obstacle = _obstacle(variant, format_name)
        st.caption(obstacle or _sentence(variant, format_name))
        if serving().folders:
            _to_folder(session, variant, format_name, precision, possible=not obstacle)
        with st.container(horizontal=True):
            _download(session, variant, format_name, precision, possible=not obstacle)
            _download_plan(variant)
            if serving().downloads and can_publish() and format_name == CHECKPOINT:
                _publish(session, variant)
        show_problem(session.jobs, _SLOT)
        job_line(session.jobs, _SLOT)


def draw_quickly(session: Session, variant: Variant) -> None:
    """Two ways out in one click: a checkpoint in an archive, and the plan; no others fit a menu."""
    possible = not variant.is_int8 and not _obstacle(variant, CHECKPOINT)
    _download(
        session, variant, CHECKPOINT, precisions(CHECKPOINT)[0], possible=possible, place="row"
    )
    _download_plan(variant, place="row")


def _download_plan(variant: Variant, place: str = "panel") -> None:
    st.download_button(
        "Plan (JSON)",
        variant.compression.plan.to_json(),
        file_name=f"{file_slug(variant.name)}.json",
        mime="application/json",
        icon=":material/receipt_long:",
        on_click="ignore",
        key=f"recipe:{place}:{variant.id}",
        width="stretch" if place == "row" else "content",
        help="The plan: K of every group and all settings. The same plan gives the same bits; what"
        " was trained besides is in the checkpoint only.",
    )


def _obstacle(variant: Variant, format_name: str) -> str:
    """Why the variant cannot leave in a format; nothing where it can."""
    try:
        require_format(variant.model, format_name)
    except UserError as error:
        return f":material/block: {escape_markdown(str(error))}"
    return ""


def _sentence(variant: Variant, format_name: str) -> str:
    """What the format is, and what it takes to load it."""
    if format_name != CHECKPOINT:
        return f"{FORMATS[format_name]} Checked against the model before it is kept."
    if stock_widths(variant.model) is not None:
        return f"{FORMATS[format_name]} It loads with plain `from_pretrained`."
    return (
        f"{FORMATS[format_name]} Its layers differ, so it loads with `trust_remote_code=True`; the"
        " model class travels along. **Stock classes only**, above, avoids that."
    )


def _to_folder(
    session: Session, variant: Variant, format_name: str, precision: str, *, possible: bool
) -> None:
    """A folder on the server."""
    left, middle, right = st.columns([3, 1, 1], vertical_alignment="bottom")
    folder = left.text_input(
        "Folder on the server",
        value=str(_home() / file_slug(variant.name)),
        key=f"folder:{variant.id}",
        help="Written whole or not at all; its parent must exist.",
    )
    overwrite = middle.checkbox(
        "Replace", key=f"overwrite:{variant.id}", help="A model that is there already."
    )
    if right.button(
        "Save",
        icon=":material/save:",
        width="stretch",
        key=f"save:{variant.id}",
        disabled=not possible,
    ):
        _save(session, variant, folder, format_name, precision, overwrite)
        st.rerun()


def _home() -> Path:
    """Where a folder is proposed."""
    roots = serving().roots
    return Path(roots[0]) if roots else Path.home()


def _save(
    session: Session,
    variant: Variant,
    folder: str,
    format_name: str,
    precision: str,
    overwrite: bool,
) -> None:
    """Start the job that writes the folder."""
    if not folder.strip():
        session.jobs.problems[_SLOT] = UserError("No folder was given.", "Type one and save again.")
        return
    try:
        serving().require_folder(folder.strip())
    except UserError as error:
        session.jobs.problems[_SLOT] = error
        return
    model, target = variant.model, Path(folder.strip())
    measured = measurements_of(session, variant)

    def saved(path: Path) -> None:
        st.toast(f"Saved to {escape_markdown(str(path))}", icon=":material/check:")

    session.jobs.start(
        _SLOT,
        Job(
            f"Saving {variant.name}",
            lambda watch: deliver(
                model, target, format_name, precision, overwrite=overwrite, measured=measured
            ),
            saved,
        ),
    )


def _download(
    session: Session,
    variant: Variant,
    format_name: str,
    precision: str,
    *,
    possible: bool,
    place: str = "panel",
) -> None:
    """One archive, built when it is asked for."""
    too_large = variant.footprint.saved_bytes > MOST_DOWNLOADED
    slug = file_slug(variant.name)
    st.download_button(
        "Download (ZIP)",
        partial(
            _archive,
            session.jobs,
            ROW_SLOT if place == "row" else _SLOT,
            variant.model,
            slug,
            format_name,
            precision,
            measurements_of(session, variant),
        ),
        file_name=f"{slug}.zip",
        mime="application/zip",
        icon=":material/folder_zip:",
        on_click="ignore",
        disabled=too_large or not possible,
        key=f"zip:{place}:{variant.id}",
        width="stretch" if place == "row" else "content",
        help=f"More than {size(MOST_DOWNLOADED)} do not go through the browser: save to a folder."
        if too_large
        else "Everything of the chosen format in one file, built on the click.",
    )


def _archive(
    jobs: Jobs,
    slot: str,
    model: SpeechModel,
    name: str,
    format_name: str,
    precision: str,
    measured: Sequence[Measurement],
) -> io.BufferedReader:
    """The archive; called outside of any script run, so that a fault is shown in the next one."""
    try:
        return archive(model, name, format_name, precision, measured=measured)
    except UserError as error:
        jobs.problems[slot] = error
        raise


def _publish(session: Session, variant: Variant) -> None:
    """Push to the hub, with the server's token."""
    with st.popover("Push to the hub", icon=":material/cloud_upload:"):
        repository = st.text_input(
            "Repository",
            placeholder=f"your-name/{file_slug(variant.name)}",
            key=f"hub:{variant.id}",
            help="Hub id, owner/name.",
        )
        private = st.checkbox("Private", value=True, key=f"hub-private:{variant.id}")
        update = st.checkbox("Add to a repository that exists", key=f"hub-update:{variant.id}")
        st.caption(f"Pushed with the token in this server's {TOKEN}.")
        if st.button(
            "Push",
            icon=":material/cloud_upload:",
            width="stretch",
            key=f"push:{variant.id}",
            disabled=not repository.strip(),
        ):
            _push(session, variant, repository.strip(), private, update)
            st.rerun()


def _push(session: Session, variant: Variant, repository: str, private: bool, update: bool) -> None:
    """Start the job that pushes."""
    try:
        serving().require_downloads()
    except UserError as error:
        session.jobs.problems[_SLOT] = error
        return
    model, measured = variant.model, measurements_of(session, variant)

    def pushed(address: str) -> None:
        st.toast(f"Pushed: {escape_markdown(address)}", icon=":material/check:")

    session.jobs.start(
        _SLOT,
        Job(
            f"Pushing {variant.name}",
            lambda watch: publish(
                model, repository, private=private, update=update, measured=measured
            ),
            pushed,
        ),
    )
