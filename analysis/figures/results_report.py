"""The results of a sweep as a file that opens anywhere: curves, table, slices, words."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from analysis.evaluation.confidence import calibration
from analysis.evaluation.loss_tables import ERROR_TITLES, SLICE_TITLES, WORD_TITLES
from analysis.evaluation.lost_words import lost_words, new_errors
from analysis.evaluation.outcomes import Outcomes, outcomes_of
from analysis.evaluation.saved_results import SavedResults
from analysis.evaluation.slices import Slice, slice_values, slices_of
from analysis.evaluation.sweep import Row
from analysis.evaluation.sweep_tables import notes, values
from analysis.evaluation.utterances import UtteranceTable, column_title
from analysis.figures.document import Theme, card, document, embedded
from analysis.figures.losses import calibration_chart, slice_chart
from analysis.figures.marked_words import folded, legend, marked_transcript, reference_text
from analysis.figures.palette import ORIGINAL, VARIANTS
from analysis.figures.sweeps import wer_curves

N_ROWS = 15
"""Of the slices, words and errors of each model; Evaluate writes tables with all."""

N_WORST = 10
"""Utterances of each model whose words are shown."""

_COLUMNS: Mapping[str, str] = {
    "model": "Model",
    "method": "Method",
    "allocation": "Allocation",
    "condition": "Condition",
    "removed": "Removed (%)",
    "parameters": "Parameters",
    "wer": "WER (%)",
    "wer_low": "from",
    "wer_high": "to",
    "cer": "CER (%)",
    "insertion_rate": "Inserted (%)",
    "looping": "Looping (%)",
    "original_difference": "Δ original",
    "original_p_permutation": "p, permutation",
}


def results_report(saved: SavedResults, theme: Theme = "light") -> str:
    """One self-contained HTML file, which asks the network for nothing.

    Parameters
    ----------
    saved : SavedResults
    theme : {"light", "dark"}

    Returns
    -------
    str
        HTML; all foreign text in it is escaped.
    """
    rows = [row for row in saved.rows if isinstance(row, Row)]
    corpus = saved.corpus
    parts = [
        f"<h1>{html.escape(corpus.name)}</h1>",
        f"<small>{html.escape(corpus.describe())}; made with Coalesce.</small>",
        "<h2>Models</h2>",
        _table([_only(values(row), _COLUMNS) for row in rows]),
        *(f"<p><small>{html.escape(note)}</small></p>" for note in notes(saved.rows, whole=False)),
    ]
    first = True
    for (model, condition), own in _by_original(rows).items():
        if len(own) > 1:
            name = " · ".join(filter(None, (model, condition)))
            parts += [
                f"<h2>{html.escape(name)}: WER against what was removed</h2>",
                embedded(wer_curves(own, log=False), theme, first=first),
            ]
            first = False
    outcomes = outcomes_of(rows)
    table = UtteranceTable(outcomes)
    for place in range(1, len(outcomes.models)):
        parts += _model(table, place, theme, first=first)
        first = False
    return document(corpus.name, parts, theme)


def _by_original(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """The rows of each figure: one original under one condition."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row.model, row.evaluation.corpus.condition), []).append(row)
    return found


def _model(table: UtteranceTable, place: int, theme: Theme, *, first: bool) -> list[str]:
    """Where one model loses words."""
    outcomes = table.outcomes
    slices = slices_of(table, place)
    parts = [f"<h2>{html.escape(outcomes.names[place])}: where words are lost</h2>"]
    if slices:
        parts += [
            "<h3>Slices that lose most</h3>",
            embedded(slice_chart(slices), theme, first=first),
            _table([_slice_row(one) for one in slices[:N_ROWS]]),
        ]
    words = [one for one in lost_words(outcomes, place) if one.lost][:N_ROWS]
    parts += [
        "<h3>Words that are lost</h3>",
        _table([_only(asdict(one), WORD_TITLES) for one in words]),
        "<h3>Errors that appear</h3>",
        _table([_only(asdict(one), ERROR_TITLES) for one in new_errors(outcomes, place)[:N_ROWS]]),
    ]
    sure = {
        model.name: own
        for model in (outcomes.models[0], outcomes.models[place])
        if (own := calibration(model)) is not None
    }
    if sure:
        colors = dict(zip(sure, (ORIGINAL, VARIANTS[0]), strict=False))
        parts += [
            "<h3>How sure of its words</h3>",
            embedded(calibration_chart(sure, colors), theme, first=first and not slices),
        ]
    return [*parts, *_worst(outcomes, place)]


def _slice_row(one: Slice) -> dict[str, object]:
    """A slice with its column's title and its p as people read them."""
    row = slice_values(one) | {"column": column_title(one.bound.column), "p": one.p_written()}
    return _only(row, SLICE_TITLES)


def _worst(outcomes: Outcomes, place: int) -> list[str]:
    """The utterances that lose most, with marked words beside the original's."""
    model, base = outcomes.models[place], outcomes.models[0]
    loss = model.errors - base.errors
    worst = sorted(range(len(loss)), key=lambda index: (-loss[index], -model.errors[index], index))
    wrong = [one for one in worst if model.errors[one]][:N_WORST]
    if not wrong:
        return []
    parts = ["<h3>Utterances that lose most</h3>", legend(shared=True)]
    for index in wrong:
        theirs = base.scores[index].alignment
        utterance = outcomes.utterances[index]
        title = " · ".join(filter(None, (utterance.id, utterance.condition)))
        own = marked_transcript(model.scores[index].alignment, theirs)
        parts.append(
            f"<p><small>{html.escape(title)}</small></p>"
            f"{card('Reference', '', reference_text(utterance.text))}<div class='cards'>"
            f"{card(base.name, ORIGINAL, folded(marked_transcript(theirs), base.name))}"
            f"{card(model.name, VARIANTS[0], folded(own, model.name))}</div>"
        )
    return parts


def _only(row: Mapping[str, object], columns: Mapping[str, str]) -> dict[str, object]:
    return {title: row[name] for name, title in columns.items()}


def _table(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows as an HTML table; columns that are empty in all rows are left out."""
    if not rows:
        return "<p><small>Nothing.</small></p>"
    names = [name for name in rows[0] if any(row[name] not in (None, "") for row in rows)]
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    lines = [
        "".join(f"<td>{html.escape(_written(row[name]))}</td>" for name in names) for row in rows
    ]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<div class='wide'><table><tr>{head}</tr>{body}</table></div>"


def _written(value: object) -> str:
    if value is None or value != value:
        return "–"
    if isinstance(value, float):
        return f"{value:.2f}" if abs(value) >= 0.01 or value == 0 else f"{value:.2g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
