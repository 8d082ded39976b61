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
    assert not re.search(r"<b>|<(link|img|iframe)", body)
    assert not re.search(r"(src|href)=['\"]https?:", body)
    assert page.count("default-src 'none'") == 1
    assert len(page) < 8_000_000
