"""The sidebar: which model is loaded, where, how big; what was made of it; how to load another."""

import streamlit as st

from analysis.compression.allocation import achieved_sparsity
from analysis.figures.palette import ORIGINAL
from analysis.models.loading import DEMO_MODELS
from analysis.models.speech_model import DTYPES, available_devices, default_dtype
from pages.session.job_box import job_line, show_problem
from pages.session.session import Session
from pages.session.shelves import ModelKey, footprint_of
from pages.widgets.basics import primary_button, swatch
from pages.widgets.formatting import count, escape_markdown, percent, size

_DEMO, _FOLDER, _HUB = "Bundled demo", "Local folder", "Hugging Face hub"

SMALL_WHISPER, SMALL_WHISPER_BYTES = "openai/whisper-tiny.en", 151_000_000
"""The smallest real Whisper on the hub, and the size of its weights there."""

DEVICE_NAMES = {"cpu": "CPU", "cuda": "CUDA (GPU)", "mps": "MPS (Apple GPU)"}


def draw(session: Session) -> None:
    """Draw the model card and the variants."""
    with st.container(border=True, key="model-card", gap="xsmall"):
        _model_card(session)
    if st.button("Change model", icon=":material/swap_horiz:", width="stretch"):
        choose_model(session)
    # Here and not on the page, where whoever has scrolled down would not see it.
    job_line(session.jobs, "load")
    show_problem(session.jobs, "load")
    if session.model is not None:
        _variants(session)


def _model_card(session: Session) -> None:
    model = session.model
    if model is None:
        st.markdown(f"**{escape_markdown(session.key.source)}**")
        st.caption("not loaded")
        return
    sizes = footprint_of(model)
    st.markdown(f"{swatch(ORIGINAL)} **{escape_markdown(model.name)}**")
    dtype = str(model.dtype).removeprefix("torch.")
    st.caption(
        f"{model.architecture.title} · {count(sizes.parameters)} parameters  \n"
        f"{size(sizes.bytes)} · {DEVICE_NAMES.get(model.device.type, '')} · {dtype}  \n"
        f"{_origin(session)}",
        help=f"Source: {escape_markdown(model.source)}",
    )
    if model.plan is not None:
        st.badge("already compressed", icon=":material/compress:", color="orange")


def _origin(session: Session) -> str:
    key = session.key
    if key.source in DEMO_MODELS:
        return "bundled, works offline"
    revision = f" at {key.revision}" if key.revision else ""
    parts = key.source.rstrip("/").split("/")
    short = key.source if len(parts) <= 2 else f"…/{parts[-1]}"
    return f"from {escape_markdown(short + revision)}"


def _variants(session: Session) -> None:
    assert session.model is not None
    variants = session.variants_of(session.model)
    st.markdown("**Variants**")
    if not variants:
        st.caption("None yet: Compress makes one.")
    groups = session.model.groups
    for variant in variants:
        removed = achieved_sparsity(groups, variant.compression.plan.n_clusters)
        facts = [size(variant.footprint.bytes), f"{percent(removed)} of units removed"]
        # training after pinching lets zeros grow again
        zeros = [record.sparsity for record in variant.model.training[-1:]]
        facts += [f"{percent(share)} zeros, unstructured" for share in zeros if share is not None]
        st.markdown(
            f"{swatch(variant.color)} {escape_markdown(variant.name)}  \n"
            f":small[:gray[{' · '.join(facts)}]]"
        )


def suggest_whisper(session: Session) -> None:
    """Ask for a checkpoint, with the smallest real Whisper already typed in."""
    st.session_state["load:kind"], st.session_state["load:hub"] = _HUB, SMALL_WHISPER
    choose_model(session)


@st.dialog("Load a model", width="medium", icon=":material/deployed_code:")
def choose_model(session: Session) -> None:
    """Ask for a checkpoint, a device and a dtype; chosen here once, for everything."""
    st.caption(
        "Any Whisper, HuBERT-CTC, wav2vec2-CTC or data2vec-CTC checkpoint with safetensors weights."
    )
    kind = st.segmented_control(
        "Where from", [_DEMO, _FOLDER, _HUB], default=_DEMO, required=True, key="load:kind"
    )
    revision = None
    if kind == _DEMO:
        source = st.radio(
            "Demo model",
            list(DEMO_MODELS),
            key="load:demo",
            help="Small models that ship with Coalesce and need no network.",
        )
    elif kind == _FOLDER:
        source = st.text_input(
            "Folder on the server",
            key="load:folder",
            placeholder="/models/whisper-small",
            help="A folder in save_pretrained layout: config.json, model.safetensors, processor.",
        )
    else:
        source = st.text_input(
            "Hub id",
            key="load:hub",
            placeholder="openai/whisper-tiny",
            help="owner/name on huggingface.co; fetched once, then used from the local cache.",
        )
        revision = st.text_input(
            "Revision",
            key="load:revision",
            placeholder="main",
            help="Branch, tag or commit; empty is the default branch.",
        )
    devices = available_devices()
    left, right = st.columns(2)
    device = left.selectbox(
        "Device",
        devices,
        index=devices.index(session.key.device) if session.key.device in devices else 0,
        format_func=lambda name: DEVICE_NAMES.get(name, name),
        key="load:device",
        help="What this server has. Part of every result: nothing is shared between devices.",
    )
    dtypes = list(DTYPES)
    dtype = right.selectbox(
        "Number format (dtype)",
        dtypes,
        index=dtypes.index(default_dtype(device)),
        key=f"load:dtype:{device}",
        help="float32 is exact; half precision needs half the memory and suits GPUs.",
    )
    source = (source or "").strip()
    if primary_button("Load", "download", disabled=not source, key="load:go"):
        session.use(ModelKey(source, (revision or "").strip() or None, device, dtype))
        st.rerun()
