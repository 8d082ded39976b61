"""The report of a sweep is one file that asks for nothing, and no foreign word becomes markup."""

import re

from analysis.evaluation.saved_results import SavedResults
from analysis.figures.results_report import results_report
from tests.helpers.heard import rows_heard


def test_the_report_holds_everything_and_asks_for_nothing() -> None:
    said = ["the <b>cat</b> sat"] * 12
    worse = ["the bat <script>x</script>"] * 6 + said[6:]
    columns = [{"room": "a&b" if place % 2 else "hall"} for place in range(12)]
    rows = rows_heard(said, {"original": said, "cut": worse}, columns, n_speakers=4)
    page = results_report(SavedResults(rows[0].evaluation.corpus, list(rows)), "dark")
    body = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert "where words are lost" in body
    assert "a&amp;b" in body
    assert "instead of cat" in body
    headings = re.findall(r"<h3>(.*?)</h3>", body)
    assert headings[0] == "Slices that lose most"
    assert headings[-1] == "Utterances that lose most"
    assert {"Regained", "Lost (points)", "Times"} <= set(re.findall(r"<th>(.*?)</th>", body))
    assert "original_errors" not in body
    assert "MAPSSWE" not in body, "the table has no mark of it"
    assert "RTF" not in body
    assert "the &lt;b&gt;cat&lt;/b&gt; sat</div>" in body, "the reference, as it was written"
    assert not re.search(r"<b>|<(link|img|iframe)", body)
    assert not re.search(r"(src|href)=['\"]https?:", body)
    assert page.count("default-src 'none'") == 1
    assert len(page) < 8_000_000


def test_the_report_of_a_model_without_errors_has_no_marks_to_explain() -> None:
    said = ["the cat sat"] * 8
    rows = rows_heard(said, {"original": said, "cut": said})
    page = results_report(SavedResults(rows[0].evaluation.corpus, list(rows)))
    assert "substituted" not in page
    assert "Utterances that lose most" not in page
