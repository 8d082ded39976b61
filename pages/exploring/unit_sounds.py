"""What the chosen units hear, on Clusters: their hardest moments, to be played and compared."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from analysis.figures.cka import CKA_HEIGHT, DEFINITION, head_similarity
from analysis.figures.moments import MOST_MEMBERS, TOGETHER_HEIGHT, members_over_time, snippet
from analysis.inspection.activity import group_activity, merged_strength, over_time
from analysis.inspection.answers import CLEAR, LEAST_POSITIONS
from analysis.inspection.moments import Hears, Moment, moments
from analysis.inspection.recordings import Origin, cut_recordings
from analysis.inspection.soundtrack import SECONDS, Soundtrack, find_soundtrack
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from analysis.plan.choices import CALIBRATED
from analysis.progress import Watch
from analysis.speech.audio import Audio
from analysis.speech.excitation import Excitation, default_excitation
from pages.listening.player import wav
from pages.planning.hearing import find_excitation
from pages.planning.settings import Settings
from pages.session.job_box import job_slot, show_problem
from pages.session.jobs import Job
from pages.session.session import Session
from pages.session.shelves import Shelf, model_id
from pages.widgets.basics import figure
from pages.widgets.choices import choose_one
from pages.widgets.formatting import elide, escape_markdown, seconds

SHIPPED, OWN = "Shipped speech", "My clips"
_SOUND_KEY = "unit-sounds:sound"

EXPLANATION = (
    "**What it hears.** A unit works as hard as what it adds to the residual stream is long: of a"
    r" channel $|a(t)|\,\lVert w \rVert$, its activation times the norm of its output column; of a"
    " head the norm of its output behind O; of a cluster the norm of the members' sum. The"
    " ten hardest moments lie at least a second apart. A decoder works at words: its moments are"
    " where its cross-attention finds the word that it writes.",
    "**What it works at** is told where its activity goes with one thing that can be told of the"
    f" sound or the words: Pearson's |r| of {CLEAR:g} or more over all frames or tokens. Tried are"
    " loudness, silence, voicing, onsets and ends, six bands and the place in the clip; in a"
    " decoder, classes of words and every word that is said five times. **Worked example.**"
    " Activity 0, 0, 2, 2 in frames that are unvoiced, unvoiced, voiced, voiced: r = 1; with 0, 2,"
    " 0, 2 it is 0.",
)

_LONGEST_NAME = 24  # of a file, under a picture as wide as a fifth of the page

SLOT = "unit-sounds"
"""Of the job that looks for the moments."""

_AHEAD = "sounds-ahead"


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What was found of some units: their moments, and activity on the clip of one of them.

    Of heads also how alike the outputs of all heads of the layer lie.
    """

    soundtrack: Soundtrack
    hears: Hears
    times: np.ndarray
    strengths: np.ndarray
    together: np.ndarray
    merged: np.ndarray | None
    similarities: np.ndarray | None


@st.cache_resource(show_spinner=False)
def soundtrack_shelf() -> Shelf[tuple[str, str], Soundtrack]:
    """Soundtracks by model and excitation."""
    return Shelf(4)


@st.cache_resource(show_spinner=False)
def _looks() -> Shelf[tuple[Hashable, ...], Look]:
    """What was found, by model, sound and units; a page's clicks go back and forth."""
    return Shelf(32)


def load_soundtrack(model: SpeechModel, excitation: Excitation, watch: Watch) -> Soundtrack:
    """A soundtrack through the shelf; safe in a worker thread."""
    return soundtrack_shelf().get(
        (model_id(model), excitation.identity),
        lambda own: find_soundtrack(model, excitation, watch=own),
        watch,
    )


def listen_ahead(
    session: Session, model: SpeechModel, group: UnitGroup, settings: Settings
) -> None:
    """Hear what there is before anything is chosen, so that a first choice answers sooner."""
    excitation = shown_sound(session, model, settings)
    shelf, key = soundtrack_shelf(), (model_id(model), excitation.identity)
    jobs = session.jobs
    if shelf.find(key) is not None or jobs.running(_AHEAD) is not None or _AHEAD in jobs.problems:
        return

    def make(watch: Watch) -> Soundtrack:
        soundtrack = find_soundtrack(model, excitation, watch=watch)
        moments(model, soundtrack, group, (0,), watch=watch)  # which looks at all units
        return soundtrack

    def work(watch: Watch) -> Soundtrack:
        return shelf.get(key, make, watch)

    # a lane of its own: whoever chooses meanwhile sees how far it is
    job = Job("Listening ahead", work, lambda made: None, stages=3, by_itself=True)
    jobs.start(_AHEAD, job, lane="ahead")


def draw(
    session: Session,
    model: SpeechModel,
    group: UnitGroup,
    chosen: np.ndarray,
    settings: Settings,
    norms: np.ndarray,
) -> tuple[dict[str, go.Figure], dict[str, pd.DataFrame]]:
    """The moments of the chosen units, or the progress of the run that finds them.

    Parameters
    ----------
    session : Session
    model : SpeechModel
    group : UnitGroup
    chosen : ndarray of int64, (m,)
        At least one unit.
    settings : Settings
        How a cluster is merged, and what is listened to.
    norms : ndarray, (n,)
        Squared norms under the distance, for a merge that weighs by them.

    Returns
    -------
    figures : dict of str to Figure
    tables : dict of str to DataFrame
    """
    excitation = choose_sound(session, model, settings)
    turn = f"moment:{model.weight_hash[:16]}:{group.id}"
    place = int(st.session_state.get(turn, 1))
    look = _find(session, model, group, chosen, settings, norms, excitation, place)
    if look is None:
        st.markdown("Here will be the ten moments at which these units work hardest.")
        show_problem(session.jobs, SLOT, "Try again")
        job_slot(session.jobs, SLOT)
        return {}, {}
    hears = look.hears
    if excitation.kind == CALIBRATED:
        # what was found is shared by all who have this sound, and the names of files are not
        hears = replace(hears, origins=_own_clips(session)[1])
        if sum(clip.audio.duration for clip in session.clips.values()) > SECONDS:
            st.caption(f"Of your clips the first {seconds(SECONDS)} are heard.")
    st.markdown(_sentence(hears, len(chosen), group))
    if not hears.moments:
        return {}, {}
    grid = st.grid(5, min_column_width=170)
    for rank, moment in enumerate(hears.moments, start=1):
        with grid.cell():
            _cell(moment, rank, group, hears.origins)
    place = choose_one("On the clip of moment", range(1, len(hears.moments) + 1), key=turn)
    moment = hears.moments[place - 1]
    unit = group.noun
    chart = members_over_time(
        look.soundtrack.tracks[moment.clip],
        look.times,
        look.strengths,
        chosen.tolist(),
        together=look.together,
        merged=look.merged,
        around=moment.seconds,
        unit=unit,
    )
    figure(
        chart,
        key="members-over-time",
        alt=f"Spectrogram of a clip, activity of the chosen {unit}s, and of the merged one.",
        height=TOGETHER_HEIGHT,
    )
    if len(chosen) > MOST_MEMBERS:
        st.caption(f"Drawn are the {MOST_MEMBERS} of {len(chosen):,} that work hardest here.")
    table = pd.DataFrame(hears.rows())
    members = over_time(
        look.times,
        look.strengths,
        chosen.tolist(),
        together=look.together,
        merged=look.merged,
        unit=unit,
    )
    figures = {"members-over-time": chart}
    tables = {"moments": table, "members-over-time": members}
    if look.similarities is not None:
        square = head_similarity(look.similarities, range(group.n_units))
        figure(
            square,
            key="head-similarity",
            alt=f"CKA of the outputs of the heads of {group.title}.",
            height=CKA_HEIGHT,
        )
        st.caption(f"Of what the heads write. {DEFINITION}")
        figures["head-cka"] = square
        tables["head-cka"] = pd.DataFrame(look.similarities)
    return figures, tables


def choose_sound(session: Session, model: SpeechModel, settings: Settings) -> Excitation:
    """The shipped speech, or the visitor's own clips where there are any."""
    if session.clips:
        choose_one("Sound", [SHIPPED, OWN], key=_SOUND_KEY)
    return shown_sound(session, model, settings)


def shown_sound(session: Session, model: SpeechModel, settings: Settings) -> Excitation:
    """What `choose_sound` stands at."""
    if session.clips and st.session_state.get(_SOUND_KEY) == OWN:
        own, _ = _own_clips(session)
        session.heard.add(own.identity)
        return own
    recipe = settings.recipe
    if recipe.excitation == CALIBRATED:
        recipe = recipe.changed(excitation=default_excitation())
    if recipe.level == "thorough":  # five minutes are looked at, whatever is listened to
        recipe = recipe.changed(level="standard")
    shipped = find_excitation(session, model, recipe)
    assert shipped is not None  # only a visitor's clip may be missing
    return shipped


def _own_clips(session: Session) -> tuple[Excitation, tuple[Origin, ...]]:
    """The visitor's clips as sound, and where each part of it comes from."""
    clips = session.clips.values()
    names = tuple((clip.id, clip.audio.name) for clip in clips)
    return _cut(names, [clip.audio for clip in clips])


@st.cache_resource(show_spinner=False, max_entries=8)
def _cut(
    names: tuple[tuple[str, str], ...], _audios: list[Audio]
) -> tuple[Excitation, tuple[Origin, ...]]:
    return cut_recordings(_audios)


def _find(
    session: Session,
    model: SpeechModel,
    group: UnitGroup,
    chosen: np.ndarray,
    settings: Settings,
    norms: np.ndarray,
    excitation: Excitation,
    place: int,
) -> Look | None:
    """What was found; starts looking where nobody did yet."""
    recipe, units = settings.recipe, tuple(chosen.tolist())
    rule = (recipe.merge, recipe.align_heads, recipe.distance)
    key = (model_id(model), group.id, units, excitation.identity, rule, place)

    def make(watch: Watch) -> Look:
        soundtrack = load_soundtrack(model, excitation, watch)
        hears = moments(model, soundtrack, group, units, watch=watch)
        activity = group_activity(model, soundtrack, group, watch=watch)
        clip = hears.moments[min(place, len(hears.moments)) - 1].clip if hears.moments else 0
        here = activity.on_clip(clip)
        merged = None
        if len(units) > 1:
            merged = merged_strength(
                model,
                soundtrack.tracks[clip],
                group,
                units,
                rule=recipe.merge,
                align_heads=recipe.align_heads,
                norms=norms,
            )
        return Look(
            soundtrack,
            hears,
            activity.seconds[here],
            activity.strengths(units, here),
            activity.together(units, here),
            merged,
            activity.similarities(range(group.n_units)) if group.component == "heads" else None,
        )

    label = "Listening for the hardest moments"
    return session.jobs.find_or_start(SLOT, _looks(), key, make, label)


def _sentence(hears: Hears, n_units: int, group: UnitGroup) -> str:
    who = "Together they work" if n_units > 1 else "It works"
    where = "tokens" if group.stack == "decoder" else "frames"
    if not hears.moments:
        return "It never works on this sound."
    half, _, rare, most = hears.quantiles
    strength = f"{who} hardest at {most:.3g}."
    if hears.n_positions >= LEAST_POSITIONS:
        strength = (
            f"{who} hardest at {most:.3g}; half of the {hears.n_positions:,} {where} stay below"
            f" {half:.3g}, all but 1 % below {rare:.3g}."
        )
    answer = f"**{escape_markdown(hears.answer.sentence)}** " if hears.answer else ""
    return f"{answer}{strength}"


def _cell(moment: Moment, rank: int, group: UnitGroup, origins: Sequence[Origin]) -> None:
    """One moment: its spectrogram, its player, its words."""
    said = " ".join(word.text for word in moment.words)
    st.image(
        snippet(moment),
        width="stretch",
        alt=f"Spectrogram of moment {rank}: {said or 'no word'}.",
    )
    st.audio(wav(moment.samples), alt=f"Player of moment {rank}")
    words = escape_markdown(said) if said else "no word"
    if group.stack == "decoder":
        before = f"after “{escape_markdown(moment.read)}”" if moment.read else "at the start"
        after = f"“{escape_markdown(moment.written)}”" if moment.written else "the end"
        words = f"{before} writes {after}"
        if moment.read and moment.read == moment.written:  # a word of several tokens
            words = f"goes on with {after}"
    where, at = f"clip {moment.clip + 1}", moment.seconds
    if origins:
        name, at = moment.place(origins)
        where = escape_markdown(elide(name, _LONGEST_NAME))
    st.caption(f"**{rank}** · {moment.value:.3g} · {where}, {at:.2f} s  \n{words}")
