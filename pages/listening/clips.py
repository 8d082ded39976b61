"""Where audio comes from: bundled clips, uploads, the microphone; and which clip is on show."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from analysis.errors import UserError
from analysis.progress import Watch
from analysis.speech.audio import SUPPORTED_EXTENSIONS, Audio, read_audio
from pages.listening.bundled import BundledClip, bundled_clips, short_title, title_of
from pages.session.job_box import show_problem
from pages.session.jobs import Job
from pages.session.session import Clip, Session
from pages.widgets.basics import show_error
from pages.widgets.formatting import seconds

CARDS_HEIGHT = 268
"""Of the box that the cards scroll in, in pixels; as high as the upload and the microphone."""

READ_SLOT = "read"


Source = tuple[Path | bytes, str, str, str]
"""What to read, its name for people, reference text, origin."""

Outcome = Clip | UserError


def draw_sources(session: Session) -> None:
    """Upload and microphone beside the bundled clips."""
    left, right = st.columns([1, 2], gap="large")
    with left:
        draw_upload(session)
        _microphone(session)
    with right:
        st.markdown(":small[Or a bundled clip]")
        with (
            st.container(height=CARDS_HEIGHT, border=False, key="cards"),
            st.grid(3, min_column_width=150, gap="xsmall"),
        ):
            for clip in bundled_clips():
                _card(session, clip)
    _outcomes(session)


def take_bundled(session: Session, bundled: BundledClip) -> Clip:
    """Make a bundled clip the session's and the one on show, at once: they are short."""
    audio = read_audio(bundled.path, name=title_of(bundled))
    clip = Clip(_clip_id(audio), audio, bundled.reference, "bundled")
    session.current_clip = clip.id
    return session.clips.setdefault(clip.id, clip)


def choose_clip(session: Session) -> Clip | None:
    """Which of the session's clips is on show."""
    if not session.clips:
        return None
    ids = list(session.clips)
    if session.current_clip not in session.clips:
        session.current_clip = ids[-1]
    # A new box for every clip on show: an old one's answer may arrive late, and is then ignored.
    shown = session.current_clip
    key = f"clip:{shown}"

    def changed() -> None:
        if session.current_clip == shown:
            session.current_clip = st.session_state[key]

    st.selectbox(
        f"Clip on show ({len(ids)} loaded)",
        ids,
        index=ids.index(session.current_clip or ids[-1]),
        format_func=lambda clip: _label(session.clips[clip]) if clip in session.clips else "",
        key=key,
        on_change=changed,
        help="Every clip that was uploaded, recorded or picked in this session.",
    )
    assert session.current_clip is not None
    return session.clips[session.current_clip]


def _label(clip: Clip) -> str:
    return f"{clip.audio.name} · {seconds(clip.audio.duration)}"


def _card(session: Session, clip: BundledClip) -> None:
    title = title_of(clip)
    voices = clip.voice.split()
    voice = voices[0] if len(voices) == 1 else f"{len(set(voices))} voices"
    st.button(
        f":small[{short_title(clip)}]  \n:small[:gray[{seconds(clip.duration)}]]",
        key=f"card:{clip.path.name}",
        help=f"{title}. Synthesised by {voice}.",
        width="stretch",
        on_click=lambda: read(session, [(clip.path, title, clip.reference, "bundled")]),
    )


def draw_upload(session: Session) -> None:
    """A drop zone; what is dropped becomes the session's."""
    version = st.session_state.setdefault("upload:version", 0)
    key = f"upload:{version}"

    def uploaded() -> None:
        files = st.session_state[key]
        # Taken over by the session: the drop zone starts empty again.
        st.session_state["upload:version"] += 1
        read(session, [(file.getvalue(), file.name, "", "upload") for file in files])

    # No `type` filter: content decides what can be read, not the extension.
    st.file_uploader(
        "Upload audio",
        accept_multiple_files=True,
        key=key,
        on_change=uploaded,
        help=f"Up to an hour each; {', '.join(e.lstrip('.') for e in SUPPORTED_EXTENSIONS)}.",
    )


def _microphone(session: Session) -> None:
    def recorded() -> None:
        recording = st.session_state["microphone"]
        if recording is not None:
            number = sum(clip.origin == "microphone" for clip in session.clips.values()) + 1
            read(session, [(recording.getvalue(), f"Recording {number}", "", "microphone")])

    st.audio_input("Record with the microphone", key="microphone", on_change=recorded)


def read(session: Session, sources: Sequence[Source]) -> None:
    """Decode files in the background; the last one becomes the clip on show."""

    def work(watch: Watch) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for done, (source, name, reference, origin) in enumerate(sources):
            watch.check()
            watch.progress(done, len(sources), name)
            try:
                audio = read_audio(
                    source, name=name, watch=Watch(should_cancel=watch.should_cancel)
                )
            except UserError as error:
                outcomes.append(error)
            else:
                outcomes.append(Clip(_clip_id(audio), audio, reference, origin))
        return outcomes

    def deliver(outcomes: list[Outcome]) -> None:
        session.file_problems = [o for o in outcomes if isinstance(o, UserError)]
        for clip in outcomes:
            if isinstance(clip, Clip):
                known = session.clips.get(clip.id)
                session.clips[clip.id] = known or clip
                session.current_clip = clip.id

    if sources:
        session.jobs.start(READ_SLOT, Job("Reading audio", work, deliver), lane="read")


def _clip_id(audio: Audio) -> str:
    return hashlib.sha256(audio.samples.tobytes()).hexdigest()[:24]


def _outcomes(session: Session) -> None:
    """The files that could not be read, each with what to do."""
    show_problem(session.jobs, READ_SLOT)
    for error in session.file_problems:
        show_error(error)
    if session.file_problems:
        st.button("Dismiss", key="dismiss:files", on_click=session.file_problems.clear)
