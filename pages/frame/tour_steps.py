"""The steps of the guided tour: what each asks for, from the model's own numbers, and sees done.

It sees what was done by a value of the page, such as where a slider stands, that differs from the
one it met there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from analysis.clustering.curves import knee, redundancy
from analysis.clustering.merge_tree import MergeTree
from analysis.evaluation.ladder import PERCENTS
from analysis.evaluation.scoring import score
from analysis.models.speech_model import SpeechModel
from analysis.models.statistics import UNITS
from analysis.models.unit_groups import UnitGroup
from analysis.wording import number_of
from pages.exploring.cluster_selection import ONE_GROUP, VIEW_KEY, from_knee
from pages.exploring.measurements import STATISTIC_KEY, known_trees
from pages.listening.opening import FIRST_PERCENT, PERCENT_KEY, clip_on_show
from pages.listening.rehearsal import NORMALISER, heard_on_show
from pages.planning.group_choice import selected_group
from pages.planning.settings import (
    first_recipe,
    in_widgets,
    read_settings,
    widget_key,
    write_setting,
)
from pages.session.session import Session
from pages.session.shelves import model_id
from pages.widgets.choices import held
from pages.widgets.formatting import error_percent, percent

TOUR_SPARSITY = 30  # percent; enough to be heard
BROKEN_FROM = 1 / 3
"""Word error rate from which the tour calls a clip's words broken."""


@dataclass(frozen=True, slots=True)
class TourStep:
    """One stop of the tour.

    Parameters
    ----------
    page : str
        File that it belongs to.
    title : str
    text : callable
        What to do and to see there, from the loaded model's own numbers.
    prepare : callable
        Sets what the page shall show; called from the button that leads there.
    sees : callable
        What it looks at; None while there is nothing yet.
    is_done : callable
        Given what it met there and what it sees now.
    """

    page: str
    title: str
    text: Callable[[Session, SpeechModel], str]
    prepare: Callable[[SpeechModel], None]
    sees: Callable[[Session, SpeechModel], Any]
    is_done: Callable[[Any, Any], bool]


def _known_trees(model: SpeechModel) -> Mapping[str, MergeTree] | None:
    return known_trees(model, read_settings(model).trees)


def most_redundant(groups: Sequence[UnitGroup], trees: Mapping[str, MergeTree] | None) -> UnitGroup:
    """The group of channels whose half stands best for all; the first one while trees grow."""
    channels = [group for group in groups if group.component == "ffn"] or list(groups)
    if trees is None:
        return channels[0]
    return max(channels, key=lambda group: redundancy(trees[group.id]))


def _on_listen(session: Session, model: SpeechModel) -> str:
    so_far = "Nothing is removed yet: all three models write the same."
    if _sees_slider(session, model):
        so_far = "Heads and channels are gone now; the line above the words counts the errors."
    return f"{so_far} **Press play, move the slider**, and see whose words break; then see why."


def _on_variance(session: Session, model: SpeechModel) -> str:
    return (
        "Rows are layers, columns their matrices. **Where it is bright, units repeat themselves:**"
        " each has another that is like it. **Click on a cell.**"
    )


def _on_clusters(session: Session, model: SpeechModel) -> str:
    trees = _known_trees(model)
    if trees is None:
        return "The merge trees are being built; then every K answers at once."
    group = selected_group(model, model.groups)
    tree = trees[group.id]
    bend = knee(tree)
    error = tree.inertia(bend) / (tree.total or 1.0)
    is_most = group is most_redundant(model.groups, trees)
    return (
        f"**{group.title}**{', the most redundant channels here' * is_most}: its knee,"
        f" {bend:,} clusters, holds {group.n_units:,} units with an error of"
        f" {error_percent(error)}. **Drag K to the left** and see the error grow."
    )


def _on_compress(session: Session, model: SpeechModel) -> str:
    made = len(session.variants_of(model))
    if made:
        return (
            f"There it is, in the sidebar: **{number_of(made, 'variant')}** of the model. Now"
            " listen to it."
        )
    return (
        f"The slider stands at {TOUR_SPARSITY} %: that share of all heads and channels goes, and"
        " others take over its work. **Press Compress**; it listens to synthesised speech first."
    )


def _on_transcribe(session: Session, model: SpeechModel) -> str:
    return (
        "**Choose a bundled clip**, or speak. Are the words the same with"
        f" {TOUR_SPARSITY} % removed? Then what went was redundant. S, D and I mark words that"
        " changed."
    )


def _on_breaking(session: Session, model: SpeechModel) -> str:
    sparsity, wer = now = _sees_words(session, model) or (0, 0.0)
    if not _is_broken(now, now):
        return (
            "How far does it go? **Raise the slider until the merged model's words break**: until a"
            " third of them is wrong."
        )
    if wer < BROKEN_FROM:
        return f"Even at **{sparsity} %** the WER is {percent(wer, 0)}. Try another clip or finish."
    return (
        f"At **{sparsity} %** the merged model has a word error rate of {percent(wer, 0)}: this is"
        " where it breaks. Compress says up to where a recipe should hold; Evaluate measures it."
    )


def _show_first_words(model: SpeechModel) -> None:
    st.session_state[PERCENT_KEY] = PERCENTS[0]


def _show_similarity(model: SpeechModel) -> None:
    st.session_state[STATISTIC_KEY] = "nearest_cosine"
    st.session_state[widget_key(model, "group")] = model.groups[0].id


def _select_channels(model: SpeechModel) -> None:
    group = most_redundant(model.groups, _known_trees(model))
    st.session_state[widget_key(model, "group")] = group.id
    st.session_state[VIEW_KEY] = ONE_GROUP


def _set_default_recipe(model: SpeechModel) -> None:
    recipe = first_recipe(model).changed(sparsity=TOUR_SPARSITY / 100)
    for name, value in in_widgets(recipe).items():
        write_setting(model, name, value)


def _leave_as_is(model: SpeechModel) -> None:
    """The page is right as it stands."""


def _sees_slider(session: Session, model: SpeechModel) -> int:
    return held(PERCENT_KEY, FIRST_PERCENT)


def _sees_cell(session: Session, model: SpeechModel) -> tuple[str, ...]:
    group = st.session_state.get(widget_key(model, "group"), model.groups[0].id)
    matrices = [
        st.session_state.get(widget_key(model, f"matrix:{component}")) or UNITS
        for component in ("ffn", "heads")
    ]
    return (group, *matrices)


def _sees_k(session: Session, model: SpeechModel) -> tuple[str, int] | None:
    group = st.session_state.get(widget_key(model, "group"))
    found = next((each for each in model.groups if each.id == group), None)
    place = from_knee(model, found) if found else None
    return None if found is None or place is None else (found.id, place)


def _sees_variants(session: Session, model: SpeechModel) -> int:
    return len(session.variants_of(model))


def _sees_transcripts(session: Session, model: SpeechModel) -> int:
    own = {model_id(variant.model) for variant in session.variants_of(model)}
    return sum(identity in own for _, identity, _ in session.transcripts)


def _sees_words(session: Session, model: SpeechModel) -> tuple[int, float] | None:
    """The slider and the merged model's word error rate there, once its words are made."""
    sparsity = held(PERCENT_KEY, FIRST_PERCENT)
    merged = heard_on_show(session, sparsity).get("merged")
    if merged is None:
        return None
    return sparsity, score(clip_on_show().reference, merged.text, NORMALISER).wer


def _is_broken(met: tuple[int, float], now: tuple[int, float]) -> bool:
    return now[1] >= BROKEN_FROM or now[0] == PERCENTS[-1]


def _differs(met: object, now: object) -> bool:
    return met != now


def _is_further_left(met: tuple[str, int], now: tuple[str, int]) -> bool:
    return now[0] != met[0] or now[1] < met[1]


def _is_there(met: int, now: int) -> bool:
    return now > 0


STEPS: tuple[TourStep, ...] = (
    TourStep(
        "pages/listen.py",
        "Hear it first",
        _on_listen,
        _show_first_words,
        _sees_slider,
        _differs,
    ),
    TourStep(
        "pages/variance.py",
        "Which layers repeat themselves?",
        _on_variance,
        _show_similarity,
        _sees_cell,
        _differs,
    ),
    TourStep(
        "pages/clusters.py",
        "Who falls together?",
        _on_clusters,
        _select_channels,
        _sees_k,
        _is_further_left,
    ),
    TourStep(
        "pages/compress.py",
        "Compress",
        _on_compress,
        _set_default_recipe,
        _sees_variants,
        _is_there,
    ),
    TourStep(
        "pages/transcribe.py",
        "Is there a difference?",
        _on_transcribe,
        _leave_as_is,
        _sees_transcripts,
        _is_there,
    ),
    TourStep(
        "pages/listen.py",
        "Where the words break",
        _on_breaking,
        _show_first_words,
        _sees_words,
        _is_broken,
    ),
)
