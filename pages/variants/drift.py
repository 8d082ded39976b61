"""Where the merge hurts: drift of every layer's hidden states on a clip, measured on demand."""

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from analysis.evaluation.drift import (
    CKA_DEFINITION,
    GAIN_DEFINITION,
    RELATIVE_ERROR_DEFINITION,
    Drift,
    LayerDrift,
    measure_drift,
)
from analysis.figures.cka import CKA_HEIGHT, DEFINITION, layer_similarity
from analysis.figures.variants import DRIFT_HEIGHT, drift_lines
from analysis.models.speech_model import SpeechModel
from analysis.progress import Watch
from pages.listening.bundled import BundledClip, bundled_clips, title_of
from pages.listening.clips import READ_SLOT, draw_upload, take_bundled
from pages.session.job_box import job_box, show_problem
from pages.session.jobs import Job
from pages.session.session import Clip, Session, Variant
from pages.session.shelves import model_id
from pages.widgets.basics import figure, primary_button, show_error
from pages.widgets.choices import choose_one
from pages.widgets.exports import draw_exports
from pages.widgets.formatting import escape_markdown, seconds
from pages.widgets.presented import scaled

_SLOT = "drift"

_CHOICE = "drift:clip"
"""Holds the id of the chosen clip, or the file name of a bundled one that was not heard yet."""


def drift_of(session: Session, variant: Variant) -> Drift | None:
    """What was measured of a variant on the clip on show."""
    return session.drifts.get((session.current_clip or "", model_id(variant.model)))


def draw_drift_here(session: Session, model: SpeechModel) -> None:
    """Choose a clip of the session, a bundled or a new one; then as `draw_drift`."""
    st.header("Where the merge hurts")
    grid = st.grid(4, min_column_width=150, vertical_alignment="bottom")
    left, right = grid.cell(column_span=3), grid.cell()
    with right, st.popover("Upload a clip", icon=":material/upload:", width="stretch"):
        draw_upload(session)
        job_box(session.jobs, (READ_SLOT,), lambda: None)
    show_problem(session.jobs, READ_SLOT)
    for error in session.file_problems:
        show_error(error)
    with left:
        clip = _choose(session)
    draw_drift(session, model, session.variants_of(model), clip)


def draw_drift(
    session: Session, model: SpeechModel, variants: Sequence[Variant], clip: Clip | BundledClip
) -> None:
    """Drift of some variants on a clip: the picture, or the button that measures it.

    Parameters
    ----------
    session : Session
    model : SpeechModel
        The original.
    variants : sequence of Variant
        At least one.
    clip : Clip or BundledClip
        A bundled one becomes the session's when it is measured.
    """
    heard = clip.id if isinstance(clip, Clip) else ""
    found = {v.id: session.drifts.get((heard, model_id(v.model))) for v in variants}
    known = {v.name: drift for v in variants if (drift := found[v.id]) is not None}
    missing = [variant for variant in variants if found[variant.id] is None]
    with st.container(height=scaled(DRIFT_HEIGHT + 20) if known else "content", border=False):
        if known:
            colors = {variant.name: variant.color for variant in variants if variant.name in known}
            chart = drift_lines(known, colors)
            figure(
                chart,
                key="drift",
                alt="Relative error and linear CKA of every layer's hidden states, by variant.",
            )
        else:
            with st.container(border=True):
                st.markdown(
                    "**Here will be how far each layer's hidden states move**, from the input to"
                    " the output, when this clip goes through the original and the variants."
                )
    figures = _similarities(known) if known else {}
    left, right = st.columns([4, 1], vertical_alignment="center")
    with left:
        job_box(
            session.jobs, (_SLOT,), lambda: _idle(session, model, missing, clip, known), wide=True
        )
        show_problem(session.jobs, _SLOT)
    if known:
        with right.container(horizontal=True, horizontal_alignment="right"):
            tables = {"drift": _rows(known), "layer-cka": _similarity_rows(known)}
            draw_exports("drift", {"drift": chart, **figures}, tables)


def _similarities(known: Mapping[str, Drift]) -> dict[str, go.Figure]:
    """Which layers amplify, and every layer beside every layer of the variant that is chosen."""
    able = {name: drift for name, drift in known.items() if drift.similarities}
    for name, drift in known.items():
        if gains := drift.gains():
            st.markdown(_amplified(name, gains), help=GAIN_DEFINITION)
    if not able:
        return {}
    name = next(iter(able))
    if len(able) > 1:
        name = choose_one("Layers of", list(able), key="drift:similar")
    chart = layer_similarity(able[name].similarities, name)
    figure(
        chart,
        key="layer-cka",
        alt="CKA of each layer of the original with each layer of the variant.",
        height=CKA_HEIGHT,
    )
    st.caption(DEFINITION)
    return {"layer-cka": chart}


def _amplified(name: str, gains: Sequence[tuple[LayerDrift, float]]) -> str:
    """The layer that amplifies most, and the one that absorbs most."""
    most, least = (choose(gains, key=lambda pair: pair[1]) for choose in (max, min))
    said = [f"{most[0].stack} layer {most[0].layer} lets most grow (x {most[1]:.2f})"]
    if least[1] < 1:
        said.append(f"{least[0].stack} layer {least[0].layer} absorbs most (x {least[1]:.2f})")
    else:
        said.append("no layer absorbs any")
    return f":small[**{escape_markdown(name)}**: {'; '.join(said)}]"


def _choose(session: Session) -> Clip | BundledClip:
    """The clip to measure on."""
    own = session.clips
    titles = {clip.audio.name for clip in own.values() if clip.origin == "bundled"}
    bundled = {clip.path.name: clip for clip in bundled_clips() if title_of(clip) not in titles}
    options = [*own, *bundled]
    wanted = session.current_clip if session.current_clip in own else st.session_state.get(_CHOICE)
    # a new box for another list or another clip on show: a late answer of the old is ignored
    shown = session.current_clip
    key = f"{_CHOICE}:{len(own)}:{shown}"

    def changed() -> None:
        if session.current_clip != shown:
            return
        chosen = st.session_state[key]
        st.session_state[_CHOICE] = chosen
        session.current_clip = chosen if chosen in own else None

    if wanted not in options:  # of a clip of few words the decoder has few positions
        longest = max(bundled, key=lambda name: bundled[name].duration, default=options[0])
        wanted = options[0] if own else longest
    chosen = st.selectbox(
        "On the clip",
        options,
        index=options.index(wanted),
        format_func=lambda name: _label(own.get(name) or bundled.get(name)),
        key=key,
        on_change=changed,
        help="Bundled clips, and all that were uploaded or recorded in this session.",
    )
    return own.get(chosen) or bundled[chosen]


def _label(clip: Clip | BundledClip | None) -> str:
    if clip is None:
        return ""
    if isinstance(clip, Clip):
        return f"{clip.audio.name} · {seconds(clip.audio.duration)}"
    return f"{title_of(clip)} · {seconds(clip.duration)}"


def _idle(
    session: Session,
    model: SpeechModel,
    missing: Sequence[Variant],
    clip: Clip | BundledClip,
    known: dict[str, Drift],
) -> None:
    """The button where something is to be measured, else what was."""
    if missing:
        number = "1 variant" if len(missing) == 1 else f"{len(missing)} variants"
        primary_button(
            f"Measure the drift of {number}",
            "monitoring",
            key="drift:measure",
            on_click=_start,
            args=(session, model, missing, clip),
        )
        return
    drift = next(iter(known.values()))
    words = f" and the original's own {drift.n_tokens} tokens" if drift.n_tokens else ""
    part = f" (the first {seconds(drift.seconds)} of it)" if _is_part(clip, drift) else ""
    st.caption(
        f"On “{escape_markdown(_label(clip))}”{part}{words}.",
        help=f"**Relative error**: {RELATIVE_ERROR_DEFINITION}  \n**CKA**: {CKA_DEFINITION}",
    )


def _is_part(clip: Clip | BundledClip, drift: Drift) -> bool:
    """Whether the model heard less than the clip."""
    duration = clip.audio.duration if isinstance(clip, Clip) else clip.duration
    return drift.seconds < duration - 1e-3


def _start(
    session: Session,
    model: SpeechModel,
    variants: Sequence[Variant],
    clip: Clip | BundledClip,
) -> None:
    """Callback: measure in the background."""
    own = clip if isinstance(clip, Clip) else take_bundled(session, clip)
    session.current_clip = own.id
    models = [variant.model for variant in variants]

    def work(watch: Watch) -> list[Drift]:
        return measure_drift(model, models, own.audio, watch=watch)

    def deliver(drifts: list[Drift]) -> None:
        for each, drift in zip(models, drifts, strict=True):
            session.drifts[own.id, model_id(each)] = drift

    session.jobs.start(_SLOT, Job("Measuring drift", work, deliver), lane="listen")


def _rows(drifts: dict[str, Drift]) -> pd.DataFrame:
    """A row per variant and layer."""
    return pd.DataFrame(
        {
            "variant": name,
            "stack": layer.stack,
            "layer": layer.layer,
            "relative_error": layer.relative_error,
            "cka": layer.cka,
            "gain": dict(drift.gains()).get(layer),
        }
        for name, drift in drifts.items()
        for layer in drift.layers
    )


def _similarity_rows(drifts: Mapping[str, Drift]) -> pd.DataFrame:
    """A row per variant and pair of layers."""
    return pd.DataFrame(
        {
            "variant": name,
            "stack": stack,
            "layer_of_the_original": first,
            "layer_of_the_variant": second,
            "debiased_cka": value,
        }
        for name, drift in drifts.items()
        for stack, rows in drift.similarities.items()
        for first, row in enumerate(rows)
        for second, value in enumerate(row)
    )
