"""Where audio comes from: bundled clips, uploads, the microphone; and which clip is on show."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import streamlit as st

from analysis.errors import UserError
from analysis.evaluation.corpora import Fault
from analysis.evaluation.references import references_by_name
from analysis.evaluation.uploads import ARCHIVE_EXTENSION, TABLE_EXTENSIONS, is_archive, unpack
from analysis.progress import Watch
from analysis.serving import serving
from analysis.speech.audio import MAX_SECONDS, SUPPORTED_EXTENSIONS, read_audio
from analysis.wording import number_of
from pages.listening.bundled import BundledClip, bundled_clips, title_of
from pages.session.job_box import show_problem
from pages.session.jobs import Job
from pages.session.session import Clip, Session, clip_id
from pages.widgets.basics import show_error
from pages.widgets.formatting import elide, seconds

READ_SLOT = "read"

LONGEST_NAME = 24
"""Characters of a clip's name in its list; the middle of a longer one is left out."""

Source = tuple[Path | bytes, str, str, str]
"""What to read, its name for people, reference text, origin."""

Table = tuple[str, bytes]
"""File name and content of a table that says what is said in clips."""

Outcome = Clip | UserError | Table

MAX_CLIPS = 100
"""Of the archives of one upload; whole corpora are for Evaluate."""


def draw_sources(session: Session) -> None:
    """Upload, microphone and bundled clips, in one row."""
    left, middle, right = st.columns(3)
    with left:
        draw_upload(session)
    with middle:
        _microphone(session)
    with right:
        _bundled(session)
    _outcomes(session)


def take_bundled(session: Session, bundled: BundledClip) -> Clip:
    """Make a bundled clip the session's and the one on show, at once: they are short."""
    audio = read_audio(bundled.path, name=title_of(bundled))
    clip = Clip(clip_id(audio), audio, bundled.reference, "bundled")
    session.current_clip = clip.id
    return session.clips.setdefault(clip.id, clip)


def choose_clip(session: Session) -> Clip | None:
    """Which of the session's clips is on show."""
    clips = dict(session.clips.items())  # of one moment: another tab may remove one
    if not clips:
        return None
    wanted = session.current_clip
    shown = wanted if wanted is not None and wanted in clips else list(clips)[-1]
    session.current_clip = shown
    # A new box for every clip on show: an old one's answer may arrive late, and is then ignored.
    key = f"clip:{shown}"

    def changed() -> None:
        if session.current_clip == shown:
            session.current_clip = st.session_state[key]

    st.selectbox(
        f"Clip on show ({len(clips)} loaded)",
        list(clips),
        index=list(clips).index(shown),
        format_func=lambda clip: _label(clips[clip]) if clip in clips else "",
        key=key,
        on_change=changed,
        help="Every clip that was uploaded, recorded or picked in this session.",
    )
    return clips[shown]


def edit_clip(session: Session, clip: Clip) -> None:
    """Behind a button: what is said in the clip, and the way to be rid of it."""
    key = reference_key(clip)

    def changed() -> None:
        clip.reference = st.session_state[key]

    # with a key of its own, so that it is closed where the next clip takes the place of this one
    with st.popover("Edit clip", icon=":material/edit:", key=f"edit:{clip.id}"):
        st.text_area(
            "Reference text",
            value=clip.reference,
            key=key,
            on_change=changed,
            height=132,
            placeholder="What is said, if you know it: then errors are counted against it.",
            help="Without it, variants are compared with the original's transcript.",
        )
        st.button(
            "Remove the clip",
            icon=":material/delete:",
            key=f"remove:{clip.id}",
            on_click=lambda: remove(session, clip),
            help="Forgets it, its transcripts and its drift.",
        )


def remove(session: Session, clip: Clip) -> None:
    """Forget a clip, and what was heard and measured on it."""
    session.clips.pop(clip.id, None)
    session.transcripts.drop(lambda key: key[0] == clip.id)
    session.drifts.drop(lambda key: key[0] == clip.id)


def _label(clip: Clip) -> str:
    return f"{elide(clip.audio.name, LONGEST_NAME)} · {seconds(clip.audio.duration)}"


def _bundled(session: Session) -> None:
    """A list that reads what is chosen, and is then open for another choice."""
    version = st.session_state.setdefault("bundled:version", 0)
    clips = {clip.path.name: clip for clip in bundled_clips()}
    key = f"bundled:{version}"

    def chosen() -> None:
        name = st.session_state[key]
        st.session_state["bundled:version"] += 1
        if name in clips:
            pick(session, clips[name])

    st.selectbox(
        "Or a bundled clip",
        list(clips),
        index=None,
        format_func=lambda name: (
            f"{title_of(clips[name])} · {seconds(clips[name].duration)}" if name in clips else ""
        ),
        key=key,
        on_change=chosen,
        placeholder=f"Choose one of {len(clips)}",
        help="Synthesised speech of what the bundled models know, with its reference.",
    )


def pick(session: Session, clip: BundledClip) -> None:
    """Make a bundled clip the one on show."""
    read(session, [(clip.path, title_of(clip), clip.reference, "bundled")])


def draw_upload(session: Session) -> None:
    """A drop zone for clips, which become the session's, and for tables of what is said in them."""
    version = st.session_state.setdefault("upload:version", 0)
    key = f"upload:{version}"

    def uploaded() -> None:
        files = st.session_state[key]
        # Taken over by the session: the drop zone starts empty again.
        st.session_state["upload:version"] += 1
        given = [(file.name, file.getvalue()) for file in files]
        archives = [one for one in given if is_archive(one[0])]
        tables = [one for one in given if _is_table(one[0])]
        sounds = [
            (content, name, "", "upload")
            for name, content in given
            if not (_is_table(name) or is_archive(name))
        ]
        read(session, sounds, tables, archives)

    # No `type` filter: content decides what can be read, not the extension.
    st.file_uploader(
        "Audio and references",
        accept_multiple_files=True,
        key=key,
        on_change=uploaded,
        help=f"Audio: up to {_longest()} each;"
        f" {', '.join(e.lstrip('.') for e in SUPPORTED_EXTENSIONS)}."
        "  \nReferences, matched by file name: a text that is called as its clip is; lines of"
        " “name words”; a CSV with file\\_name and transcription; a JSONL manifest."
        f"  \nBoth in a ZIP file, too ({ARCHIVE_EXTENSION}), with up to {MAX_CLIPS} clips.",
    )


def _longest() -> str:
    limit = serving().limits.clip_seconds
    return "an hour" if limit == MAX_SECONDS else f"{limit:g} s"


def _is_table(name: str) -> bool:
    return name.lower().endswith(TABLE_EXTENSIONS)


def _microphone(session: Session) -> None:
    def recorded() -> None:
        recording = st.session_state["microphone"]
        if recording is not None:
            number = sum(clip.origin == "microphone" for clip in session.clips.values()) + 1
            read(session, [(recording.getvalue(), f"Recording {number}", "", "microphone")])

    st.audio_input("Record with the microphone", key="microphone", on_change=recorded)


def read(
    session: Session,
    sources: Sequence[Source],
    tables: Sequence[Table] = (),
    archives: Sequence[tuple[str, bytes]] = (),
) -> None:
    """Decode files in the background; the last one becomes the clip on show.

    Then tables, loose and from archives, are matched with all clips of the session by file name.
    """

    def work(watch: Watch) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for done, source in enumerate(sources):
            watch.check()
            watch.progress(done, len(sources), source[1])
            outcomes.append(_read_one(source, watch))
        n_over, names = 0, set[str]()
        for found in unpack(archives):
            watch.check()
            if isinstance(found, Fault):
                outcomes.append(UserError(f"{found.where}: {found.reason}"))
                continue
            name, content = PurePosixPath(found[0].replace("\\", "/")).name, found[1]
            if _is_table(name):
                outcomes.append((name, content))
            elif name in names:
                outcomes.append(
                    UserError(
                        f"{name} was left out: another clip of the upload is called so, too.",
                        "Give each clip its own name; references are matched by it.",
                    )
                )
            elif len(names) < MAX_CLIPS:
                watch.progress(len(names), MAX_CLIPS, name)
                names.add(name)
                outcomes.append(_read_one((content, name, "", "upload"), watch))
            else:
                n_over += 1
        if n_over:
            outcomes.append(
                UserError(
                    f"{number_of(n_over, 'clip')} more than the {MAX_CLIPS} that are taken out of"
                    " archives were left out.",
                    "Upload them by themselves, or take all of them to Evaluate.",
                )
            )
        return outcomes

    def deliver(outcomes: list[Outcome]) -> None:
        session.file_problems = [o for o in outcomes if isinstance(o, UserError)]
        for clip in outcomes:
            if isinstance(clip, Clip):
                known = session.clips.get(clip.id)
                session.clips[clip.id] = known or clip
                session.current_clip = clip.id
        for table in (*tables, *(o for o in outcomes if isinstance(o, tuple))):
            _refer(session, *table)

    if sources or tables or archives:
        session.jobs.start(READ_SLOT, Job("Reading audio", work, deliver), lane="read")


def _read_one(source: Source, watch: Watch) -> Clip | UserError:
    sound, name, reference, origin = source
    own = isinstance(sound, bytes)  # bundled clips may be longer than visitors' own
    try:
        audio = read_audio(
            sound,
            name=name,
            max_seconds=serving().limits.clip_seconds if own else MAX_SECONDS,
            watch=Watch(should_cancel=watch.should_cancel),
        )
    except UserError as error:
        return error
    return Clip(clip_id(audio), audio, reference, origin)


def _refer(session: Session, table: str, content: bytes) -> None:
    """Take over the references of one table."""
    names = [clip.audio.name for clip in session.clips.values()]
    try:
        texts = references_by_name(table, content, names)
    except UserError as error:
        session.file_problems.append(error)
        return
    for clip in session.clips.values():
        if clip.audio.name in texts:
            set_reference(clip, texts[clip.audio.name])


def reference_key(clip: Clip) -> str:
    """Key of the box that a clip's reference is typed in."""
    return f"reference:{clip.id}"


def set_reference(clip: Clip, text: str) -> None:
    """Say what is said in a clip; its box shows it, too."""
    clip.reference = st.session_state[reference_key(clip)] = text


def _outcomes(session: Session) -> None:
    """The files that could not be read, each with what to do."""
    show_problem(session.jobs, READ_SLOT)
    for error in session.file_problems:
        show_error(error)
    if session.file_problems:
        st.button("Dismiss", key="dismiss:files", on_click=session.file_problems.clear)
