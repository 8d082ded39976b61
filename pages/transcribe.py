"""Transcribe: hear what compression did, the original and its variants side by side."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
import streamlit as st

from analysis.figures.palette import ORIGINAL
from analysis.models.loading import DEMO_MODELS
from analysis.models.speech_model import SpeechModel
from analysis.plan.choices import NORMALISERS
from analysis.progress import Watch
from analysis.speech.languages import language_name, languages, presets
from analysis.speech.recognition import LongForm
from analysis.speech.transcription import Transcript, TranscriptionOptions, transcribe
from pages.frame.frame import run_page
from pages.listening.clips import READ_SLOT, choose_clip, draw_sources
from pages.listening.player import draw_player
from pages.listening.results import (
    ScoredTranscript,
    overall,
    row,
    score_transcripts,
    to_csv,
    to_json,
)
from pages.listening.side_by_side import Contender, draw_side_by_side
from pages.session.job_box import job_box, show_problem
from pages.session.jobs import Job, Parts
from pages.session.session import Clip, Session, TranscriptKey
from pages.session.shelves import model_id
from pages.variants.drift import draw_drift
from pages.widgets.basics import explain, primary_button
from pages.widgets.choices import held
from pages.widgets.formatting import escape_markdown, number_of, percent, seconds

AUTO_SECONDS = 90.0
"""Audio times models that is transcribed without asking; more waits for the button."""

_SLOT = "transcribe"

EXPLANATION = (
    "Each model hears the same audio. The **original** is always first and blue; every variant has"
    " its own colour. Words that differ are marked by shape and letter: substituted words are"
    " underlined (S), inserted ones boxed (I), missing ones struck through (D).",
    r"**Word error rate.** With a reference text, $\mathrm{WER} = \frac{S + I + D}{N}$, where $N$"
    " is the number of words in the reference. Both sides first pass through the same normaliser,"
    " which is named beside the number. CER counts characters instead of words.",
    "**Worked example.** Reference *turn on the light in here*, transcript *turn the lights in here"
    " now*: *on* is missing (D), *light* became *lights* (S), *now* is new (I). That makes 3 errors"
    " in 6 words, a WER of 50 %.",
    "**Divergence.** Without a reference nobody knows what is right. Then the variants are"
    " compared with the original's words: a divergence of 0 % says that compression changed"
    " nothing, not that either is correct.",
    "**Real-time factor** is computing time over audio time: 0.1 is ten times faster than speech.",
)


def draw(session: Session, model: SpeechModel) -> None:
    """Draw the page."""
    st.title("Transcribe")
    st.markdown(
        f"Give {escape_markdown(model.name)} something to hear and read, word by word, what each"
        " compressed variant makes of it."
    )
    draw_sources(session)
    clip = choose_clip(session)
    if clip is None:
        with st.container(border=True):
            job_box(session.jobs, (READ_SLOT,), _invite, wide=True)
        explain(EXPLANATION)
        return
    if clip.origin != "bundled" and model.source in DEMO_MODELS:
        st.warning(
            "This small model knows commands and numbers; load a Whisper for open speech.",
            icon=":material/record_voice_over:",
        )
    draw_player(clip)
    contenders, options = _choices(session, model)
    normaliser = st.session_state["normaliser"]
    _run(session, clip, contenders, options)
    results = [
        result
        for each in session.clips.values()
        for result in _results(session, each, contenders, options, normaliser)
    ]
    draw_side_by_side(clip, contenders, results)
    _drift(session, model, clip, contenders)
    _table(session, contenders, results, normaliser, options)
    explain(EXPLANATION)


def _invite() -> None:
    st.markdown(
        "**Here will be the transcripts, side by side.** Pick a bundled clip above to start;"
        " nothing leaves this server."
    )


def _choices(session: Session, model: SpeechModel) -> tuple[list[Contender], TranscriptionOptions]:
    """Which variants to compare, and how."""
    variants = session.variants_of(model)
    by_id = {variant.id: variant for variant in variants}
    left, middle, right = st.columns([3, 1.2, 1], vertical_alignment="bottom")
    with left:
        # New variants, new pills: a late answer of the old ones must not hide what is new.
        key = f"compare:{','.join(variant.id for variant in variants)}"

        def changed() -> None:
            session.hidden_variants = set(by_id) - set(st.session_state[key])

        if variants:
            st.pills(
                "Compare the original with",
                list(by_id),
                selection_mode="multi",
                default=[name for name in by_id if name not in session.hidden_variants],
                format_func=lambda name: escape_markdown(by_id[name].name) if name in by_id else "",
                key=key,
                on_change=changed,
            )
        else:
            st.page_link(
                "pages/compress.py",
                label="No variant yet: make one on Compress, then compare it here",
                icon=":material/compress:",
            )
    with middle:
        names = list(NORMALISERS)
        st.selectbox(
            "Normaliser",
            names,
            index=names.index(held("normaliser", names[0])),
            key="normaliser",
            persist_state="session",
            help="  \n".join(f"**{name}**: {text}" for name, text in NORMALISERS.items()),
        )
    with right, st.popover("Options", icon=":material/tune:", width="stretch"):
        options = _options(model)
    chosen = [by_id[name] for name in by_id if name not in session.hidden_variants]
    contenders = [("original", ORIGINAL, model)]
    contenders += [(variant.name, variant.color, variant.model) for variant in chosen]
    return contenders, options


def _options(model: SpeechModel) -> TranscriptionOptions:
    known, own = languages(model), presets(model)
    # what the checkpoint says is chosen at first, and holds as long as nobody chooses otherwise
    preset = language_name(own.language) if own.language else "detected"
    spoken = list(known) if preset in known else [preset, *known]
    own_task = own.task or "transcribe"
    mode_key = f"long-form:{model.weight_hash[:16]}"
    language_key, task_key = (f"{name}:{model.weight_hash[:16]}" for name in ("language", "task"))
    language = st.selectbox(
        "Language",
        spoken,
        index=spoken.index(held(language_key, preset)),
        key=language_key,
        persist_state="session",
        disabled=not known,
        help="For multilingual Whisper; other models know one language.",
    )
    task = st.segmented_control(
        "Task",
        ["transcribe", "translate"],
        default=held(task_key, own_task),
        required=True,
        key=task_key,
        persist_state="session",
        disabled=not known,
        help="Translate: into English, by multilingual Whisper.",
    )
    modes: list[LongForm] = ["auto", "timestamps", "windows"]
    long_form: LongForm = st.selectbox(
        "Audio beyond the model's window",
        modes,
        index=modes.index(held(mode_key, modes[0])),
        key=mode_key,
        persist_state="session",
        disabled=model.architecture.decoding == "ctc",
        help=(
            "timestamps: Whisper's sequential algorithm. windows: pieces cut at pauses. auto:"
            " timestamps where the model predicts them. CTC models use overlapping windows."
        ),
    )
    return TranscriptionOptions(
        language=None if language == preset else language,
        task=None if task in (None, own_task) else task,
        long_form=long_form,
    )


def _run(
    session: Session,
    clip: Clip,
    contenders: Sequence[Contender],
    options: TranscriptionOptions,
) -> None:
    """Start what is missing: at once if it is short, else when the button is pressed."""
    jobs = session.jobs
    here = _missing(session, [clip], contenders, options)
    amount = sum(each.audio.duration for each, _ in here)
    if (
        here
        and amount <= AUTO_SECONDS
        and jobs.running(_SLOT) is None
        and _SLOT not in jobs.problems
    ):
        _start(session, here, options)
        here = _missing(session, [clip], contenders, options)
    everywhere = _missing(session, list(session.clips.values()), contenders, options)

    def idle() -> None:
        if here and _SLOT not in jobs.problems:
            primary_button(
                f"Transcribe {seconds(amount)} of audio in all",
                "graphic_eq",
                key="transcribe",
                on_click=lambda: _start(session, here, options),
            )
        elif len(everywhere) > len(here):
            st.button(
                f"Transcribe the other clips, too ({len(everywhere)} transcripts)",
                icon=":material/graphic_eq:",
                on_click=lambda: _start(session, everywhere, options),
            )
        elif not here:
            st.caption("Every chosen model has heard every clip.")

    job_box(jobs, (_SLOT, READ_SLOT), idle, wide=True)
    show_problem(jobs, _SLOT, "Try again" if here else "Dismiss")


def _missing(
    session: Session,
    clips: Sequence[Clip],
    contenders: Sequence[Contender],
    options: TranscriptionOptions,
) -> list[tuple[Clip, Contender]]:
    return [
        (clip, contender)
        for clip in clips
        for contender in contenders
        if _key(clip, contender[2], options) not in session.transcripts
    ]


def _key(clip: Clip, model: SpeechModel, options: TranscriptionOptions) -> TranscriptKey:
    return clip.id, model_id(model), options


def _start(
    session: Session,
    pairs: Sequence[tuple[Clip, Contender]],
    options: TranscriptionOptions,
) -> None:
    transcripts, parts = session.transcripts, Parts()

    def work(watch: Watch) -> None:
        steps = 100
        for done, (clip, (name, _, model)) in enumerate(pairs):

            def inner(part: int, parts: int, note: str, done: int = done, name: str = name) -> None:
                share = steps * part // parts if parts else 0
                watch.progress(done * steps + share, len(pairs) * steps, f"{name}: {note}")

            watch.progress(done * steps, len(pairs) * steps, name)
            transcript = transcribe(
                model, clip.audio, options, watch=Watch(inner, watch.should_cancel)
            )
            # One assignment to a dict is atomic; each transcript is shown as soon as it is there.
            transcripts[_key(clip, model, options)] = replace(transcript, model=name)
            parts.one_is_ready()

    job: Job[None] = Job("Transcribing", work, lambda nothing: None, parts=parts)
    session.jobs.start(_SLOT, job, lane="listen")


def _results(
    session: Session,
    clip: Clip,
    contenders: Sequence[Contender],
    options: TranscriptionOptions,
    normaliser: str,
) -> list[ScoredTranscript]:
    """Of one clip, in the order of the models."""
    found: list[tuple[str, Transcript]] = []
    for name, _, model in contenders:
        transcript = session.transcripts.get(_key(clip, model, options))
        if transcript is not None:
            found.append((name, transcript))
    original = found[0][1] if found and found[0][0] == "original" else None
    return [
        score_transcripts(
            clip, name, transcript, None if name == "original" else original, normaliser
        )
        for name, transcript in found
    ]


def _drift(
    session: Session, model: SpeechModel, clip: Clip, contenders: Sequence[Contender]
) -> None:
    """Where inside the chosen variants the clip went astray."""
    shown = {name for name, *_ in contenders}
    variants = [variant for variant in session.variants_of(model) if variant.name in shown]
    if variants:
        st.subheader("Where the merge hurts")
        draw_drift(session, model, variants, clip)


def _table(
    session: Session,
    contenders: Sequence[Contender],
    results: Sequence[ScoredTranscript],
    normaliser: str,
    options: TranscriptionOptions,
) -> None:
    """All clips of the session, and the way out for the numbers."""
    if not results:
        return
    left, middle, right = st.columns([3, 1, 1], vertical_alignment="bottom")
    left.subheader("All clips")
    middle.download_button(
        "CSV",
        to_csv(results),
        file_name="coalesce-transcripts.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        width="stretch",
    )
    right.download_button(
        "JSON",
        to_json(results),
        file_name="coalesce-transcripts.json",
        mime="application/json",
        icon=":material/download:",
        on_click="ignore",
        width="stretch",
        help="With the word alignment of every transcript.",
    )
    scores = overall(results, normaliser)
    if scores:
        st.caption(
            "Over all clips with a reference, every word counting alike: "
            + " · ".join(
                f"{escape_markdown(name)} WER **{percent(own.wer)}** of"
                f" {number_of(own.words, 'word')}"
                for name, own in scores.items()
            )
        )
    rows = pd.DataFrame([row(result) for result in results])
    numbers = st.column_config.NumberColumn
    st.dataframe(
        rows.assign(wer=100 * rows["wer"].astype(float), cer=100 * rows["cer"].astype(float)),
        hide_index=True,
        column_order=[
            *("clip", "model", "wer", "cer", "substitutions", "insertions", "deletions"),
            *("compared_with", "text", "real_time_factor"),
        ],
        column_config={
            "clip": st.column_config.TextColumn("Clip", width=150),
            "model": st.column_config.TextColumn("Model", width=170),
            "text": st.column_config.TextColumn("Transcript", width=300),
            "compared_with": st.column_config.TextColumn("Against", width=85),
            "wer": numbers("WER or divergence (%)", format="%.1f", width=150),
            "cer": numbers("CER (%)", format="%.1f", width=70),
            "substitutions": numbers("S", width=45),
            "insertions": numbers("I", width=45),
            "deletions": numbers("D", width=45),
            "real_time_factor": numbers("Real-time factor", format="%.3f"),
        },
        key="all-clips",
        alt="Transcripts and errors of all clips and models.",
    )


run_page(draw)
