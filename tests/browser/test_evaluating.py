"""Evaluate in a real browser: a small sweep from the button to the table and its files."""

import csv
import io
import re

from playwright.sync_api import Locator, Page, expect

from tests.helpers.chromium import settle


def chart(page: Page, text: str) -> Locator:
    return page.locator(".js-plotly-plot").filter(has_text=text).first


def test_a_sweep_is_run_drawn_and_exported(page: Page, server: str) -> None:
    page.goto(f"{server}/evaluate")
    expect(page.get_by_role("button", name="Evaluate 13 models")).to_be_visible()
    expect(page.get_by_text(re.compile("It takes (about|a few)"))).to_be_visible()
    page.get_by_role("radio", name="Expert").click()
    settle(page)
    for chosen in ("20", "30", "Coalesce's default"):
        pills = page.get_by_test_id("stButtonGroup")
        pills.get_by_text(chosen, exact=True).click()
        settle(page)
    limit = page.get_by_role("spinbutton", name="Utterances at most")
    limit.fill("4")
    limit.press("Enter")
    page.get_by_role("button", name="Evaluate 3 models").click()

    expect(page.get_by_role("heading", name="Utterances that lose most")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    expect(chart(page, "removed (% of the mergeable parameters)")).to_contain_text(
        "papers' clustering"
    )
    expect(chart(page, "parameters (millions)")).to_be_visible()
    expect(page.get_by_role("button", name="Evaluate 3 models")).to_be_visible()
    page.wait_for_timeout(1500)  # the last run of the page makes the files anew
    with page.expect_download() as download:
        page.get_by_role("button", name=re.compile("CSV$")).first.click()
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text())))
    assert [row["method"] for row in rows] == ["original", "magnitude", "papers' clustering"]
    assert all(row["utterances"] == "4" for row in rows)
    assert rows[2]["magnitude_p_permutation"] != ""
    assert page.get_by_test_id("stException").count() == 0
