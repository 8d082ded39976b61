"""A comparison on one clip as files to take along: a report in HTML, a card in PNG."""

from collections.abc import Sequence
from functools import partial

import streamlit as st

from analysis.errors import UserError
from analysis.figures.card import check_letters, comparison_card
from analysis.figures.palette import INKS
from analysis.figures.report import Compared, Theme, comparison_report
from analysis.figures.variants import drift_lines
from analysis.figures.words import Lane, word_lanes
from analysis.models.speech_model import SpeechModel
from pages.listening.results import ScoredTranscript
from pages.listening.side_by_side import Contender
from pages.session.session import Clip, Session
from pages.session.shelves import footprint_of, model_id
from pages.widgets.basics import theme
from pages.widgets.formatting import count, escape_markdown, file_slug, size


def draw_report(
    session: Session,
    model: SpeechModel,
    clip: Clip,
    contenders: Sequence[Contender],
    results: Sequence[ScoredTranscript],
    lanes: Sequence[Lane],
) -> None:
    """A popover with the files of what is compared on a clip; they are made when asked for.

    Parameters
    ----------
    session : Session
    model : SpeechModel
        The original.
    clip : Clip
    contenders : sequence of Contender
        Those chosen.
    results : sequence of ScoredTranscript
        Of this clip.
    lanes : sequence of Lane
    """
    if not results:
        return
    shade: Theme = "dark" if theme() == "dark" else "light"
    models = _compared(session, model, contenders, results)
    name = f"coalesce-{file_slug(clip.audio.name)}"
    with st.popover("Share", icon=":material/ios_share:"):
        st.download_button(
            "Report (HTML)",
            partial(_report, session, clip, models, contenders, lanes, shade),
            file_name=f"{name}.html",
            mime="text/html",
            icon=":material/description:",
            on_click="ignore",
            key="share:report",
            width="stretch",
            help="One file with player, words, errors, plans and figures; works without a network.",
        )
        try:
            check_letters(clip.audio.name, clip.reference, models)
        except UserError as error:
            st.caption(f"No card: {escape_markdown(error.message)}")
            return
        st.download_button(
            "Card (PNG)",
            partial(comparison_card, clip.audio.name, clip.reference, models, shade),
            file_name=f"{name}.png",
            mime="image/png",
            icon=":material/image:",
            on_click="ignore",
            key="share:card",
            width="stretch",
            help="A picture of the words and errors, 1200 by 630 pixels.",
        )


def _compared(
    session: Session,
    model: SpeechModel,
    contenders: Sequence[Contender],
    results: Sequence[ScoredTranscript],
) -> list[Compared]:
    """Each model's words, errors, size and plan."""
    plans = {v.name: v.compression.plan.to_json() for v in session.variants_of(model)}
    by_name = {name: (color, own) for name, color, own in contenders}
    compared = []
    for result in results:
        color, own = by_name[result.model]
        cost = footprint_of(own)
        compared.append(
            Compared(
                name=result.model if result.model != "original" else f"original: {model.name}",
                color=color,
                text=result.transcript.text,
                score=result.score,
                against=result.against,
                cost=f"{count(cost.parameters)} parameters, {size(cost.bytes)} of weights",
                notes=result.transcript.notes,
                plan=plans.get(result.model, ""),
            )
        )
    return compared


def _report(
    session: Session,
    clip: Clip,
    models: Sequence[Compared],
    contenders: Sequence[Contender],
    lanes: Sequence[Lane],
    shade: Theme,
) -> str:
    drifts = {
        name: drift
        for name, _, own in contenders
        if (drift := session.drifts.get((clip.id, model_id(own)))) is not None
    }
    colors = {name: color for name, color, _ in contenders if name in drifts}
    return comparison_report(
        clip.audio,
        clip.reference,
        models,
        lanes=word_lanes(lanes, clip.audio.duration, INKS[shade])
        if any(lane.words for lane in lanes)
        else None,
        figures={"Where the merge hurts": drift_lines(drifts, colors)} if drifts else None,
        theme=shade,
    )
