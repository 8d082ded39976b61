"""Two transcripts without names: which is better? And who is ahead."""

import random

import streamlit as st

from analysis.evaluation.blind import Trial, Verdict, standing, trials_of
from analysis.evaluation.significance import LEVEL_SHOWN
from analysis.figures.marked_words import plain_transcript
from pages.runs.opened import draw_sound
from pages.session.sweep_state import SweepState
from pages.widgets.formatting import escape_markdown, percent

_SEED, _TOLD = "blind-seed", "blind-told"


def draw_blind(state: SweepState, model: int, base: int) -> None:
    """The next pair, three answers, and the scoreboard."""
    if model == base:
        st.caption("Choose two different models.")
        return
    pair = (min(model, base), max(model, base))
    seed: int = st.session_state.setdefault(_SEED, random.SystemRandom().randrange(2**31))
    outcomes = state.table_against(base).outcomes
    trials = state.remember(("blind", pair), lambda: trials_of(outcomes, *pair, seed))
    verdicts = state.verdicts.setdefault(tuple(outcomes.names[place] for place in pair), [])
    if not trials:
        st.caption("The two wrote the same words everywhere.")
        return
    if len(verdicts) < len(trials):
        _draw_trial(state, trials[len(verdicts)], verdicts)
    else:
        st.caption("All utterances of which the two wrote different words are judged.")
    own = standing(verdicts, model)
    names = outcomes.names
    told = len(verdicts) == len(trials) or st.toggle(
        "Show the score",
        key=f"{_TOLD}:{pair}",
        help="It tells who is who: verdicts after it are no longer blind.",
    )
    st.markdown(
        f"{len(verdicts)} of {len(trials)} judged"
        + (
            f": **{escape_markdown(names[model])}** better in {own.wins}, "
            f"**{escape_markdown(names[base])}** in {own.losses}, equal in {own.ties}"
            + (
                f"; {percent(own.share, 0)} of those decided, {LEVEL_SHOWN} interval"
                f" {percent(own.interval.low, 0)} to {percent(own.interval.high, 0)} (Wilson)."
                if own.wins or own.losses
                else "."
            )
            if verdicts and told
            else ". Who is who is told with the score."
        )
    )


def _draw_trial(state: SweepState, trial: Trial, verdicts: list[Verdict]) -> None:
    outcomes = state.table_against(0).outcomes
    utterance = outcomes.utterances[trial.place]
    with st.container(border=True):
        draw_sound(state, utterance, "The clip")
        sides = (trial.left, trial.right)
        for column, label, place in zip(st.columns(2), "AB", sides, strict=True):
            column.markdown(f"**{label}**")
            column.html(plain_transcript(outcomes.models[place].results[trial.place].text))
        answers = (("A is better", trial.left), ("Equal", None), ("B is better", trial.right))
        with st.container(horizontal=True):
            for label, better in answers:
                st.button(
                    label,
                    key=f"blind:{label}",
                    on_click=verdicts.append,
                    args=(Verdict(trial, better),),
                )
