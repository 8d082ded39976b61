"""The dialog that loads another model: bundled, in a folder of the server, or on the hub."""

import os
from collections.abc import Mapping
from pathlib import Path

import streamlit as st

from analysis.models.finding import (
    ROOTS_VARIABLE,
    SUGGESTIONS,
    Suggestion,
    cached_models,
    is_allowed,
    list_folders,
    model_roots,
)
from analysis.models.loading import DEMO_MODELS
from analysis.models.speech_model import DTYPES, available_devices, default_dtype
from analysis.serving import OWN_MODEL, serving
from pages.session.session import Session
from pages.session.shelves import ModelKey
from pages.widgets.basics import primary_label
from pages.widgets.formatting import count, escape_markdown

_DEMO, _FOLDER, _HUB = "Bundled demo", "Local folder", "Hugging Face hub"

SMALL_WHISPER, SMALL_WHISPER_BYTES = "openai/whisper-tiny.en", 151_000_000
"""The smallest real Whisper on the hub, and the size of its weights there."""

DEVICE_NAMES = {"cpu": "CPU", "cuda": "CUDA (GPU)", "mps": "MPS (Apple GPU)"}

FOLDERS_HEIGHT = 190
"""Pixels in which the folders scroll, so that the button under them stays where it is."""

_SUITS = "what suits the device"

_FOLDER_KEY, _HUB_KEY, _AT_KEY = "load:folder", "load:hub", "load:at"


def suggest_whisper(session: Session) -> None:
    """Ask for a checkpoint, with the smallest real Whisper already typed in."""
    st.session_state["load:kind"], st.session_state[_HUB_KEY] = _HUB, SMALL_WHISPER
    choose_model(session)


@st.dialog("Load a model", width="medium", icon=":material/deployed_code:")
def choose_model(session: Session) -> None:
    """Ask for a checkpoint, a device and a dtype; chosen here once, for everything."""
    st.caption(
        "Any Whisper, HuBERT-CTC, wav2vec2-CTC or data2vec-CTC checkpoint with safetensors weights."
    )
    allowed = serving()
    kinds = [_DEMO, *[_FOLDER] * allowed.folders, *[_HUB] * allowed.downloads]
    kind: str | None = _DEMO
    if len(kinds) > 1:
        kind = st.segmented_control(
            "Where from", kinds, default=_DEMO, required=True, key="load:kind"
        )
    if kind == _FOLDER:
        _browse()
    elif kind == _HUB:
        _suggest()
    # A form: what stands in the field is sent with the click, or with Enter.
    with st.form("load:form", border=False):
        source, revision = _source(kind or _DEMO, session.key)
        device, dtype = _device(session)
        pressed = st.form_submit_button(
            primary_label("Load", "download"), type="primary", key="load:go"
        )
    if pressed and not source:
        st.warning("Nothing is typed in: choose from the list, or type it.", icon=":material/edit:")
    elif pressed:
        session.use(ModelKey(source, revision or None, device, dtype))
        st.rerun()


def _source(kind: str, now: ModelKey) -> tuple[str, str]:
    """What to load, and of which revision; first what is in use."""
    if kind == _DEMO:
        bundled = _bundled()
        demo = st.radio(
            "Demo model",
            bundled,
            index=bundled.index(now.source) if now.source in bundled else 0,
            format_func=lambda source: source.rstrip("/").split("/")[-1],
            key="load:demo",
            help="Small models that ship with Coalesce and need no network.",
        )
        return demo or "", ""
    if kind == _FOLDER:
        folder = st.text_input(
            "Folder on the server",
            key=_FOLDER_KEY,
            placeholder="/models/whisper-small",
            help="A folder in save_pretrained layout: config.json, model.safetensors, processor.",
        )
        return folder.strip(), ""
    source = st.text_input(
        "Hub id",
        key=_HUB_KEY,
        placeholder="openai/whisper-tiny",
        help="owner/name on huggingface.co; fetched once, then used from the local cache.",
    )
    revision = st.text_input(
        "Revision",
        key="load:revision",
        placeholder="main",
        help="Branch, tag or commit; empty is the default branch.",
    )
    return source.strip(), revision.strip()


def _bundled() -> list[str]:
    """What needs neither folder nor network, with the server's own model where others are shut."""
    own = os.environ.get(OWN_MODEL)
    more = [own] if own and own not in DEMO_MODELS and serving().is_confined else []
    return [*more, *DEMO_MODELS]


def _suggest() -> None:
    """A list that fills in the hub id: first what needs no download, then what is known to work."""
    at_hand = cached_models()
    known = {suggestion.id: suggestion for suggestion in SUGGESTIONS}
    ids = [*at_hand, *(name for name in known if name not in at_hand)]

    def fill() -> None:
        if chosen := st.session_state["load:suggestion"]:
            st.session_state[_HUB_KEY] = chosen

    st.selectbox(
        "Suggestions",
        ids,
        index=None,
        format_func=lambda name: _facts(name, known, name in at_hand),
        key="load:suggestion",
        placeholder="Choose one, or type an id below",
        on_change=fill,
        help="What is on this computer comes first. Where no licence is named, see the model's"
        " card on the hub.",
    )


def _facts(name: str, known: Mapping[str, Suggestion], at_hand: bool) -> str:
    parts = [name]
    if name in known:
        parts += [f"{count(known[name].parameters)} parameters", known[name].licence]
    if at_hand:
        parts.append("on this computer")
    return " · ".join(part for part in parts if part)


def _browse() -> None:
    """The server's folders that lead to a model; a click on a model fills in its path."""
    roots = model_roots()
    here = Path(st.session_state.get(_AT_KEY, roots[0] if roots else Path()))
    if not roots or not here.is_dir() or not is_allowed(here, roots):
        here = roots[0] if roots else Path()
        st.session_state[_AT_KEY] = str(here)
    others = [root for root in roots if root != here]
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.markdown(f":material/folder_open: {escape_markdown(str(here))}", width="content")
        if here not in roots:
            _go("Up", "arrow_upward", here.parent)
        for root in others:
            _go(root.name or str(root), "home_storage", root)
    with st.container(height=FOLDERS_HEIGHT, key="load-folders", gap="xxsmall"):
        found = list_folders(here, roots) if roots else []
        if not found:
            st.caption("No model is below this folder. Type a path, or go to another folder.")
        for one in found:
            if one.is_model:
                st.button(
                    escape_markdown(one.path.name),
                    icon=":material/deployed_code:",
                    key=f"load:pick:{one.path}",
                    type="tertiary",
                    on_click=_fill,
                    args=(one.path,),
                )
            else:
                _go(one.path.name, "folder", one.path)
    st.caption(
        f"Folders that hold a model, or lead to one. {ROOTS_VARIABLE} names where to look".replace(
            "_", "\\_"
        )
        + "; without it that is the home and the folder in which the server was started."
    )


def _go(label: str, icon: str, folder: Path) -> None:
    """A button that opens a folder."""

    def enter() -> None:
        st.session_state[_AT_KEY] = str(folder)

    st.button(
        escape_markdown(label),
        icon=f":material/{icon}:",
        key=f"load:enter:{icon}:{folder}",
        type="tertiary",
        on_click=enter,
    )


def _fill(folder: Path) -> None:
    """Callback: write a folder into the field."""
    st.session_state[_FOLDER_KEY] = str(folder)


def _device(session: Session) -> tuple[str, str]:
    """Where the weights go, and in which numbers; a server with one device offers no choice."""
    devices = available_devices()
    device, grid = devices[0], st.grid(2)
    if len(devices) > 1:
        device = grid.selectbox(
            "Device",
            devices,
            index=devices.index(session.key.device) if session.key.device in devices else 0,
            format_func=lambda name: DEVICE_NAMES.get(name, name),
            key="load:device",
            help="What this server has. Part of every result: nothing is shared between devices.",
        )
    dtype = grid.selectbox(
        "Number format (dtype)",
        (_SUITS, *DTYPES),
        key="load:dtype",
        help="float32 is exact and suits a CPU; half precision needs half the memory and suits"
        " GPUs.",
    )
    return device, default_dtype(device) if dtype == _SUITS else dtype
