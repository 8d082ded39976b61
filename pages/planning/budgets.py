"""Fit a budget on Compress: the sparsity slider goes where a size, a cost or a distance is met."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import streamlit as st

from analysis.compression.budget import divergence_from, fit_measured, smallest_sparsity
from analysis.evaluation.own_clips import wer_rise_on
from analysis.plan.budget import Budget
from analysis.plan.choices import MANUAL
from analysis.plan.options import option_of
from analysis.progress import Watch
from analysis.wording import number_of
from pages.planning.draft import Draft
from pages.planning.settings import choose_n_clusters, widget_key, write_setting
from pages.session.jobs import Job
from pages.session.session import Clip, Session
from pages.session.shelves import footprint_of, load_trees, tree_shelf, variances_of
from pages.widgets.formatting import percent

SLOT = "budget"
"""Of the job that finds the sparsity, and of what could not be met."""

_STAGES = 3  # trees, what the original makes of the sound, the halving

_DIVERGENCE, _WER_RISE = "max_divergence", "max_wer_rise"


@dataclass(frozen=True, slots=True)
class _Limit:
    """A limit as the popover asks for it: a number, its unit in words, and as `Budget` reads it."""

    unit: str
    written: str
    first: float


_LIMITS: Mapping[str, _Limit] = {
    "max_size": _Limit("MB", "MB", 10.0),
    "max_parameters": _Limit("millions", "M", 3.0),
    "max_macs": _Limit("% of the original's", "%", 75.0),
    _DIVERGENCE: _Limit("nats per word or frame", "", 0.1),
    _WER_RISE: _Limit("points of WER", "", 2.0),
}


def draw(draft: Draft) -> None:
    """A popover beside the slider; nothing where K is set by hand, for then there is no slider."""
    model = draft.model
    if draft.settings.recipe.allocation == MANUAL:
        return
    spoken = _clips_with_references(draft.session)
    with st.popover("Fit a budget", icon=":material/straighten:"):
        name = st.selectbox(
            "Limit",
            [one for one in _LIMITS if spoken or one != _WER_RISE],
            format_func=lambda one: option_of(Budget, one).option.label,
            key=widget_key(model, "budget:limit"),
            filter_mode=None,
        )
        limit = _LIMITS[name]
        st.number_input(
            f"At most ({limit.unit})",
            min_value=0.001,
            value=limit.first,
            key=widget_key(model, f"budget:{name}"),
            help=option_of(Budget, name).option.help,
        )
        st.button(
            "Fit",
            icon=":material/straighten:",
            width="stretch",
            key=widget_key(model, "budget:fit"),
            on_click=_fit,  # it may move the slider at once, before that is drawn
            args=(draft, name),
            help="Sets the sparsity slider to what meets the limit with the settings on show.",
        )
        if name == _WER_RISE:
            seconds = sum(clip.audio.duration for clip in spoken)
            st.caption(
                f"Measured on {number_of(len(spoken), 'clip')} of yours that have a reference"
                f" ({seconds:.0f} s). Few clips say little: one word may be points."
            )
        elif not spoken:
            st.caption(
                "A limit of the word error rate is offered once a clip on Transcribe has a"
                " reference."
            )


def _clips_with_references(session: Session) -> Sequence[Clip]:
    return [clip for clip in session.clips.values() if clip.reference.strip()]


def _fit(draft: Draft, name: str) -> None:
    """Callback: start the job that finds where the slider should be; sizes take no time."""
    session, model, settings = draft.session, draft.model, draft.settings
    value: float = st.session_state[widget_key(model, f"budget:{name}")]
    recipe, shelf, base = settings.recipe, tree_shelf(), footprint_of(model)
    variances = variances_of(model) if recipe.allocation.startswith("variance") else None
    clips = _clips_with_references(session)
    normaliser = str(st.session_state.get("normaliser", "whisper-english"))

    def work(watch: Watch) -> float:
        trees = load_trees(shelf, model, settings.trees, watch)

        def n_clusters(sparsity: float) -> Mapping[str, int]:
            wanted = replace(settings, recipe=recipe.changed(sparsity=sparsity))
            return choose_n_clusters(draft.groups, wanted, trees, variances, None)

        if name not in (_DIVERGENCE, _WER_RISE):
            budget = Budget.read({name: f"{value:.6f}{_LIMITS[name].written}"})
            return smallest_sparsity(model, budget, n_clusters, base)
        if name == _DIVERGENCE:
            unit, measure = "nats", divergence_from(model, watch=watch)
        else:
            audios, references = [c.audio for c in clips], [c.reference for c in clips]
            unit = "points of WER"
            measure = wer_rise_on(model, audios, references, normaliser, watch=watch)
        return fit_measured(
            model,
            value,
            unit,
            measure,
            lambda sparsity: replace(settings, recipe=recipe.changed(sparsity=sparsity)).plan(
                model, n_clusters(sparsity)
            ),
            trees=trees,
            excitation=settings.heard,
            watch=watch,
        )

    def found(sparsity: float) -> None:
        write_setting(model, "sparsity", round(100 * sparsity))
        st.toast(f"{percent(sparsity, 0)} sparsity meets it.", icon=":material/check:")

    session.jobs.start(SLOT, Job("Fitting a budget", work, found, stages=_STAGES))
