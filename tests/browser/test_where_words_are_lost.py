"""Evaluate in a real browser: from kept results to the worst slice, and ten thousand utterances."""

import random
import re
from pathlib import Path

from playwright.sync_api import Page, expect

from analysis.evaluation.saved_results import results_to_json
from analysis.evaluation.sweep import Row
from tests.helpers.chromium import settle
from tests.helpers.heard import rows_heard


def open_results(page: Page, server: str, rows: list[Row], folder: Path) -> None:
    file = folder / "results.json"
    file.write_bytes(results_to_json(rows[0].evaluation.corpus, list(rows)))
    page.goto(f"{server}/evaluate")
    page.get_by_role("button", name="Open results").click()
    page.get_by_role("textbox", name="Folder or file").fill(str(file))
    popover = page.get_by_test_id("stPopoverBody")
    popover.get_by_role("button", name="Open", exact=True).click()
    expect(page.get_by_role("heading", name="All utterances")).to_be_visible(timeout=60_000)
    page.keyboard.press("Escape")
    settle(page)


def click_first_row(page: Page, key: str) -> None:
    """Click the box in front of the first row of a table, which is drawn on a canvas."""
    canvas = page.locator(f"[class*='st-key-{key}'] canvas").first
    canvas.evaluate("canvas => canvas.scrollIntoView({block: 'center'})")
    page.wait_for_timeout(300)
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 16, box["y"] + 52)
    settle(page)


def test_the_worst_slice_is_three_clicks_away(page: Page, server: str, tmp_path: Path) -> None:
    said = ["one two three"] * 24
    worse = ["one two three" if place % 3 else "one" for place in range(24)]
    columns = [{"room": "booth" if place % 3 else "hall"} for place in range(24)]
    rows = rows_heard(said, {"original": said, "cut": worse}, columns)
    open_results(page, server, rows, tmp_path)
    page.get_by_test_id("stButtonGroup").get_by_text("Slices", exact=True).click()  # first
    settle(page)
    click_first_row(page, "slices")  # second: its utterances
    expect(page.get_by_text("8 of 24 utterances: Room hall")).to_be_visible()
    click_first_row(page, "explorer")  # third: one of them, with its words
    expect(page.get_by_text("2 errors, 2 new")).to_be_visible()
    assert page.get_by_test_id("stException").count() == 0


def test_ten_thousand_utterances_are_sorted_and_filtered(
    page: Page, server: str, tmp_path: Path
) -> None:
    chance = random.Random(0)
    sentences = [f"w{number} and x{number % 7}" for number in range(200)]
    said = chance.choices(sentences, k=10_000)
    rows = rows_heard(said, {"original": said, "cut": [text[:-3] for text in said]})
    open_results(page, server, rows, tmp_path)
    expect(page.get_by_text("10,000 of 10,000 utterances")).to_be_visible()
    search = page.get_by_role("textbox", name="Words")
    search.fill("w7")
    search.press("Enter")
    n_found = sum("w7" in text.split() for text in said)
    expect(page.get_by_text(f"{n_found:,} of 10,000 utterances")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name=re.compile(f"JSONL of {n_found} ")).click()
    lines = download.value.path().read_text().splitlines()
    assert len(lines) == n_found
    assert all('"reference": "w7 and' in line for line in lines)
    page.get_by_role("button", name="Show all", exact=True).click()
    expect(page.get_by_text("10,000 of 10,000 utterances")).to_be_visible()
    expect(search).to_have_value("")
    page.get_by_test_id("stButtonGroup").get_by_text("Rising", exact=True).click()
    settle(page)
    expect(page.get_by_text("10,000 of 10,000 utterances")).to_be_visible()
