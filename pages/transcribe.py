"""Transcribe: hear what compression did, the original and its variants side by side."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from analysis.figures.marked_words import legend
from analysis.figures.palette import ORIGINAL
from analysis.figures.words import Lane
from analysis.models.loading import DEMO_MODELS
from analysis.models.speech_model import SpeechModel
from analysis.progress import Watch
from analysis.speech.languages import language_name, languages, presets
from analysis.speech.recognition import LongForm
from analysis.speech.transcription import Transcript, TranscriptionOptions, transcribe
from pages.frame.frame import run_page
from pages.listening.bundled import first_clip, title_of
from pages.listening.clips import READ_SLOT, choose_clip, draw_sources, pick
from pages.listening.normaliser import choose_normaliser
from pages.listening.player import draw_player, draw_spectrogram, draw_waveform
from pages.listening.report import draw_report
from pages.listening.results import ScoredTranscript, score_transcripts
from pages.listening.said import draw_words
from pages.listening.side_by_side import DIFFERENCES, Contender, choose_view, draw_side_by_side
from pages.listening.table import draw_table
from pages.session.job_box import job_box, show_problem
from pages.session.jobs import Job, Parts
from pages.session.session import Clip, Session, TranscriptKey
from pages.session.shelves import model_id
from pages.variants.drift import draw_drift
from pages.widgets.basics import explain, introduce, primary_button
from pages.widgets.choices import held
from pages.widgets.formatting import escape_markdown, seconds
from pages.widgets.presented import is_presenting

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
    "**Word by word.** A CTC model says a word in the frames whose likeliest token spells it. A"
    " Whisper tells no times; the cross-attention of a few of its decoder's heads follows what is"
    " written, and is aligned with the words by dynamic time warping. **Sure** is the mean"
    " probability of a word's tokens, each given those before it; a model can be sure and wrong.",
    "**Speed** is not shown here: a single run on a machine that does other things says little."
    " Compress times the encoders of all variants, in turns.",
)


def draw(session: Session, model: SpeechModel) -> None:
    """Draw the page."""
    st.title("Transcribe")
    if not (is_presenting() and session.clips):  # the room is for what is heard
        introduce(
            f"Give {escape_markdown(model.name)} something to hear and read, word by word, what"
            " each compressed variant makes of it."
        )
        draw_sources(session)
    clip = _strip(session)
    if clip is None:
        _invite(session)
        explain(EXPLANATION)
        return
    if clip.origin != "bundled" and model.source in DEMO_MODELS:
        st.warning(
            f"{escape_markdown(model.name)} is small: it knows commands, numbers, dates and"
            " times. For open speech, load a real Whisper by **Change model**.",
            icon=":material/record_voice_over:",
        )
    contenders = _contenders(session, model)
    left, right = st.columns([2, 3], vertical_alignment="center")
    with right.container(horizontal=True, horizontal_alignment="right"):
        view = choose_view()
        with st.popover("Options", icon=":material/tune:"):
            normaliser = choose_normaliser(model)
            options = _options(model)
    with left:
        _run(session, clip, contenders, options)
    results = [
        result
        for each in session.clips.values()
        for result in _results(session, each, contenders, options, normaliser)
    ]
    draw_side_by_side(session, clip, contenders, results, normaliser, view)
    shown = [result for result in results if result.clip is clip]
    lanes = _lanes(contenders, shown)
    row = st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center")
    with row:
        if view == DIFFERENCES and any(result.score for result in shown):
            st.html(legend())
        draw_report(session, model, clip, contenders, shown, lanes)
    draw_words(clip, lanes)
    draw_spectrogram(clip)
    _drift(session, model, clip, contenders)
    draw_table(results, normaliser)
    explain(EXPLANATION)


def _invite(session: Session) -> None:
    first = first_clip()
    with st.container(border=True):
        st.markdown(
            "**Here will be the transcripts, side by side.** Upload, record or choose a clip above;"
            " nothing leaves this server."
        )
        job_box(
            session.jobs,
            (READ_SLOT,),
            lambda: primary_button(
                f"Start with {title_of(first).lower()}",
                "play_arrow",
                key="first-clip",
                on_click=lambda: pick(session, first),
            ),
            wide=True,
        )


def _strip(session: Session) -> Clip | None:
    """The clip on show with its player, beside its waveform."""
    if not session.clips:
        return None
    left, right = st.columns(2, gap="medium", vertical_alignment="center")
    with left:
        clip = choose_clip(session)
        assert clip is not None
        draw_player(clip)
    with right:
        draw_waveform(clip)
    return clip


def _contenders(session: Session, model: SpeechModel) -> list[Contender]:
    """The original and the variants to compare it with."""
    variants = session.variants_of(model)
    names = {variant.id: variant.name for variant in variants}
    # New variants, new pills: a late answer of the old ones must not hide what is new.
    key = f"compare:{','.join(variant.id for variant in variants)}"

    def changed() -> None:
        session.hidden_variants = set(names) - set(st.session_state[key])

    if variants:
        st.pills(
            "Compare the original with",
            list(names),
            selection_mode="multi",
            default=[id_ for id_ in names if id_ not in session.hidden_variants],
            format_func=lambda id_: escape_markdown(names.get(id_, "")),
            key=key,
            on_change=changed,
            wrap=True,
        )
    else:
        st.page_link(
            "pages/compress.py",
            label="No variant yet: make one on Compress",
            icon=":material/compress:",
        )
    chosen = [variant for variant in variants if variant.id not in session.hidden_variants]
    contenders = [("original", ORIGINAL, model)]
    contenders += [(variant.name, variant.color, variant.model) for variant in chosen]
    return contenders


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
        word_times=True,
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
            if primary_button(
                f"Transcribe {seconds(amount)} of audio in all", "graphic_eq", key="transcribe"
            ):
                _start(session, here, options)
                st.rerun()
        elif len(everywhere) > len(here):
            if st.button(
                f"Transcribe the other clips, too ({len(everywhere)} transcripts)",
                icon=":material/graphic_eq:",
                key="transcribe-all",
            ):
                _start(session, everywhere, options)
                st.rerun()
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
    transcripts, parts, original = session.transcripts, Parts(), session.model

    def is_there(clip: Clip, model: SpeechModel) -> bool:
        """Whether the visitor has neither removed the clip nor deleted the variant meanwhile."""
        models = [original, *(variant.model for variant in list(session.variants))]
        return clip.id in session.clips and any(one is model for one in models)

    def work(watch: Watch) -> None:
        steps = 100
        for done, (clip, (name, _, model)) in enumerate(pairs):
            if not is_there(clip, model):
                continue

            def inner(part: int, parts: int, note: str, done: int = done, name: str = name) -> None:
                share = steps * part // parts if parts else 0
                said = note.removeprefix("Transcribing").strip(", ")  # as the box says already
                watch.progress(done * steps + share, len(pairs) * steps, f"{name}: {said}")

            watch.progress(done * steps, len(pairs) * steps, name)
            transcript = transcribe(
                model, clip.audio, options, watch=Watch(inner, watch.should_cancel)
            )
            if not is_there(clip, model):
                continue
            # Each transcript is shown as soon as it is there.
            transcripts[_key(clip, model, options)] = replace(transcript, model=name)
            parts.one_is_ready()

    job: Job[None] = Job("Transcribing", work, lambda nothing: None, parts=parts, by_itself=True)
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


def _lanes(contenders: Sequence[Contender], results: Sequence[ScoredTranscript]) -> list[Lane]:
    """The words of one clip, by model."""
    colors = {name: color for name, color, _ in contenders}
    return [Lane(own.model, colors[own.model], own.transcript.words) for own in results]


def _drift(
    session: Session, model: SpeechModel, clip: Clip, contenders: Sequence[Contender]
) -> None:
    """Where inside the chosen variants the clip went astray."""
    shown = {name for name, *_ in contenders}
    variants = [variant for variant in session.variants_of(model) if variant.name in shown]
    if variants:
        st.header("Where the merge hurts")
        draw_drift(session, model, variants, clip)


run_page(draw)
