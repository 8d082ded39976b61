"""Where heads look, on Clusters and Variance: patterns on a clip, numbers of all heads."""

import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from analysis.figures.attention import ATTENTION_HEIGHT, attention_map, how_to_read
from analysis.inspection.attention import (
    MEASURES,
    Patterns,
    attention,
    distance_unit,
    head_measures,
)
from analysis.inspection.soundtrack import Soundtrack, Track
from analysis.models.speech_model import SpeechModel
from analysis.models.unit_groups import UnitGroup
from analysis.progress import Watch
from analysis.speech.excitation import Excitation
from pages.exploring.unit_sounds import (
    choose_sound,
    load_soundtrack,
    shown_sound,
    soundtrack_shelf,
)
from pages.listening.player import wav
from pages.planning.settings import Settings
from pages.session.job_box import job_slot, show_problem
from pages.session.session import Session
from pages.session.shelves import Shelf, model_id
from pages.widgets.basics import data_table, figure
from pages.widgets.formatting import seconds

EXPLANATION = (
    "**Where it looks.** Each row is one position of the clip, and the colour, on a root scale, how"
    " much of its attention goes to each place. Over sound the spectrogram stands above; in"
    " cross-attention the rows are the words that are being written, so that a head whose bright"
    " cells go down the diagonal aligns words with sound.  \n"
    + "  \n".join(f"**{name.capitalize()}**: {text}" for name, text in MEASURES.items())
    + "  \n**Worked example.** A position that looks at two frames, 0.1 and 0.5 s away, with a half"
    " each: entropy ln 2 = 0.69 nat, distance 0.3 s, diagonality 50 %.",
)

MOST_HEADS = 8
"""Heads whose patterns are drawn at once."""

SLOT = "head-views"
"""Of the job that looks where heads look."""

_MEASURE_SLOT = "head-measures"
_LABEL_WORDS = 6


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """The patterns of one head, and what it is called."""

    name: str
    patterns: Patterns
    head: int


@st.cache_resource(show_spinner=False)
def _views() -> Shelf[tuple[Hashable, ...], tuple[View, ...]]:
    """Patterns by model, clip and heads."""
    return Shelf(12)


@st.cache_resource(show_spinner=False)
def _measures() -> Shelf[tuple[str, str], Mapping[str, np.ndarray]]:
    """Numbers of all heads by model and excitation."""
    return Shelf(8)


def draw(
    session: Session,
    model: SpeechModel,
    group: UnitGroup,
    labels: np.ndarray,
    chosen: np.ndarray,
    settings: Settings,
    norms: np.ndarray,
) -> tuple[dict[str, go.Figure], dict[str, pd.DataFrame]]:
    """The patterns of the chosen heads and of those that merge with them, and the merged one's.

    Parameters
    ----------
    session : Session
    model : SpeechModel
    group : UnitGroup
        Of heads.
    labels : ndarray of int64, (n,)
        Cluster of each head.
    chosen : ndarray of int64, (m,)
        At least one head.
    settings : Settings
    norms : ndarray, (n,)
        Squared norms under the distance.

    Returns
    -------
    figures : dict of str to Figure
    tables : dict of str to DataFrame
    """
    excitation = choose_sound(session, model, settings)
    soundtrack = soundtrack_shelf().find((model_id(model), excitation.identity))
    clip = _choose_clip(soundtrack, excitation) if soundtrack else 0
    alike = [int(head) for head in np.flatnonzero(np.isin(labels, labels[chosen]))]
    heads = sorted(alike, key=lambda head: head not in chosen)[:MOST_HEADS]  # the chosen ones first
    views = _find(session, model, group, heads, labels, settings, norms, excitation, clip)
    loaded = soundtrack_shelf().find((model_id(model), excitation.identity))
    if views is None or loaded is None:
        st.markdown("Here will be where these heads look on a clip.")
        show_problem(session.jobs, SLOT, "Try again")
        job_slot(session.jobs, SLOT)
        return {}, {}
    if soundtrack is None:  # it has just been heard for the first time
        clip = _choose_clip(loaded, excitation)
    track = loaded.tracks[clip]
    st.audio(wav(track.clip.samples), alt="Player of the clip")
    figures, tables = {}, {}
    grid = st.grid(2, min_column_width=330)
    for place, view in enumerate(views):
        chart = attention_map(view.patterns, track, view.head, view.name)
        name = f"attention-{place + 1}-" + re.sub(r"\W+", "-", view.name.lower()).strip("-")
        with grid.cell():
            figure(
                chart,
                key=f"{name}:{group.id}",
                alt=f"{view.name} of {group.title}: where it looks on the clip.",
                height=ATTENTION_HEIGHT,
            )
        figures[name] = chart
        tables[name] = _matrix(view)
    st.caption(how_to_read(views[0].patterns, track))
    return figures, tables | {"heads-on-the-clip": _numbers(views)}


def _choose_clip(soundtrack: Soundtrack, excitation: Excitation) -> int:
    def label(number: int) -> str:
        track = soundtrack.tracks[number]
        words = " ".join(word.text for word in track.words[:_LABEL_WORDS])
        more = " …" if len(track.words) > _LABEL_WORDS else ""
        return f"{number + 1} · {seconds(track.clip.seconds)} · {words}{more}"

    chosen: int = st.selectbox(
        "On the clip",
        range(len(soundtrack.tracks)),
        format_func=label,
        key=f"head-views:clip:{excitation.identity[:12]}",
        persist_state="session",
        help="The words are the model's own.",
    )
    return chosen


def _find(
    session: Session,
    model: SpeechModel,
    group: UnitGroup,
    heads: list[int],
    labels: np.ndarray,
    settings: Settings,
    norms: np.ndarray,
    excitation: Excitation,
    clip: int,
) -> tuple[View, ...] | None:
    recipe = settings.recipe
    variants = [v for v in session.variants_of(model) if group.id in v.compression.groups]
    rule = (recipe.merge, recipe.align_heads, recipe.distance)
    made = tuple(model_id(variant.model) for variant in variants)
    units = (tuple(heads), tuple(labels[heads].tolist()))
    key = (model_id(model), group.id, units, excitation.identity, clip, rule, made)

    def make(watch: Watch) -> tuple[View, ...]:
        track = load_soundtrack(model, excitation, watch).tracks[clip]
        own = attention(model, track, group)
        views = [View(f"Head {head}", own, head) for head in heads]
        for label in dict.fromkeys(labels[heads].tolist()):
            members = np.flatnonzero(labels == label)
            if len(members) > 1:
                merged = attention(
                    model,
                    track,
                    group,
                    merge=members.tolist(),
                    rule=recipe.merge,
                    align_heads=recipe.align_heads,
                    norms=norms,
                )
                which = ", ".join(str(member) for member in members)
                views.append(View(f"{which} merged", merged, 0))
        for variant in variants:
            views += of_variant(
                variant.model,
                variant.name,
                track,
                group,
                heads,
                variant.compression.groups[group.id].labels,
            )
        return tuple(views)

    return session.jobs.find_or_start(SLOT, _views(), key, make, "Looking where heads look")


def of_variant(
    model: SpeechModel,
    name: str,
    track: Track,
    group: UnitGroup,
    heads: list[int],
    labels: np.ndarray,
) -> list[View]:
    """What became of some heads in a variant; heads that were dropped are left out."""
    own = next(other for other in model.groups if other.id == group.id)
    patterns = attention(model, track, own)
    found = []
    for new in dict.fromkeys(int(labels[head]) for head in heads if labels[head] >= 0):
        members = ", ".join(str(head) for head in np.flatnonzero(labels == new))
        found.append(View(f"“{name}”, from {members}", patterns, new))
    return found


def find_measures(
    session: Session, model: SpeechModel, settings: Settings
) -> Mapping[str, np.ndarray] | None:
    """The numbers of all heads; starts measuring where there are none yet."""
    excitation = shown_sound(session, model, settings)
    key = (model_id(model), excitation.identity)

    def make(watch: Watch) -> Mapping[str, np.ndarray]:
        return head_measures(model, load_soundtrack(model, excitation, watch), watch=watch)

    label = "Measuring where heads look"
    return session.jobs.find_or_start(_MEASURE_SLOT, _measures(), key, make, label)


def wait_for_measures(session: Session) -> None:
    """The progress of the measurement, or why it ended."""
    show_problem(session.jobs, _MEASURE_SLOT, "Measure again")
    job_slot(session.jobs, _MEASURE_SLOT)


def measures_table(model: SpeechModel, measured: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """A row per head of the model, a column per number."""
    return pd.DataFrame(
        {
            "group": group.id,
            "layer": group.title.split(" · ")[0],
            "block": group.block,
            "head": head,
            **dict(zip(MEASURES, (float(value) for value in row), strict=True)),
            "distance_in": distance_unit(group),
        }
        for group in model.groups
        if group.id in measured
        for head, row in enumerate(measured[group.id])
    )


def draw_table(session: Session, model: SpeechModel, settings: Settings) -> dict[str, pd.DataFrame]:
    """The section of Variance: every head's numbers, measured when somebody asks."""
    st.header("Where heads look")
    st.markdown("How sharply each head looks, how far from its own place, and how much stays near.")
    asked = f"head-measures:{model.weight_hash[:16]}"
    if not st.session_state.get(asked):
        if not st.button("Measure it", icon=":material/visibility:", key="measure-heads"):
            st.caption("The model listens to a minute of speech; what was measured is kept.")
            return {}
        st.session_state[asked] = True
    choose_sound(session, model, settings)
    measured = find_measures(session, model, settings)
    if measured is None:
        wait_for_measures(session)
        return {}
    table = measures_table(model, measured)
    names = {"layer": "Layer", "block": "Block", "head": "Head", "distance_in": "Distance in"}
    formats = {
        name: st.column_config.NumberColumn(name.capitalize(), format="%.3f", help=text)
        for name, text in MEASURES.items()
    }
    data_table(
        table,
        height=320,
        column_config={"group": None, **names, **formats},
        alt="Entropy, distance and diagonality of every head.",
    )
    return {"heads": table}


def _matrix(view: View) -> pd.DataFrame:
    """The pattern as it is: a row per query, a column per key."""
    table = pd.DataFrame(
        view.patterns.weights[view.head],
        columns=[f"{place:.3f}" for place in view.patterns.places],
    )
    table.insert(0, "own_place", view.patterns.homes)
    return table


def _numbers(views: tuple[View, ...]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "head": view.name,
            **dict(zip(MEASURES, view.patterns.measures()[view.head].tolist(), strict=True)),
        }
        for view in views
    )
