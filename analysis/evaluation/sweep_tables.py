"""The rows of a sweep as a table for a paper: CSV with everything, Markdown and LaTeX to paste."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from analysis import tables
from analysis.evaluation.corpus_evaluation import Comparison
from analysis.evaluation.significance import LEVEL, LEVEL_SHOWN
from analysis.evaluation.sweep import Row, Skipped

ALPHA = 1 - LEVEL
"""A p-value below it counts as a difference."""

_TEX = str.maketrans(
    {c: f"\\{c}" for c in "&%$#_{}"}
    | {"–": "--", "Δ": r"$\Delta$", "†": r"$^\dagger$", "*": "$^*$"}
    | {c: f"${c}$" for c in "<>|"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
)


@dataclass(frozen=True, slots=True)
class _Line:
    """A row as it is printed: text by column."""

    model: str
    method: str
    allocation: str
    condition: str
    removed: str
    parameters: str
    speed: str
    wer: str
    interval: str
    cer: str
    inserted: str
    looping: str
    against_original: str
    against_magnitude: str


_HEADINGS: Mapping[str, str] = {
    "model": "Model",
    "method": "Method",
    "allocation": "Allocation",
    "condition": "Condition",
    "removed": "Removed",
    "parameters": "Parameters",
    "speed": "RTF",
    "wer": "WER",
    "interval": f"{LEVEL_SHOWN} interval",
    "cer": "CER",
    "inserted": "Inserted",
    "looping": "Looping",
    "against_original": "Δ original",
    "against_magnitude": "Δ magnitude",
}
_TEXTS = ("model", "method", "allocation", "condition")


def values(row: Row) -> dict[str, object]:
    """Everything about a row, flat: rates in per cent, None where there is nothing.

    Parameters
    ----------
    row : Row

    Returns
    -------
    dict of str to object
        The same keys in the same order for every row.
    """
    total, cost, cell = row.evaluation.total, row.cost, row.cell
    return {
        "model": row.model,
        "method": cell.way.name if cell else "original",
        "allocation": cell.allocation if cell else None,
        "sparsity": cell.sparsity if cell else 0.0,
        "condition": row.evaluation.corpus.condition or None,
        "seed": cell.seed if cell and cell.way.uses_seed else None,
        "removed": 100 * row.achieved,
        "parameters": cost.parameters,
        "bytes": cost.bytes,
        "macs_per_second": cost.macs,
        "real_time_factor": row.evaluation.real_time_factor,
        "wer": 100 * total.wer,
        "wer_low": 100 * row.evaluation.interval.low,
        "wer_high": 100 * row.evaluation.interval.high,
        "cer": 100 * total.cer,
        "substitutions": total.substitutions,
        "insertions": total.insertions,
        "deletions": total.deletions,
        "insertion_rate": 100 * row.evaluation.insertion_rate,
        "looping": 100 * row.evaluation.looping,
        "words": total.words,
        "utterances": len(row.evaluation.scores),
        "normaliser": total.normaliser,
        **_difference("original", row.against_original),
        **_difference("magnitude", row.against_magnitude),
    }


def to_csv(rows: Sequence[Row | Skipped]) -> str:
    """Comma-separated values, a line per evaluated model; empty where there is no value."""
    return tables.to_csv(table(rows)).decode()


def table(rows: Sequence[Row | Skipped]) -> pd.DataFrame:
    """A row per evaluated model; see `values`."""
    return tables.from_records([values(row) for row in rows if isinstance(row, Row)])


def to_markdown(rows: Sequence[Row | Skipped]) -> str:
    """A table and what has to be said under it."""
    names = _shown(rows)
    table = [[_HEADINGS[n] for n in names], ("---" if n in _TEXTS else "---:" for n in names)]
    lines = ["| " + " | ".join(cells) + " |" for cells in table]
    for line in map(_line, _evaluated(rows)):
        cells = (getattr(line, name).replace("|", "\\|") for name in names)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", *notes(rows)]) + "\n"


def to_latex(rows: Sequence[Row | Skipped]) -> str:
    """A `booktabs` table whose caption says what has to be said."""
    names = _shown(rows)
    columns = "".join("l" if name in _TEXTS else "r" for name in names)
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(_tex(_HEADINGS[name]) for name in names) + r" \\",
        r"\midrule",
    ]
    for line in map(_line, _evaluated(rows)):
        lines.append(" & ".join(_tex(getattr(line, name)) for name in names) + r" \\")
    caption = " ".join(_tex(note) for note in notes(rows))
    lines += [r"\bottomrule", r"\end{tabular}", rf"\caption{{{caption}}}", r"\end{table}"]
    return "\n".join(lines) + "\n"


_MARKS = f"* p < {ALPHA:.2f} in MAPSSWE, † p < {ALPHA:.2f} in the paired permutation test, "
_TIME = " RTF: seconds of computing per second of sound, where and when the row was computed."


def notes(rows: Sequence[Row | Skipped], *, whole: bool = True) -> list[str]:
    """What a reader of the table has to know, a sentence or two each.

    Parameters
    ----------
    rows : sequence of Row or Skipped
    whole : bool
        Whether the table has the marks of significance and the real-time factor.
    """
    first = _evaluated(rows)[0].evaluation
    total, corpus = first.total, first.corpus
    found = [
        f"{corpus.name}: {corpus.describe()}, {total.words:,} words. Normaliser: "
        f"{total.normaliser}. Rates in per cent, of the corpus as a whole.",
        f"Intervals: {LEVEL_SHOWN}, by bootstrap (Bisani and Ney 2004); these, and the permutation "
        f"test, over {corpus.drawn}.",
        f"Δ: points of WER; {_MARKS if whole else 'p: of the permutation test, '}each row by "
        "itself, not corrected for their number.",
        "Inserted: words that nobody said, over words of the references. Looping: share of the "
        "utterances whose words go round in circles.",
        f"Removed: share of the mergeable parameters.{_TIME if whole else ''}",
    ]
    return found + _not_run([row for row in rows if isinstance(row, Skipped)])


def _not_run(skipped: Sequence[Skipped]) -> list[str]:
    """What is not in the table and why, those together that have all but the method in common."""
    sparsities: dict[tuple[str, str, str, str], dict[str, None]] = {}
    for row in skipped:
        cell = row.cell
        key = (row.model, cell.allocation, row.reason, cell.way.name)
        sparsities.setdefault(key, {})[f"{cell.sparsity:.0%}"] = None
    methods: dict[tuple[str, str, str, str], list[str]] = {}
    for (model, allocation, reason, method), found in sparsities.items():
        methods.setdefault((model, allocation, reason, ", ".join(found)), []).append(method)
    return [
        f"Not run: {model}, {'; '.join(names)}, {allocation}, {shares}: {reason}"
        for (model, allocation, reason, shares), names in methods.items()
    ]


def _shown(rows: Sequence[Row | Skipped]) -> list[str]:
    """The columns; that of the condition where there is one."""
    disturbed = any(row.evaluation.corpus.condition for row in _evaluated(rows))
    return [name for name in _HEADINGS if disturbed or name != "condition"]


def _evaluated(rows: Sequence[Row | Skipped]) -> list[Row]:
    return [row for row in rows if isinstance(row, Row)]


def _line(row: Row) -> _Line:
    total, interval, cell = row.evaluation.total, row.evaluation.interval, row.cell
    seed = f" (seed {cell.seed})" if cell and cell.way.uses_seed and cell.seed else ""
    return _Line(
        model=row.model,
        method=cell.way.name + seed if cell else "original",
        allocation=cell.allocation if cell else "",
        condition=row.evaluation.corpus.condition,
        removed=f"{100 * row.achieved:.1f}",
        parameters=f"{row.cost.parameters / 1e6:.2f} M",
        speed=f"{row.evaluation.real_time_factor:.3f}",
        wer=f"{100 * total.wer:.2f}",
        interval=f"{100 * interval.low:.2f}–{100 * interval.high:.2f}",
        cer=f"{100 * total.cer:.2f}",
        inserted=f"{100 * row.evaluation.insertion_rate:.2f}",
        looping=f"{100 * row.evaluation.looping:.1f}",
        against_original=_marked(row.against_original),
        against_magnitude=_marked(row.against_magnitude),
    )


def _marked(comparison: Comparison | None) -> str:
    """A difference in points with the marks of the tests that it passes."""
    if comparison is None:
        return ""
    difference, pairs = comparison.difference, comparison.matched_pairs
    marks = ("*" if pairs.p_value < ALPHA else "") + ("†" if difference.p_value < ALPHA else "")
    return f"{100 * difference.delta:+.2f}{marks}"


def _difference(name: str, comparison: Comparison | None) -> dict[str, object]:
    if comparison is None:
        keys = ("difference", "low", "high", "p_permutation", "p_mapsswe")
        return {f"{name}_{key}": None for key in keys}
    difference, pairs = comparison.difference, comparison.matched_pairs
    return {
        f"{name}_difference": 100 * difference.delta,
        f"{name}_low": 100 * difference.low,
        f"{name}_high": 100 * difference.high,
        f"{name}_p_permutation": difference.p_value,
        f"{name}_p_mapsswe": pairs.p_value,
    }


def _tex(text: str) -> str:
    return text.translate(_TEX)
