"""Evaluate: many compressed models on a corpus, with the tests that a paper needs."""

import streamlit as st

from analysis.compression.effort import WORTH_SAYING, about
from analysis.evaluation.foresight import Foresight, foresee
from analysis.evaluation.sweep_spec import SweepSpec
from analysis.models.speech_model import SpeechModel
from analysis.wording import number_of
from pages.frame.frame import run_page
from pages.planning import mode
from pages.planning.hearing import find_excitation
from pages.runs.opened import draw_open_results
from pages.runs.sweep_choices import Choices, draw_choices, draw_faults
from pages.runs.sweep_results import draw_results
from pages.runs.sweeps import HELDOUT, SLOT, heldout_seconds, start, state_of
from pages.session.job_box import job_box, show_problem
from pages.session.session import Session
from pages.session.shelves import footprint_of
from pages.session.sweep_state import SweepState
from pages.widgets.basics import explain, primary_button, show_error
from pages.widgets.formatting import escape_markdown

EXPLANATION = (
    "**Word error rate** over the whole corpus: substitutions, insertions and deletions of all"
    " utterances, over all words of the references, after one normaliser on both sides. An average"
    " of the utterances' own rates would weigh a word of a short one more.",
    "**How sure is it?** The bands redraw the utterances (whole speakers, where ten or more are"
    " known) with replacement, 10,000 times, and show where 95 % of the WERs fall (Bisani and Ney"
    " 2004). Two models hear the same utterances, so their *difference* is surer than either rate:"
    " it is redrawn in pairs.",
    "**p, permutation**: if two models were equally good, the errors of each utterance (or speaker)"
    " could as well have come out the other way round. It is the share of all ways to exchange them"
    " that differ by as much: exact, and never below 2/2ⁿ where n of them differ.",
    "**MAPSSWE**, the test that speech papers report (Gillick and Cox 1989), cuts the utterances"
    " into segments between words that both models get right, and asks whether the mean difference"
    " of errors per segment could be zero.",
    "**Worked example.** 2 wrong words in 40 are a WER of 5 %. If another model makes 1 more error"
    " in each of 9 segments and 1 less in a tenth, the mean difference is 0.8, its standard error"
    " 0.2: z = 4, p < 0.001, though the two WERs' own bands may well overlap.",
    "**Data**: LibriSpeech folders (`*.trans.txt`), folders with `metadata.csv` (columns"
    " `file_name`, `transcription`, optionally `speaker`), JSONL manifests (`audio_filepath`,"
    " `text`). The same sweep runs in the shell, on many processes and machines: `coalesce sweep`.",
)


def draw(session: Session, model: SpeechModel) -> None:
    """Draw the page."""
    mode.follow_link(model)
    st.title("Evaluate")
    st.markdown(
        "How many words do compressed models get wrong, on a whole corpus, and is a difference"
        " more than chance?"
    )
    state = state_of(session, model)
    # folded where there are results, which then are in sight
    with st.expander("What is evaluated", icon=":material/tune:", expanded=not state.evaluated):
        choices = draw_choices(session, model)
    _draw_start(session, model, state, choices)
    if choices.problem is not None:
        show_error(choices.problem)
    draw_open_results(session, model)
    show_problem(session.jobs, SLOT)
    _draw_corpus(state)
    if state.evaluated:
        if session.jobs.running(SLOT) is not None:
            st.caption("Models are still being evaluated: what follows is of those so far.")
        draw_results(session, model, state)
    elif session.jobs.running(SLOT) is None:
        with st.container(border=True):
            st.markdown(
                "Here will be the curves: WER against what was removed, a line per method, then"
                " WER against size and speed, a table for a paper, and the worst utterances."
            )
    explain(EXPLANATION)


def _draw_start(session: Session, model: SpeechModel, state: SweepState, choices: Choices) -> None:
    """How long it will take, and under it the button, or the progress of what runs."""
    spec, made, limit = choices.spec, choices.made, choices.limit
    foresight = None
    if spec is not None:
        foresight = foresee(
            model,
            footprint_of(model),
            spec.cells(),
            len(made),
            hear=lambda recipe: find_excitation(session, model, recipe),
            real_time_factor=state.original.real_time_factor if state.evaluated else None,
        )
        st.markdown(f":small[{_time(foresight, spec, limit)}]")

    def idle() -> None:
        pressed = primary_button(
            f"Evaluate {number_of(foresight.n_models, 'model')}" if foresight else "Evaluate",
            "monitoring",
            key="start-sweep",
            disabled=spec is None,
        )
        if pressed and spec is not None:
            start(session, model, spec, made, limit, choices.options)
            st.rerun()

    job_box(session.jobs, (SLOT,), idle, wide=True)


def _time(foresight: Foresight, spec: SweepSpec, limit: int | None) -> str:
    """How long it will take, as far as the data are known."""
    if spec.data == str(HELDOUT):
        said = f"It takes {about(foresight.seconds(heldout_seconds(limit)))} on this computer"
    else:
        said = f"It takes {about(60 * foresight.transcribing)} for each minute of sound"
        if foresight.listening:
            said += f", and {about(foresight.listening)} to listen first"
    trading = foresight.trading
    more = f"; trades of units may add {about(trading)}" if trading >= WORTH_SAYING else ""
    n = foresight.n_baselines
    beside = (
        f" {n} of the models {'is' if n == 1 else 'are'} magnitude at the K of another."
        if n
        else ""
    )
    return f"{said}{more}. What was transcribed before takes none.{beside}"


def _draw_corpus(state: SweepState) -> None:
    """What was checked, and every file that was left out."""
    corpus = state.corpus
    if corpus is None:
        return
    st.caption(f"{escape_markdown(corpus.name)}: {escape_markdown(corpus.describe())}")
    draw_faults(corpus.faults, "left out", "sweep-faults")


run_page(draw)
