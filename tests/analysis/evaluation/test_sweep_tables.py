"""The table of a sweep in three formats."""

import csv
import io
from dataclasses import replace

from analysis.evaluation.corpora import Corpus
from analysis.evaluation.sweep import Row
from analysis.evaluation.sweep_tables import to_csv, to_latex, to_markdown, values
from analysis.models.speech_model import SpeechModel
from tests.helpers.heard import rows_heard
from tests.helpers.sweeps import rows_of


def test_table_in_three_formats(hubert: SpeechModel, corpus: Corpus) -> None:
    rows = rows_of(hubert, corpus, sparsity="0.5", method=[{"name": "a_b|c", "method": "random"}])
    table = list(csv.DictReader(io.StringIO(to_csv(rows))))
    assert [line["method"] for line in table] == ["original", "a_b|c"]
    row = rows[1]
    assert isinstance(row, Row)
    for name, value in values(row).items():
        written = table[1][name]
        assert written == ("" if value is None or value != value else str(value))
    assert table[0]["original_p_mapsswe"] == ""
    markdown = to_markdown(rows)
    wer = f"{100 * row.evaluation.total.wer:.2f}"
    assert "| tiny-hubert | a_b\\|c | uniform | 50.0 | 0.02 M |" in markdown
    assert f"| {wer} |" in markdown
    assert "Normaliser: none." in markdown
    latex = to_latex(rows)
    assert r"tiny-hubert & a\_b$|$c & uniform & 50.0 & 0.02 M" in latex
    assert latex.count(r"\\") == 3
    assert r"95 \% interval" in latex


def test_a_model_named_like_a_formula_is_none_in_the_table() -> None:
    [row] = rows_heard(["a"], {"original": ["a"]})
    [line] = csv.DictReader(io.StringIO(to_csv([replace(row, model="=1+1")])))
    assert line["model"] == "'=1+1"
