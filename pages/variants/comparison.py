"""All variants against their original: what they cost, what they changed, how fast they are."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from analysis.evaluation.speed import RUNS, EncoderSpeed, measure_encoders
from analysis.figures.variants import VariantMeasures, comparison_bars
from analysis.models.speech_model import SpeechModel
from analysis.progress import Watch
from pages.session.job_box import job_box, show_problem
from pages.session.jobs import Job
from pages.session.session import Session, Variant
from pages.session.shelves import footprint_of, model_id
from pages.variants.drift import drift_of
from pages.widgets.basics import figure
from pages.widgets.exports import draw_exports
from pages.widgets.formatting import seconds

_SLOT = "speed"


def draw_comparison(session: Session, model: SpeechModel) -> None:
    """One chart of all variants, and the button that times their encoders."""
    variants = session.variants_of(model)
    base = footprint_of(model)
    measures = []
    rounded = any(variant.is_int8 for variant in variants)
    for variant in variants:
        speed, drift = session.speeds.get(model_id(variant.model)), drift_of(session, variant)
        measures.append(
            VariantMeasures(
                name=variant.name,
                color=variant.color,
                parameters=variant.footprint.parameters / base.parameters,
                macs=variant.footprint.macs / base.macs,
                encoder_time=speed.ratio if speed else None,
                merge_error=variant.error,
                drift=drift.output().relative_error if drift else None,
                size=variant.footprint.bytes / base.bytes if rounded else None,
            )
        )
    chart = comparison_bars(measures)
    figure(
        chart,
        key="comparison",
        alt="Parameters, multiply-accumulates, encoder time, merge error and drift by variant.",
    )
    left, right = st.columns([4, 1], vertical_alignment="center")
    with left:
        job_box(session.jobs, (_SLOT,), lambda: _idle(session, model, variants), wide=True)
        show_problem(session.jobs, _SLOT)
    with right.container(horizontal=True, horizontal_alignment="right"):
        draw_exports(
            "comparison", {"variants": chart}, {"variants": _rows(session, model, variants)}
        )


def _idle(session: Session, model: SpeechModel, variants: Sequence[Variant]) -> None:
    """What was timed, and the button that does."""
    original = session.speeds.get(model_id(model))
    fresh = original and all(model_id(v.model) in session.speeds for v in variants)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Time the encoders again" if fresh else "Time the encoders",
            icon=":material/timer:",
            key="speed:measure",
            on_click=_start,
            args=(session, model, [variant.model for variant in variants]),
            help=f"Median of {RUNS} forward passes after one to warm up; original and variants"
            " take turns, so that all meet the same machine.",
        )
        if original is not None:
            st.caption(
                f"The original's encoder took {seconds(original.seconds)} for"
                f" {seconds(original.audio_seconds)} of audio.",
                width="content",
            )


def _start(session: Session, model: SpeechModel, variants: Sequence[SpeechModel]) -> None:
    """Callback: time all of them in one session of measuring."""
    models = list({model_id(each): each for each in (model, *variants)}.values())

    def work(watch: Watch) -> list[EncoderSpeed]:
        return measure_encoders(models, watch=watch)

    def deliver(speeds: list[EncoderSpeed]) -> None:
        # ratios of one run belong together: those of an earlier one are forgotten
        ids = [model_id(each) for each in models]
        session.speeds = dict(zip(ids, speeds, strict=True))

    session.jobs.start(_SLOT, Job("Timing encoders", work, deliver), lane="listen")


def _rows(session: Session, model: SpeechModel, variants: Sequence[Variant]) -> pd.DataFrame:
    """The original and every variant, with all that is known."""
    rows: list[dict[str, object]] = []
    for variant in (None, *variants):
        own = variant.model if variant else model
        cost = variant.footprint if variant else footprint_of(model)
        speed = session.speeds.get(model_id(own))
        drift = drift_of(session, variant) if variant else None
        output = drift.output() if drift else None
        rows.append(
            {
                "name": variant.name if variant else "original",
                "parameters": cost.parameters,
                "bytes": cost.bytes,
                "macs_per_second": cost.macs,
                "merge_error": variant.error if variant else 0.0,
                "encoder_seconds": speed.seconds if speed else None,
                "encoder_time_ratio": speed.ratio if speed else None,
                "encoder_output_relative_error": output.relative_error if output else None,
                "encoder_output_cka": output.cka if output else None,
            }
        )
    return pd.DataFrame(rows)
