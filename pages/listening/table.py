"""All transcripts of a session: a table, the errors over all clips, and the files to take along."""

from collections.abc import Sequence
from functools import partial

import pandas as pd
import streamlit as st

from analysis.wording import number_of
from pages.listening.results import ScoredTranscript, overall, row, table_of, to_json
from pages.widgets.basics import data_table
from pages.widgets.exports import table_button
from pages.widgets.formatting import escape_markdown, percent


def draw_table(results: Sequence[ScoredTranscript], normaliser: str) -> None:
    """A row per clip and model, the errors over all clips, and both as files.

    Parameters
    ----------
    results : sequence of ScoredTranscript
    normaliser : str
        Of the errors over all clips.
    """
    if not results:
        return
    left, right = st.columns([1, 1], vertical_alignment="bottom")
    left.header("All clips")
    files = right.container(horizontal=True, horizontal_alignment="right")
    for kind in ("csv", "parquet"):
        with files:
            table_button(partial(table_of, results), "coalesce-transcripts", kind, key="all-clips")
    files.download_button(
        "JSON",
        to_json(results),
        file_name="coalesce-transcripts.json",
        mime="application/json",
        icon=":material/download:",
        on_click="ignore",
        help="With the word alignment of every transcript.",
    )
    scores = overall(results, normaliser)
    if scores:
        st.caption(
            "Over all clips with a reference, every word counting alike: "
            + " · ".join(
                f"{escape_markdown(name)} WER **{percent(own.wer)}** of"
                f" {number_of(own.words, 'word')}"
                for name, own in scores.items()
            )
        )
    rows = pd.DataFrame([row(result) for result in results])
    numbers = st.column_config.NumberColumn
    data_table(
        rows.assign(wer=100 * rows["wer"].astype(float), cer=100 * rows["cer"].astype(float)),
        column_order=[
            *("clip", "model", "wer", "cer", "substitutions", "insertions", "deletions"),
            *("compared_with", "text"),
        ],
        column_config={
            "clip": st.column_config.TextColumn("Clip", width=150),
            "model": st.column_config.TextColumn("Model", width=170),
            "text": st.column_config.TextColumn("Transcript", width=300),
            "compared_with": st.column_config.TextColumn("Against", width=85),
            "wer": numbers("WER or divergence (%)", format="%.1f", width=150),
            "cer": numbers("CER (%)", format="%.1f", width=70),
            "substitutions": numbers("S", width=45),
            "insertions": numbers("I", width=45),
            "deletions": numbers("D", width=45),
        },
        key="all-clips",
        alt="Transcripts and errors of all clips and models.",
    )
